import { BpfCommand, MapUpdateFlag } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';
import { UsageError } from '../errors/index.js';
import { mapBatch, type MapBatchCommand } from '../sys/index.js';

import type { BpfMap, MapDetails } from './bpf-map.js';
import { callFailure } from './call-failure.js';
import { ENOENT, isNoBatch } from './errno.js';
import { GrowingBuffer } from './growing-buffer.js';
import { MapTypes, type TypeAdapters } from './map-types.js';
import { updateFlag, type SetOptions } from './set-options.js';
import { Walk, type EntryBatch } from './walk.js';

/** Where a walk by {@link KeyedMap.lookupBatch} stands. Good for one walk of one map. */
export class BatchCursor {
  readonly #walk: Walk;

  /** @internal */
  constructor(walk: Walk) {
    this.#walk = walk;
  }

  /** @internal */
  get walk(): Walk {
    return this.#walk;
  }
}

/** Some of a map's entries. */
export interface LookupBatch<Key, Value> {
  readonly entries: [Key, Value][];
  /** Where the next call goes on; undefined at the end of the map. */
  readonly cursor: BatchCursor | undefined;
}

/** A key and a value on their way to or from the kernel. */
interface Scratch {
  readonly key: Uint8Array;
  readonly keyView: DataView;
  readonly value: Uint8Array;
  readonly valueView: DataView;
}

/** Entries that are encoded at once for a batch command. */
const batchRoom = 4096;

/**
 * The entries of a map as JavaScript values: what classes of keyed maps are made of. Each takes from here what its kernel
 * type has. Everything is encoded before the kernel is called, so that a value of the wrong type changes nothing.
 * @internal
 */
export class EntryStore<Key, Value, KeyInput, ValueInput> {
  readonly types: MapTypes;
  readonly #map: BpfMap;
  readonly #details: MapDetails;
  #scratch: Scratch | undefined;

  constructor(map: BpfMap, adapters?: TypeAdapters) {
    this.#map = map;
    this.#details = map.details;
    this.types = new MapTypes(map.details, adapters);
  }

  get(key: KeyInput): Value | undefined {
    const scratch = this.#takeScratch();
    encode(this.types.key, key, scratch.keyView, 0, 'key');
    const found = this.#map.raw.get(scratch.key, scratch.value, this.#lockFlag());
    const value = found ? (this.types.value.decode(scratch.valueView, 0) as Value) : undefined;
    this.#scratch = scratch;
    return value;
  }

  has(key: KeyInput): boolean {
    const scratch = this.#takeScratch();
    encode(this.types.key, key, scratch.keyView, 0, 'key');
    const found = this.#map.raw.get(scratch.key, scratch.value);
    this.#scratch = scratch;
    return found;
  }

  set(key: KeyInput, value: ValueInput, options?: SetOptions): boolean {
    const scratch = this.#takeScratch();
    encode(this.types.key, key, scratch.keyView, 0, 'key');
    encode(this.types.value, value, scratch.valueView, 0, 'value');
    const stored = this.#map.raw.set(scratch.key, scratch.value, updateFlag(options) | this.#lockFlag());
    this.#scratch = scratch;
    return stored;
  }

  delete(key: KeyInput): boolean {
    const scratch = this.#takeScratch();
    encode(this.types.key, key, scratch.keyView, 0, 'key');
    const removed = this.#map.raw.delete(scratch.key);
    this.#scratch = scratch;
    return removed;
  }

  take(key: KeyInput): Value | undefined {
    const scratch = this.#takeScratch();
    encode(this.types.key, key, scratch.keyView, 0, 'key');
    const found = this.#map.raw.take(scratch.key, scratch.value, this.#lockFlag());
    const value = found ? (this.types.value.decode(scratch.valueView, 0) as Value) : undefined;
    this.#scratch = scratch;
    return value;
  }

