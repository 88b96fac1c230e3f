import { inspect } from 'node:util';

import { KernelError, UnsupportedError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { Handle } from './handle.js';
import { trace } from './trace.js';

/** Something that the caller has open: a descriptor, or an object with one, such as a `FileHandle`. It stays the caller's. */
export type DescriptorSource = number | { readonly fd: number };

/** The number of a descriptor; UsageError with `path` when it cannot be one. */
export function descriptorNumber(source: unknown, path: string): number {
  const number = typeof source === 'object' && source !== null && 'fd' in source ? source.fd : source;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 0x7fff_ffff) return number;
  throw UsageError.invalidValue(
    path,
    number === -1
      ? 'it is closed: its descriptor is -1'
      : `must be a descriptor or an object that has one as \`fd\`, not ${inspect(source, { depth: 0 })}`,
  );
}

/**
 * Something that Node has open, for calls that take a {@link Handle}. The caller's descriptor stays the caller's: this
 * handle has its own, and is to be closed. `name` is what errors call it. KernelError: EBADF.
 */
export function adoptDescriptor(descriptor: number, name: string): Handle {
  const token = trace(`fcntl(${descriptor}, F_DUPFD_CLOEXEC)`, addon().adopt(descriptor));
  if (token < 0) throw new KernelError(`use ${name}`, 'fcntl', token);
  return new Handle('other', token, name);
}

/** PIDFD_THREAD of include/uapi/linux/pidfd.h, which is O_EXCL: the same number on all architectures. */
const PIDFD_THREAD = 0o200;

/** Opens a process by its id, or since Linux 6.9 any of its threads. Returns a handle, or -errno: -ESRCH for none. */
export function tryOpenProcess(id: number, thread: boolean): Handle | number {
  const token = trace(`pidfd_open(${id})`, addon().openProcess(id, thread ? PIDFD_THREAD : 0));
  return token < 0 ? token : new Handle('other', token, `${thread ? 'thread' : 'process'} ${id}`);
}

/** The lines `name: value` of `/proc/self/fdinfo`, where the kernel says what no other call does. */
export function descriptorInfo(handle: Handle): ReadonlyMap<string, string> {
  const text = new Uint8Array(4096);
  const length = addon().descriptorInfo(handle.token, text);
  const facts = new Map<string, string>();
  for (const line of Buffer.from(text.subarray(0, Math.max(length, 0)))
    .toString('utf8')
    .split('\n')) {
    const [, name, value] = /^([^:]+):\s*(.*)$/u.exec(line) ?? [];
    if (name !== undefined && value !== undefined) facts.set(name, value);
  }
  return facts;
}

/** Bytes that the kernel says an object takes: `memlock` of bpf_map_show_fdinfo and bpf_prog_show_fdinfo (kernel/bpf/syscall.c). */
export function memoryUsage(handle: Handle): number {
  if (handle.closed) throw UsageError.closed(handle.describe());
  const bytes = descriptorInfo(handle).get('memlock');
  if (bytes !== undefined) return Number(bytes);
  throw new UnsupportedError(
    `memory of ${handle.describe()}`,
    'the kernel tells it in /proc/self/fdinfo: is /proc mounted?',
  );
}

/** Another handle of the same object, which lives for itself. */
export function duplicateHandle(handle: Handle): Handle {
  if (handle.closed) throw UsageError.closed(handle.describe());
  const token = trace('fcntl(F_DUPFD_CLOEXEC)', addon().duplicate(handle.token));
  if (token < 0) throw new KernelError(`duplicate ${handle.describe()}`, 'fcntl', token);
  return new Handle(handle.kind, token, handle.name);
}
