import { closeSync, constants, fstatSync, openSync, statSync, statfsSync } from 'node:fs';

import { EbpfError, UsageError, quote } from '../errors/index.js';
import { adoptDescriptor, descriptorNumber, type DescriptorSource, type Handle } from '../sys/index.js';

/** A cgroup: the path of its directory in a cgroup2 file system, as `/sys/fs/cgroup/my.slice`, or that directory, open. */
export type CgroupSource = string | DescriptorSource;

/** CGROUP2_SUPER_MAGIC of include/uapi/linux/magic.h. */
const cgroup2 = 0x6367_7270;

/** Opens a cgroup for one call; the handle is to be closed. UsageError when it is no directory or not there. */
export function openCgroup(cgroup: CgroupSource, path = 'cgroup'): Handle {
  if (typeof cgroup !== 'string') {
    const descriptor = descriptorNumber(cgroup, path);
    return orUsageError(path, () => adoptDescriptor(descriptor, `cgroup of descriptor ${descriptor}`));
  }
  const descriptor = orUsageError(path, () => openSync(cgroup, constants.O_RDONLY | constants.O_DIRECTORY));
  try {
    return adoptDescriptor(descriptor, `cgroup ${quote(cgroup)}`);
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The kernel's number of a cgroup, as `bpf_get_current_cgroup_id` gives it and storages of cgroups have it in their keys. It is
 * the inode of its directory.
 *
 * @throws {@link UsageError} when there is no such cgroup.
 */
export function cgroupId(cgroup: CgroupSource): bigint {
  const path = 'cgroup';
  const options = { bigint: true } as const;
  const stat = orUsageError(path, () =>
    typeof cgroup === 'string' ? statSync(cgroup, options) : fstatSync(descriptorNumber(cgroup, path), options),
  );
  if (stat.isDirectory()) return stat.ino;
  throw UsageError.invalidValue(path, 'it is no directory');
}

function orUsageError<T>(path: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (!EbpfError.is(cause)) throw UsageError.invalidValue(path, (cause as Error).message, { cause });
    if (cause.errnoName !== 'EBADF') throw cause;
    throw UsageError.invalidValue(path, 'its descriptor is not open', { cause });
  }
}

/** EBADF of a call that was given a cgroup: the kernel found something else. Other errors stay as they are. */
export function cgroupFailure(error: unknown, cgroup: CgroupSource, path = 'cgroup'): unknown {
  if (!EbpfError.is(error) || error.errnoName !== 'EBADF') return error;
  const descriptor = typeof cgroup === 'string' ? undefined : descriptorNumber(cgroup, path);
  const directory = typeof cgroup === 'string' ? cgroup : `/proc/self/fd/${descriptorNumber(cgroup, path)}`;
  const what = typeof cgroup === 'string' ? quote(cgroup) : `descriptor ${descriptor ?? ''}`;
  const problem = isInCgroup2(directory)
    ? 'is a file of a cgroup, not its directory'
    : 'is not in a cgroup2 file system, which `mount -t cgroup2` shows (usually /sys/fs/cgroup)';
  return UsageError.invalidValue(path, `${what} ${problem}`, { cause: error });
}

function isInCgroup2(path: string): boolean {
  try {
    return statfsSync(path).type === cgroup2;
  } catch {
    return false;
  }
}
