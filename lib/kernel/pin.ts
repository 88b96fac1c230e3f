import { chmodSync, lstatSync, readlinkSync, renameSync, rmSync, statSync, statfsSync, symlinkSync } from 'node:fs';
import { dirname } from 'node:path';

import { EbpfError, KernelError, UsageError, quote } from '../errors/index.js';
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
    if (EbpfError.is(error) && error.errno !== undefined) requireBpfFileSystem(dirname(path), path, error);
    throw error;
  }
  // The kernel takes away what the process's umask says (bpf_obj_do_pin of kernel/bpf/inode.c).
  if ((statSync(path).mode & 0o777) !== pinMode) chmodSync(path, pinMode);
}

/** @throws {@link UsageError} when a folder is not in a BPF file system; `path` is what was to be in it. */
export function requireBpfFileSystem(folder: string, path: string, cause?: unknown): void {
  if (isBpfFileSystem(folder)) return;
  const problem = `${quote(path)} is not in a BPF file system, such as /sys/fs/bpf once mounted (mount -t bpf bpf /sys/fs/bpf)`;
  throw UsageError.invalidValue('path', problem, { cause });
}

export function isBpfFileSystem(folder: string): boolean {
  return fileSystemOf(folder) === bpfFileSystem;
}

/**
 * Pins a text: as what a symbolic link in a BPF file system leads to, since other files are not to be had there. It lasts as long as
 * the pins beside it. With `replace` it takes the place of another, at once.
 *
 * @throws {@link UsageError} when the folder is not in a BPF file system; {@link KernelError} otherwise.
 */
export function pinText(text: string, path: string, { replace = false }: { readonly replace?: boolean } = {}): void {
  requireBpfFileSystem(dirname(path), path);
  const made = replace ? `${path}~` : path;
  try {
    // Left by a process that was killed.
    if (replace) rmSync(made, { force: true });
    symlinkSync(text, made);
    if (replace) renameSync(made, path);
  } catch (error) {
    const { errno, syscall } = error as NodeJS.ErrnoException;
    if (errno === undefined) throw error;
    throw new KernelError(`pin to ${quote(path)}`, syscall ?? 'symlink', errno, { cause: error });
  }
}

/** The text that was pinned at `path` by this user or root; undefined when something else is there, or nothing. */
export function pinnedText(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found?.isSymbolicLink() !== true) return undefined;
  return found.uid === 0 || found.uid === process.geteuid?.() ? readlinkSync(path) : undefined;
}

/** The magic number of the file system that holds a folder; undefined when there is no such folder. */
function fileSystemOf(folder: string): number | undefined {
  try {
    return statfsSync(folder).type;
  } catch {
    return undefined;
  }
}
