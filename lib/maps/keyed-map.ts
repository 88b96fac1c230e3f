import { BpfMap, type MapDetails } from './bpf-map.js';
import { EntryStore, type BatchCursor, type LookupBatch } from './entry-store.js';
import type { EntryCodecs, TypeAdapters } from './map-types.js';
import type { SetOptions } from './set-options.js';

/**
 * What maps with keys of any type have in common: a JavaScript `Map` in manner, which the kernel's programs share. Keys
 * and values are decoded by BTF, or by declared types; without either they are owned bytes. Each call is one system call
 * of about a microsecond.
 *
 * Values with a `struct bpf_spin_lock` are read and written with the lock held, so that neither side sees half a value.
 * What only the kernel may touch (the lock itself, timers, kernel pointers) is left out of values, decoded and given. When
 * a value is stored the kernel ends the timers and gives back the pointers that were in its place.
 */
export abstract class KeyedMap<Key, Value, KeyInput = Key, ValueInput = Value> extends BpfMap {
  /** @internal */
  protected readonly store: EntryStore<Key, Value, KeyInput, ValueInput>;

  /** @internal */
  constructor(details: MapDetails, adapters?: TypeAdapters) {
    super(details);
    this.store = new EntryStore(this, adapters);
  }

  /**
   * The value of `key`, or undefined.
   *
   * @throws {@link UsageError} when `key` is not of the key's type, or the map is closed.
   */
  get(key: KeyInput): Value | undefined {
    return this.store.get(key);
  }

  /** Whether `key` is there. */
  has(key: KeyInput): boolean {
    return this.store.has(key);
  }

  /**
   * Stores `value` under `key`; true when it was stored, false when a condition of `options` forbade it.
   *
   * @throws {@link UsageError} with the field's path when key or value are not of their type, before anything is
   * stored; {@link KernelError} E2BIG when the map is full.
   */
  set(key: KeyInput, value: ValueInput, options?: SetOptions): boolean {
    return this.store.set(key, value, options);
  }

  /** Removes `key`; false when it was not there. */
  delete(key: KeyInput): boolean {
    return this.store.delete(key);
  }

  /** Removes every key that is there now. A key that a program adds meanwhile may stay. */
  clear(): void {
    this.store.clear();
  }

  /** How many keys there are, found by walking the map: the kernel does not tell. */
  count(): number {
    return this.store.count();
  }

  /**
   * Every key with its value, in no order, read many at a time where the kernel can. The walk ends also while the map
   * changes, by whomever. Of a map that does not change each key comes once. An entry that is added or removed during the
   * walk may come or not. Where the kernel walks by keys (all but hashes), removing the key at which it stands sends it
   * back to the first: keys then come twice, and others not at all.
   */
  entries(): IterableIterator<[Key, Value]> {
    return this.store.entries();
  }

  /** Every key; see {@link KeyedMap.entries}. */
  keys(): IterableIterator<Key> {
    return this.store.keys();
  }

  /** Every value; see {@link KeyedMap.entries}. */
  values(): IterableIterator<Value> {
    return this.store.values();
  }

  /** The same as {@link KeyedMap.entries}. */
  [Symbol.iterator](): IterableIterator<[Key, Value]> {
    return this.entries();
  }

  /**
   * Some of the entries: up to `count`, or the whole of one bucket of a hash that has more; and a cursor with which the
   * next call goes on, undefined at the end. What {@link KeyedMap.entries} says of changes holds here too.
   *
   * @example
   * ```js
   * let cursor;
   * do {
   *   const batch = counts.lookupBatch(1000, cursor);
   *   await send(batch.entries);
   *   cursor = batch.cursor;
   * } while (cursor !== undefined);
   * ```
   */
  lookupBatch(count: number, cursor?: BatchCursor): LookupBatch<Key, Value> {
    return this.store.lookupBatch(count, cursor);
  }

  /**
   * Stores many entries, thousands in one system call where the kernel can (hashes since 5.6, others 5.13), and returns how
   * many. All are encoded before the first is stored.
   *
   * @throws {@link UsageError} with the path of the entry at fault: `entries[3][1].port`, before anything is stored;
   * {@link KernelError} E2BIG when the map is full: the entries before are stored then, and the message says how many.
   */
  updateBatch(entries: Iterable<readonly [KeyInput, ValueInput]>): number {
    return this.store.updateBatch(entries);
  }

  /** Removes many keys, as {@link KeyedMap.updateBatch} stores them, and returns how many were there. */
  deleteBatch(keys: Iterable<KeyInput>): number {
    return this.store.deleteBatch(keys);
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return this.store.types.declared;
  }
}
