import { addon } from './addon.js';
import type { Handle } from './handle.js';
import { trace, tracing } from './trace.js';

// Values that belong to a socket, file, task or cgroup, which the kernel finds by a descriptor. Each returns 0 or -errno.

/** Whose value is meant: something opened here, or the bytes of one of Node's own descriptors. */
export type StorageOwner = Handle | Uint8Array;

const keyOf = (owner: StorageOwner): Uint8Array | number => (owner instanceof Uint8Array ? owner : owner.token);

/** Copies the owner's value into `value`. -ENOENT when it has none; -EBADF for a descriptor of something else. */
export function storageLookup(map: Handle, owner: StorageOwner, value: Uint8Array, flags: number): number {
  const result = addon().mapLookup(map.token, keyOf(owner), value, flags);
  return tracing ? trace(`bpf(BPF_MAP_LOOKUP_ELEM) on ${map.describe()}`, result) : result;
}

export function storageUpdate(map: Handle, owner: StorageOwner, value: Uint8Array, flags: number): number {
  const result = addon().mapUpdate(map.token, keyOf(owner), value, flags);
  return tracing ? trace(`bpf(BPF_MAP_UPDATE_ELEM) on ${map.describe()}`, result) : result;
}

export function storageDelete(map: Handle, owner: StorageOwner): number {
  const result = addon().mapDelete(map.token, keyOf(owner));
  return tracing ? trace(`bpf(BPF_MAP_DELETE_ELEM) on ${map.describe()}`, result) : result;
}
