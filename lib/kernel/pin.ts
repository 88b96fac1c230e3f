import { chmodSync, statSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

import { EbpfError, UsageError, quote } from '../errors/index.js';
import { pinObject, type Handle } from '../sys/index.js';

/** BPF_FS_MAGIC of include/uapi/linux/magic.h. */
const bpfFileSystem = 0xcafe_4a11;

/** Only the owner may open what is pinned. */
const pinMode = 0o600;

/**
 * Pins an object at a path, with mode 0600.
 *
 * @throws {@link UsageError} when the folder is not in a BPF file system; {@link KernelError} otherwise.
 */
export function pin(handle: Handle, path: string): void {
  try {
    pinObject(handle, path);
  } catch (error) {
    if (EbpfError.is(error) && error.errno !== undefined && fileSystemOf(dirname(path)) !== bpfFileSystem) {
      const problem = `${quote(path)} is not in a BPF file system, such as /sys/fs/bpf once mounted (mount -t bpf bpf /sys/fs/bpf)`;
      throw UsageError.invalidValue('path', problem, { cause: error });
    }
    throw error;
  }
  // The kernel takes away what the process's umask says (bpf_obj_do_pin of kernel/bpf/inode.c).
  if ((statSync(path).mode & 0o777) !== pinMode) chmodSync(path, pinMode);
}

/** The magic number of the file system that holds a folder; undefined when there is no such folder. */
function fileSystemOf(folder: string): number | undefined {
  try {
    return statfsSync(folder).type;
  } catch {
    return undefined;
  }
}
