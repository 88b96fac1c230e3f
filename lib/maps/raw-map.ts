import { BpfCommand, MapType } from '../abi/index.js';
import {
  mapBatch,
  mapDelete,
  mapDeleteShort,
  mapLookup,
  mapLookupAndDelete,
  mapLookupShort,
  mapNextKey,
  mapShape,
  mapUpdate,
  mapUpdateShort,
  shortBytes,
  type MapBatchCommand,
} from '../sys/index.js';

import { callFailure, type FailedMap } from './call-failure.js';
import { EEXIST, ENOENT } from './errno.js';

/** The buffers of a batch: keys one after the other, values too, each of the kernel's sizes. */
export interface RawBatch {
  readonly keys: Uint8Array;
  /** Undefined where values are not moved: {@link RawMap.deleteBatch}. */
  readonly values?: Uint8Array | undefined;
  /** How many entries to move, and after the call how many were moved, also when it failed. */
  readonly count: Uint32Array;
}

/** The part of a map that raw access needs. @internal */
export interface RawMapDetails extends FailedMap {
  readonly type: MapType;
  readonly valueBytes: number;
}

/** Types whose keys and values are bytes to the kernel and never stand for something else. */
const plainTypes: ReadonlySet<MapType> = new Set([
  MapType.HASH,
  MapType.LRU_HASH,
  MapType.PERCPU_HASH,
  MapType.LRU_PERCPU_HASH,
  MapType.ARRAY,
  MapType.PERCPU_ARRAY,
  MapType.LPM_TRIE,
]);

/**
 * A map's entries as bytes in the caller's `Uint8Array`s. Nothing is allocated, converted or decoded. Buffers must have the
 * kernel's sizes: of per-CPU maps a value is the value size rounded up to 8 bytes, times the possible CPUs
 * ({@link RawMap.valueBytes}). Shorter ones are refused. Flags are the kernel's numbers ({@link MapUpdateFlag}). Queues,
 * stacks and bloom filters have no keys: `null`.
 *
 * @example
 * ```js
 * const { raw } = ebpf.map('counts');
 * const key = new Uint8Array(4);
 * const value = new Uint8Array(raw.valueBytes);
 * if (raw.get(key, value)) console.log(value);
 * ```
 */
export class RawMap {
  readonly #map: RawMapDetails;
  readonly #keySize: number;
  readonly #valueBytes: number;
  /** Whether entries are few bytes, and nothing but bytes. */
  readonly #short: boolean;

  /** @internal */
  constructor(map: RawMapDetails) {
    const { type, keySize, valueBytes } = map;
    this.#map = map;
    this.#keySize = keySize;
    this.#valueBytes = valueBytes;
    this.#short =
      plainTypes.has(type) && keySize > 0 && keySize <= shortBytes && valueBytes > 0 && valueBytes <= shortBytes;
  }

