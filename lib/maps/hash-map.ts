import { MapUpdateFlag } from '../abi/index.js';
import type { Codec } from '../codec/index.js';
import { UsageError } from '../errors/index.js';

import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { declaredEntryCodecs, entryCodecsByBtf, type EntryCodecs } from './entry-codecs.js';
import type { MapKind } from './map-kind.js';
import { walkEntries } from './walk.js';

/** On which condition {@link HashMap.set} stores. At most one may be true. */
export interface SetOptions {
  /** Store only when the key is not there. */
  readonly ifAbsent?: boolean | undefined;
  /** Store only when the key is there. */
  readonly ifPresent?: boolean | undefined;
}

/**
 * A hash or LRU hash: a JavaScript `Map` in manner, which the kernel's programs share. Keys and values are decoded by the
 * object's BTF, or by declared types ({@link HashMap.of}); without either they are owned bytes. Each call is one system
 * call of about a microsecond. Least kernel: 3.19, LRU 4.10.
 *
 * @example
 * ```js
 * const counts = ebpf.map('execs_by_uid', HashMap);
 * counts.set(1000, { execs: 0, last_ts: 0 });
 * for (const [uid, { execs }] of counts) console.log(uid, execs);
 * ```
 */
export class HashMap<Key = unknown, Value = unknown, KeyInput = Key, ValueInput = Value> extends BpfMap {
  readonly #key: Uint8Array;
  readonly #keyView: DataView;
  readonly #value: Uint8Array;
  readonly #valueView: DataView;
  #codecs: EntryCodecs | undefined;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#key = new Uint8Array(details.keySize);
    this.#keyView = new DataView(this.#key.buffer);
    this.#value = new Uint8Array(details.valueSize);
    this.#valueView = new DataView(this.#value.buffer);
  }

  /**
   * A hash map whose keys and values have declared types, checked against the object's BTF where it has any.
   *
   * @example
   * ```ts
   * const Count = struct('exec_count', { execs: u64, last_ts: u64 });
   * const counts = ebpf.map('execs_by_uid', HashMap.of(u32, Count));
   * const count = counts.get(1000);   // { execs: bigint; last_ts: bigint } | undefined
   * ```
   */
  static of<Key, Value, KeyInput = Key, ValueInput = Value>(
    key: Codec<Key, KeyInput>,
    value: Codec<Value, ValueInput>,
  ): MapKind<HashMap<Key, Value, KeyInput, ValueInput>> {
    return {
      from(map): HashMap<Key, Value, KeyInput, ValueInput> {
        const hash = HashMap.from(map);
        hash.#codecs = declaredEntryCodecs(map, hash.#codecs, key, value);
        return hash as HashMap<Key, Value, KeyInput, ValueInput>;
      },
    };
  }

  /** `map` as a hash map. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): HashMap {
    if (map instanceof HashMap) return map as HashMap;
    throw wrongKind(map, 'HashMap');
  }

  /**
   * The value of `key`, or undefined.
   *
   * @throws {@link UsageError} when `key` is not of the key's type, or the map is closed.
   */
  get(key: KeyInput): Value | undefined {
    const codecs = this.#codecsOrBtf();
    codecs.key.encode(key, this.#keyView, 0, 'key');
    if (!this.raw.get(this.#key, this.#value)) return undefined;
    return codecs.value.decode(this.#valueView, 0) as Value;
  }

  /** Whether `key` is there. */
  has(key: KeyInput): boolean {
    this.#codecsOrBtf().key.encode(key, this.#keyView, 0, 'key');
    return this.raw.get(this.#key, this.#value);
  }

  /**
   * Stores `value` under `key`; true when it was stored, false when a condition of `options` forbade it.
   *
   * @throws {@link UsageError} with the field's path when key or value are not of their type, before anything is
   * stored; {@link KernelError} E2BIG when the map is full.
   */
  set(key: KeyInput, value: ValueInput, options?: SetOptions): boolean {
    const codecs = this.#codecsOrBtf();
    codecs.key.encode(key, this.#keyView, 0, 'key');
    codecs.value.encode(value, this.#valueView, 0, 'value');
    return this.raw.set(this.#key, this.#value, options === undefined ? MapUpdateFlag.ANY : updateFlag(options));
  }

  /** Removes `key`; false when it was not there. */
  delete(key: KeyInput): boolean {
    this.#codecsOrBtf().key.encode(key, this.#keyView, 0, 'key');
    return this.raw.delete(this.#key);
  }

  /** Removes every key that is there now. A key that a program adds meanwhile may stay. */
  clear(): void {
    this.requireOpen();
    for (const { count, keys } of walkEntries(this.details)) {
      for (let index = 0; index < count; index++) {
        this.raw.delete(keys.subarray(index * this.keySize, (index + 1) * this.keySize));
      }
    }
  }

  /** How many keys there are, found by walking the map: the kernel keeps no count. */
  count(): number {
    this.requireOpen();
    let total = 0;
    for (const { count } of walkEntries(this.details)) total += count;
    return total;
  }

  /**
   * Every key with its value, in no order, read many at a time. The walk ends also while the map changes; then an entry
   * that comes or goes may be seen or not, and one that is moved twice.
   */
  *entries(): IterableIterator<[Key, Value]> {
    this.requireOpen();
    const { key, value } = this.#codecsOrBtf();
    for (const { count, keys, values } of walkEntries(this.details)) {
      const keyView = new DataView(keys.buffer);
      const valueView = new DataView(values.buffer);
      for (let index = 0; index < count; index++) {
        yield [
          key.decode(keyView, index * this.keySize) as Key,
          value.decode(valueView, index * this.valueSize) as Value,
        ];
      }
    }
  }

  /** Every key, in no order; see {@link HashMap.entries}. */
  *keys(): IterableIterator<Key> {
    this.requireOpen();
    const { key } = this.#codecsOrBtf();
    for (const { count, keys } of walkEntries(this.details)) {
      const view = new DataView(keys.buffer);
      for (let index = 0; index < count; index++) yield key.decode(view, index * this.keySize) as Key;
    }
  }

  /** Every value, in no order; see {@link HashMap.entries}. */
  *values(): IterableIterator<Value> {
    this.requireOpen();
    const { value } = this.#codecsOrBtf();
    for (const { count, values } of walkEntries(this.details)) {
      const view = new DataView(values.buffer);
      for (let index = 0; index < count; index++) yield value.decode(view, index * this.valueSize) as Value;
    }
  }

  /** The same as {@link HashMap.entries}. */
  [Symbol.iterator](): IterableIterator<[Key, Value]> {
    return this.entries();
  }

  #codecsOrBtf(): EntryCodecs {
    this.#codecs ??= entryCodecsByBtf(this);
    return this.#codecs;
  }
}

function updateFlag(options: SetOptions): number {
  const { ifAbsent = false, ifPresent = false } = options;
  if (ifAbsent && ifPresent) {
    throw UsageError.invalidValue('options', 'ifAbsent and ifPresent exclude each other');
  }
  if (ifAbsent) return MapUpdateFlag.NOEXIST;
  return ifPresent ? MapUpdateFlag.EXIST : MapUpdateFlag.ANY;
}
