import { BpfCommand, MapType } from '../abi/index.js';
import { mapBatch, mapLookup, mapNextKey, type Handle } from '../sys/index.js';

import { callFailure } from './call-failure.js';
import { EINTR, ENOENT, ENOSPC, isNoBatch } from './errno.js';

/** Bytes of keys and values that are read at once. */
const batchBytes = 256 * 1024;

/** How often a step of a walk is tried again that a change of the map broke off. */
const mostRetries = 100;

/** The part of a map that a walk needs. @internal */
export interface Walkable {
  readonly handle: Handle;
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  /** Bytes that a system call moves for one value: of a per-CPU map, the values of all CPUs. */
  readonly valueBytes: number;
  readonly maxEntries: number;
}

/** Entries read at once, one after the other; valid until the next are read. @internal */
export interface EntryBatch {
  readonly count: number;
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
}

/** How a walk goes. @internal */
export interface WalkOptions {
  /** Removes what it reads; only of hashes. */
  readonly takes?: boolean | undefined;
  /** BPF_F_LOCK or nothing. */
  readonly flags?: number | undefined;
  /** Entries at once. Default: as many as 256 KiB hold. */
  readonly batch?: number | undefined;
}

/** Types whose position in a walk is a bucket, not a key: a key that is gone does not send the walk to the start. */
const bucketTypes: ReadonlySet<number> = new Set([
  MapType.HASH,
  MapType.LRU_HASH,
  MapType.PERCPU_HASH,
  MapType.LRU_PERCPU_HASH,
]);

/**
 * A walk over the entries of a map, many in one system call (hashes and arrays since Linux 5.6), else key by key.
 *
 * It ends also while the map changes. Of a map that does not change, each entry is read once. Of one that does, an entry
 * that comes or goes may be read or not; where the kernel walks by keys (all but hashes with batches), the removal of the
 * very key at which the walk stands sends it back to the first, so that entries are read again and others not at all.
 * @internal
 */
export class Walk {
  readonly map: Walkable;
  readonly #takes: boolean;
  readonly #flags: number;
  readonly #position: Uint8Array;
  readonly #count = new Uint32Array(1);
  readonly #limit: number;
  #room: number;
  #keys: Uint8Array;
  #values: Uint8Array;
  #started = false;
  #byKey = false;
  /** Entries that were read, which ends walks that are sent back to the first key again and again. */
  #seen = 0;
  #done = false;

  constructor(map: Walkable, options: WalkOptions = {}) {
    this.map = map;
    this.#takes = options.takes === true;
    this.#flags = options.flags ?? 0;
    const most = options.batch ?? Math.floor(batchBytes / (map.keySize + map.valueBytes));
    // Of cgroup storage the kernel sets no limit, and says 0.
    this.#limit = map.maxEntries === 0 ? Infinity : map.maxEntries;
    this.#room = Math.max(1, Math.min(this.#limit, most));
    this.#position = new Uint8Array(Math.max(4, map.keySize));
    this.#keys = new Uint8Array(this.#room * map.keySize);
    this.#values = new Uint8Array(this.#room * map.valueBytes);
  }

  /** Whether all entries were read. */
  get done(): boolean {
    return this.#done;
  }

  /**
   * The next entries, at least one; undefined at the end. They are valid until the next call. `room` changes how many are
   * read at once; a hash gives more where one of its buckets has more.
   */
  next(room: number = this.#room): EntryBatch | undefined {
    if (room !== this.#room) this.#makeRoom(room);
    while (!this.#done) {
      const count = this.#byKey ? this.#readByKey() : this.#readBatch();
      if (count > 0) return { count, keys: this.#keys, values: this.#values };
    }
    return undefined;
  }

  #readBatch(): number {
    const { handle, type } = this.map;
    const command = this.#takes ? BpfCommand.MAP_LOOKUP_AND_DELETE_BATCH : BpfCommand.MAP_LOOKUP_BATCH;
    for (let attempt = 0; attempt < mostRetries; attempt++) {
      this.#count[0] = this.#room;
      const result = mapBatch(
        handle,
        command,
        {
          position: this.#started ? this.#position : null,
          nextPosition: this.#position,
          keys: this.#keys,
          values: this.#values,
          count: this.#count,
        },
        this.#flags,
      );
      const [count = 0] = this.#count;
      if (result === ENOSPC) {
        // One bucket of the hash holds more than the buffers: the kernel gives a bucket as a whole or not at all.
        // More than twice the map cannot be in one bucket: something else is wrong.
        if (this.#room > this.#limit * 2) throw this.#failed(command, result);
        this.#makeRoom(this.#room * 2);
        continue;
      }
      if (!this.#started && !this.#takes && isNoBatch(result)) {
        this.#byKey = true;
        return 0;
      }
      // Before 6.14 generic_map_lookup_batch gives up with EINTR when keys vanish under it, and stands where it was.
      if (result === EINTR && count === 0) continue;
      if (result < 0 && result !== ENOENT && result !== EINTR) throw this.#failed(command, result);
      this.#started ||= count > 0;
      this.#seen += count;
      const again = !bucketTypes.has(type) && this.#seen >= this.#limit;
      this.#done = result === ENOENT || again;
      return count;
    }
    throw this.#failed(command, EINTR);
  }

  #readByKey(): number {
    const { handle, keySize, valueBytes } = this.map;
    const position = this.#position.subarray(0, keySize);
    let count = 0;
    // When a key vanishes the kernel starts again from the first: the number of steps is what ends such a walk.
    for (; count < this.#room && this.#seen < this.#limit; this.#seen++) {
      const key = this.#keys.subarray(count * keySize, (count + 1) * keySize);
      const found = mapNextKey(handle, this.#started ? position : null, key);
      if (found === ENOENT) {
        this.#done = true;
        return count;
      }
      if (found < 0) throw this.#failed(BpfCommand.MAP_GET_NEXT_KEY, found);
      position.set(key);
      this.#started = true;
      const value = this.#values.subarray(count * valueBytes, (count + 1) * valueBytes);
      const read = mapLookup(handle, key, value, this.#flags);
      if (read === ENOENT) continue;
      if (read < 0) throw this.#failed(BpfCommand.MAP_LOOKUP_ELEM, read);
      count++;
    }
    this.#done = this.#seen >= this.#limit;
    return count;
  }

  #makeRoom(room: number): void {
    const { keySize, valueBytes } = this.map;
    this.#room = room;
    this.#keys = new Uint8Array(room * keySize);
    this.#values = new Uint8Array(room * valueBytes);
  }

  #failed(command: BpfCommand, errno: number): Error {
    return callFailure(this.map, 'walk', command, errno);
  }
}