  /** Bytes that the kernel reads and writes for one value. */
  get valueBytes(): number {
    return mapShape(this.#map.handle).valueBytes;
  }

  /**
   * Reads the value of `key` into `value`; false when there is no such key. Of a queue or stack the next value, which stays.
   *
   * @throws {@link UsageError} when a buffer has the wrong length; {@link KernelError} otherwise.
   */
  get(key: Uint8Array | null, value: Uint8Array, flags: number = 0): boolean {
    const { handle } = this.#map;
    const result =
      this.#isShort(key) && this.#hasValue(value)
        ? mapLookupShort(handle, key, this.#keySize, value, this.#valueBytes, flags)
        : mapLookup(handle, key, value, flags);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('look up a key in', BpfCommand.MAP_LOOKUP_ELEM, result, key, value);
  }

  /**
   * Stores `value` under `key`; false when `flags` forbid it: `MapUpdateFlag.NOEXIST` and the key is there, or
   * `EXIST` and it is not. Pushes onto a queue or stack.
   *
   * @throws {@link KernelError} E2BIG when the map is full.
   */
  set(key: Uint8Array | null, value: Uint8Array, flags: number = 0): boolean {
    const { handle } = this.#map;
    const result =
      this.#isShort(key) && this.#hasValue(value)
        ? mapUpdateShort(handle, key, this.#keySize, value, this.#valueBytes, flags)
        : mapUpdate(handle, key, value, flags);
    if (result === 0) return true;
    if (result === EEXIST || result === ENOENT) return false;
    throw this.#failed('update', BpfCommand.MAP_UPDATE_ELEM, result, key, value);
  }

  /** Removes `key`; false when it was not there. */
  delete(key: Uint8Array): boolean {
    const { handle } = this.#map;
    const result = this.#isShort(key) ? mapDeleteShort(handle, key, this.#keySize) : mapDelete(handle, key);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('delete a key of', BpfCommand.MAP_DELETE_ELEM, result, key);
  }

  /**
   * Reads the value of `key` into `value` and removes it, in one step; false when there is no such key. Pops from a queue
   * or stack.
   *
   * @throws {@link UnsupportedError} for types without this command; of hashes before Linux 5.14.
   */
  take(key: Uint8Array | null, value: Uint8Array, flags: number = 0): boolean {
    const result = mapLookupAndDelete(this.#map.handle, key, value, flags);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('take a value of', BpfCommand.MAP_LOOKUP_AND_DELETE_ELEM, result, key, value);
  }

  /** Writes the key after `key` (`null`: the first) into `next`; false at the end. The first again when `key` is gone. */
  nextKey(key: Uint8Array | null, next: Uint8Array): boolean {
    const result = mapNextKey(this.#map.handle, key, next);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('walk', BpfCommand.MAP_GET_NEXT_KEY, result, next);
  }

  /**
   * Reads the entries after `position` (`null`: the first) into the buffers, and writes into `nextPosition` where to go on;
   * false at the end, with the last entries counted. Positions have as many bytes as a key, at least 4, and may be the
   * same buffer. Least kernel: 5.6 for hashes and arrays, 5.13 for per-CPU arrays and LPM tries.
   *
   * @throws {@link KernelError} ENOSPC when one bucket of a hash holds more than the buffers, which then need more room.
   */
  lookupBatch(position: Uint8Array | null, nextPosition: Uint8Array, batch: RawBatch, flags: number = 0): boolean {
    return this.#walk(BpfCommand.MAP_LOOKUP_BATCH, position, nextPosition, batch, flags);
  }

  /** As {@link lookupBatch}, and removes what it reads, in one step for each bucket. Only of hashes. Least kernel: 5.6. */
  takeBatch(position: Uint8Array | null, nextPosition: Uint8Array, batch: RawBatch, flags: number = 0): boolean {
    return this.#walk(BpfCommand.MAP_LOOKUP_AND_DELETE_BATCH, position, nextPosition, batch, flags);
  }

  /** Stores entries. Throws as {@link set}; `batch.count` then says how many were stored. Least kernel: as {@link lookupBatch}. */
  updateBatch(batch: RawBatch, flags: number = 0): void {
    this.#change(BpfCommand.MAP_UPDATE_BATCH, batch, flags);
  }

  /** Removes keys up to the first that is not there: ENOENT. `batch.count` says how many were. Of hashes and LPM tries. */
  deleteBatch(batch: RawBatch, flags: number = 0): void {
    this.#change(BpfCommand.MAP_DELETE_BATCH, batch, flags);
  }

  // What is none of these goes the long way, on which the addon refuses what it must.
  #isShort(key: unknown): key is Uint8Array {
    return this.#short && key instanceof Uint8Array && key.length >= this.#keySize;
  }

  #hasValue(value: unknown): boolean {
    return value instanceof Uint8Array && value.length >= this.#valueBytes;
  }

  #walk(
    command: MapBatchCommand,
    position: Uint8Array | null,
    nextPosition: Uint8Array,
    { keys, values, count }: RawBatch,
    flags: number,
  ): boolean {
    const buffers = { position, nextPosition, keys, values: values ?? null, count };
    const result = mapBatch(this.#map.handle, command, buffers, flags);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('walk', command, result);
  }

  #change(command: MapBatchCommand, { keys, values, count }: RawBatch, flags: number): void {
    const buffers = { position: null, nextPosition: null, keys, values: values ?? null, count };
    const result = mapBatch(this.#map.handle, command, buffers, flags);
    if (result !== 0) throw this.#failed('update', command, result);
  }

  #failed(what: string, command: BpfCommand, errno: number, key?: Uint8Array | null, value?: Uint8Array): Error {
    return callFailure(this.#map, what, command, errno, { key, value });
  }
}
