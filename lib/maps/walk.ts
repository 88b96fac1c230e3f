import { BpfCommand } from '../abi/index.js';
import { KernelError, UsageError, quote } from '../errors/index.js';
import { mapBatch, mapLookup, mapNextKey, type Handle } from '../sys/index.js';

const ENOENT = -2;
const EINVAL = -22;
const ENOSPC = -28;
const EOPNOTSUPP = -95;
const ENOTSUPP = -524;

/** Bytes of keys and values that are read at once. */
const batchBytes = 256 * 1024;

/** The part of a map that a walk needs. */
export interface Walkable {
  readonly handle: Handle;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
}

/** Entries read at once, one after the other; valid until the next are read. */
export interface EntryBatch {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/**
 * Reads all entries, many in one system call (Linux 5.6 for hashes and arrays), else one by one. While the map changes,
 * an entry that comes or goes may be seen or not; the walk ends in any case. Of a map that does not change, each entry
 * is seen once.
 */
export function* walkEntries(map: Walkable): Generator<EntryBatch, void, undefined> {
  const entryBytes = map.keySize + map.valueSize;
  let room = Math.max(1, Math.min(map.maxEntries, Math.floor(batchBytes / entryBytes)));
  const position = new Uint8Array(Math.max(4, map.keySize));
  let keys = new Uint8Array(room * map.keySize);
  let values = new Uint8Array(room * map.valueSize);
  const count = new Uint32Array(1);
  for (let started = false; ;) {
    count[0] = room;
    const result = mapBatch(map.handle, BpfCommand.MAP_LOOKUP_BATCH, {
      position: started ? position : null,
      nextPosition: position,
      keys,
      values,
      count,
    });
    if (result === ENOSPC) {
      // One bucket of the hash holds more than the buffers: the kernel gives a bucket as a whole or not at all.
      room *= 2;
      keys = new Uint8Array(room * map.keySize);
      values = new Uint8Array(room * map.valueSize);
      continue;
    }
    if (!started && (result === EINVAL || result === EOPNOTSUPP || result === ENOTSUPP)) {
      yield* walkOneByOne(map, keys, values);
      return;
    }
    if (result < 0 && result !== ENOENT) throw walkFailed(map, 'BPF_MAP_LOOKUP_BATCH', result);
    if (count[0] > 0) yield { count: count[0], keys, values };
    if (result === ENOENT) return;
    started = true;
  }
}

function* walkOneByOne(map: Walkable, keys: Uint8Array, values: Uint8Array): Generator<EntryBatch, void, undefined> {
  const { handle, keySize, valueSize } = map;
  const room = keys.length / keySize;
  let key: Uint8Array | null = null;
  const next = new Uint8Array(keySize);
  let count = 0;
  // When a key vanishes the kernel starts again from the first: the number of steps is what ends such a walk.
  for (let step = 0; step < map.maxEntries; step++) {
    const found = mapNextKey(handle, key, next);
    if (found === ENOENT) break;
    if (found < 0) throw walkFailed(map, 'BPF_MAP_GET_NEXT_KEY', found);
    key ??= new Uint8Array(keySize);
    key.set(next);
    const value = values.subarray(count * valueSize, (count + 1) * valueSize);
    const read = mapLookup(handle, key, value, 0);
    if (read === ENOENT) continue;
    if (read < 0) throw walkFailed(map, 'BPF_MAP_LOOKUP_ELEM', read);
    keys.set(key, count * keySize);
    count++;
    if (count === room) {
      yield { count, keys, values };
      count = 0;
    }
  }
  if (count > 0) yield { count, keys, values };
}

function walkFailed(map: Walkable, command: string, errno: number): Error {
  if (map.handle.closed) return UsageError.closed(`map ${quote(map.name)}`);
  return new KernelError(`walk map ${quote(map.name)}`, `bpf(${command})`, errno);
}