  *entries(): Generator<[Key, Value], undefined, undefined> {
    const walk = this.#walk();
    for (let batch = walk.next(); batch !== undefined; batch = walk.next()) {
      const keys = viewOf(batch.keys);
      const values = viewOf(batch.values);
      for (let index = 0; index < batch.count; index++) yield [this.#keyAt(keys, index), this.#valueAt(values, index)];
    }
    return undefined;
  }

  *keys(): Generator<Key, undefined, undefined> {
    const walk = this.#walk();
    for (let batch = walk.next(); batch !== undefined; batch = walk.next()) {
      const keys = viewOf(batch.keys);
      for (let index = 0; index < batch.count; index++) yield this.#keyAt(keys, index);
    }
    return undefined;
  }

  *values(): Generator<Value, undefined, undefined> {
    const walk = this.#walk();
    for (let batch = walk.next(); batch !== undefined; batch = walk.next()) {
      const values = viewOf(batch.values);
      for (let index = 0; index < batch.count; index++) yield this.#valueAt(values, index);
    }
    return undefined;
  }

  count(): number {
    const walk = this.#walk();
    let total = 0;
    for (let batch = walk.next(); batch !== undefined; batch = walk.next()) total += batch.count;
    return total;
  }

  /** Removes every key that a walk finds, one by one. */
  clear(): void {
    const { keySize } = this.#details;
    const walk = this.#walk();
    for (let batch = walk.next(); batch !== undefined; batch = walk.next()) {
      for (let index = 0; index < batch.count; index++) {
        this.#map.raw.delete(batch.keys.subarray(index * keySize, (index + 1) * keySize));
      }
    }
  }

  drain(limit: number = Infinity): [Key, Value][] {
    if (limit !== Infinity) requireCount('limit', limit);
    const entries: [Key, Value][] = [];
    const walk = this.#walk({ takes: true, batch: limit === Infinity ? undefined : limit });
    while (entries.length < limit) {
      const batch = walk.next(limit === Infinity ? undefined : limit - entries.length);
      if (batch === undefined) break;
      this.#decode(batch, entries);
    }
    return entries;
  }

  lookupBatch(count: number, cursor?: BatchCursor): LookupBatch<Key, Value> {
    requireCount('count', count);
    const walk = cursor?.walk ?? this.#walk({ batch: count });
    if (walk.map !== this.#details) {
      throw UsageError.invalidValue('cursor', 'it is of a walk of another map');
    }
    const entries: [Key, Value][] = [];
    const batch = walk.next(count);
    if (batch !== undefined) this.#decode(batch, entries);
    return { entries, cursor: walk.done ? undefined : (cursor ?? new BatchCursor(walk)) };
  }

  /** How many were stored. Where the kernel has no batches for this type, one by one. */
  updateBatch(entries: Iterable<readonly [KeyInput, ValueInput]>): number {
    const { key, value } = this.types;
    const { keySize, valueBytes } = this.#details;
    // Entries that a generator makes are gone as soon as they are encoded: many of them at once are work for the collector.
    const room = Array.isArray(entries) ? entries.length : batchRoom;
    const [keyBuffer, valueBuffer] = [new GrowingBuffer(keySize, room), new GrowingBuffer(valueBytes, room)];
    let total = 0;
    for (const pair of entries) {
      const [keyView, valueView] = [keyBuffer.viewFor(total), valueBuffer.viewFor(total)];
      try {
        encode(key, pair[0], keyView, total * keySize, 'key');
        encode(value, pair[1], valueView, total * valueBytes, 'value');
      } catch (error) {
        // Which entry it is costs more to say than to encode: only where it matters.
        encode(key, pair[0], keyView, total * keySize, `entries[${total}][0]`);
        encode(value, pair[1], valueView, total * valueBytes, `entries[${total}][1]`);
        throw error;
      }
      total++;
    }
    const { bytes: keys } = keyBuffer;
    const { bytes: values } = valueBuffer;
    const flags = this.#lockFlag();
    return this.#inBatches(BpfCommand.MAP_UPDATE_BATCH, total, keys, values, (index) => {
      this.#map.raw.set(part(keys, index, keySize), part(values, index, valueBytes), MapUpdateFlag.ANY | flags);
      return true;
    });
  }

  /** How many were there and are no longer. */
  deleteBatch(keys: Iterable<KeyInput>): number {
    const { key } = this.types;
    const { keySize } = this.#details;
    const buffer = new GrowingBuffer(keySize, Array.isArray(keys) ? keys.length : batchRoom);
    let total = 0;
    for (const each of keys) {
      encode(key, each, buffer.viewFor(total), total * keySize, `keys[${total}]`);
      total++;
    }
    const { bytes } = buffer;
    return this.#inBatches(BpfCommand.MAP_DELETE_BATCH, total, bytes, undefined, (index) =>
      this.#map.raw.delete(part(bytes, index, keySize)),
    );
  }

  #inBatches(
    command: MapBatchCommand,
    total: number,
    keys: Uint8Array,
    values: Uint8Array | undefined,
    one: (index: number) => boolean,
  ): number {
    const { keySize, valueBytes } = this.#details;
    const count = new Uint32Array(1);
    let done = 0;
    for (let index = 0; index < total;) {
      const end = Math.min(total, index + batchRoom);
      count[0] = end - index;
      const result = mapBatch(
        this.#map.handle,
        command,
        {
          position: null,
          nextPosition: null,
          keys: keys.subarray(index * keySize, end * keySize),
          values: values?.subarray(index * valueBytes, end * valueBytes) ?? null,
          count,
        },
        command === BpfCommand.MAP_UPDATE_BATCH ? this.#lockFlag() : 0,
      );
      if (isNoBatch(result) && index === 0) {
        for (let each = 0; each < total; each++) if (one(each)) done++;
        return done;
      }
      const [moved = 0] = count;
      done += moved;
      index += moved;
      // A deletion stops at a key that is not there: go on behind it.
      if (result === ENOENT && command === BpfCommand.MAP_DELETE_BATCH) index++;
      else if (result < 0)
        throw callFailure(this.#details, `store more than ${done} of ${total} entries in`, command, result);
    }
    return done;
  }

  #decode({ count, keys, values }: EntryBatch, into: [Key, Value][]): void {
    const keyView = viewOf(keys);
    const valueView = viewOf(values);
    for (let index = 0; index < count; index++) {
      into.push([this.#keyAt(keyView, index), this.#valueAt(valueView, index)]);
    }
  }

  #keyAt(keys: DataView, index: number): Key {
    return this.types.key.decode(keys, index * this.#details.keySize) as Key;
  }

  #valueAt(values: DataView, index: number): Value {
    return this.types.value.decode(values, index * this.#details.valueBytes) as Value;
  }

  #walk(options: { takes?: boolean; batch?: number | undefined } = {}): Walk {
    this.#map.requireOpen();
    return new Walk(this.#details, { ...options, flags: this.#lockFlag() });
  }

  /** A lock within the values is held while the kernel copies: no half-written value is read or left. */
  #lockFlag(): number {
    return this.types.locked ? MapUpdateFlag.F_LOCK : 0;
  }

  /** The one pair of buffers, or a new one while that is in use: a codec or a getter may call the map again. */
  #takeScratch(): Scratch {
    const scratch = this.#scratch;
    this.#scratch = undefined;
    if (scratch !== undefined) return scratch;
    const key = new Uint8Array(this.#details.keySize);
    const value = new Uint8Array(this.#details.valueBytes);
    return { key, keyView: viewOf(key), value, valueView: viewOf(value) };
  }
}

/** @internal */
export function encode(codec: EntryCodec<unknown>, value: unknown, view: DataView, offset: number, path: string): void {
  // A codec of the caller's own may leave bytes as they are.
  if (codec.layout === undefined) new Uint8Array(view.buffer, view.byteOffset + offset, codec.size).fill(0);
  codec.encode(value, view, offset, path);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function part(bytes: Uint8Array, index: number, size: number): Uint8Array {
  return bytes.subarray(index * size, (index + 1) * size);
}

function requireCount(path: string, count: number): void {
  if (Number.isSafeInteger(count) && count > 0 && count <= 0xffff_ffff) return;
  throw UsageError.invalidValue(path, `must be a whole number from 1, not ${String(count)}`);
}
