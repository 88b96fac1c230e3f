import { getSystemErrorName } from 'node:util';

import type { SystemCallFailure } from './ebpf-error.js';

/** ENOTSUPP is the kernel's own (include/linux/errno.h); libc and Node have no name for it. BPF returns it often. */
const ENOTSUPP = 524;

/** The name of a negative errno: -1 is `EPERM`. */
export function errnoName(errno: number): string {
  if (errno === -ENOTSUPP) return 'ENOTSUPP';
  const name = getSystemErrorName(errno);
  return name.startsWith('Unknown system error') ? `errno ${-errno}` : name;
}

/** Describes a call that returned `errno` (negative). */
export function systemCallFailure(syscall: string, errno: number): SystemCallFailure {
  return { errno, errnoName: errnoName(errno), syscall };
}
