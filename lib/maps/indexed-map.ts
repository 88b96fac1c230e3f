import { u32 } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import { BpfMap, type MapDetails } from './bpf-map.js';
import { EntryStore, type BatchCursor, type LookupBatch } from './entry-store.js';
import type { EntryCodecs, TypeAdapters } from './map-types.js';

/**
 * What arrays have in common: values at the indexes 0 to `length - 1`, all of which exist from the start and none of which
 * can be removed.
 */
export abstract class IndexedMap<Value, ValueInput = Value> extends BpfMap {
  /** @internal */
  protected readonly store: EntryStore<number, Value, number, ValueInput>;

  /** @internal */
  constructor(details: MapDetails, adapters: TypeAdapters = {}) {
    super(details);
    this.store = new EntryStore(this, { ...adapters, defaultKey: () => u32 });
  }

  /** How many values there are. */
  get length(): number {
    return this.maxEntries;
  }

  /** The same as {@link IndexedMap.length}, as a JavaScript `Map` has it. */
  get size(): number {
    return this.maxEntries;
  }

  /** The value at `index`, or undefined when it is past the end. */
  get(index: number): Value | undefined {
    requireIndex(index);
    return this.store.get(index);
  }

  /** Whether `index` is before the end. */
  has(index: number): boolean {
    requireIndex(index);
    return index < this.length;
  }

  /**
   * Stores `value` at `index`.
   *
   * @throws {@link UsageError} when `index` is past the end, or with the field's path when `value` is not of its type.
   */
  set(index: number, value: ValueInput): void {
    requireIndex(index);
    this.#requireWithin('index', index);
    this.store.set(index, value);
  }

  /** Each index with its value, in order, read many at a time (per-CPU arrays before Linux 5.13: one by one). */
  entries(): IterableIterator<[number, Value]> {
    return this.store.entries();
  }

  /** The indexes. */
  *keys(): IterableIterator<number> {
    for (let index = 0; index < this.length; index++) yield index;
  }

  /** The values in order, read many at a time. */
  values(): IterableIterator<Value> {
    return this.store.values();
  }

  /** The values, as a JavaScript array's iterator gives them. */
  [Symbol.iterator](): IterableIterator<Value> {
    return this.values();
  }

  /** Some of the values with their indexes, and where to go on: as {@link KeyedMap.lookupBatch}. */
  lookupBatch(count: number, cursor?: BatchCursor): LookupBatch<number, Value> {
    return this.store.lookupBatch(count, cursor);
  }

  /**
   * Stores many values, thousands in one system call, and returns how many. All are encoded before the first is stored.
   *
   * @throws {@link UsageError} with the path of the entry at fault: `entries[3][1].x`, before anything is stored.
   */
  updateBatch(entries: Iterable<readonly [number, ValueInput]>): number {
    const list = [...entries];
    for (const [position, [index]] of list.entries()) {
      requireIndex(index, `entries[${position}][0]`);
      this.#requireWithin(`entries[${position}][0]`, index);
    }
    return this.store.updateBatch(list);
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return this.store.types.declared;
  }

  #requireWithin(path: string, index: number): void {
    if (index < this.maxEntries) return;
    throw UsageError.invalidValue(
      path,
      `${index} is past the end of map ${quote(this.name)}, whose length is ${this.length}`,
    );
  }
}

function requireIndex(index: number, path = 'index'): void {
  if (Number.isInteger(index) && index >= 0 && index <= 0xffff_ffff) return;
  throw UsageError.invalidValue(path, `must be a whole number from 0, not ${String(index)}`);
}
