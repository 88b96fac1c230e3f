import { constants } from 'node:os';

/** Results of system calls on maps: negative, as the addon returns them. */
export const ENOENT: number = -constants.errno.ENOENT;
export const EINTR: number = -constants.errno.EINTR;
export const E2BIG: number = -constants.errno.E2BIG;
export const ESRCH: number = -constants.errno.ESRCH;
export const EPERM: number = -constants.errno.EPERM;
export const EBUSY: number = -constants.errno.EBUSY;
export const EEXIST: number = -constants.errno.EEXIST;
export const EINVAL: number = -constants.errno.EINVAL;
export const ENOSPC: number = -constants.errno.ENOSPC;
export const EOPNOTSUPP: number = -constants.errno.EOPNOTSUPP;
/** The kernel's own (include/linux/errno.h), which no header of user space has. */
export const ENOTSUPP = -524;

/** Whether a batch command was refused because the type of map or the kernel has none. */
export function isNoBatch(result: number): boolean {
  return result === EINVAL || result === EOPNOTSUPP || result === ENOTSUPP;
}
