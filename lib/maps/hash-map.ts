import { MapType } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewKeyedMapOptions } from './create-map.js';
import { KeyedMap } from './keyed-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * A hash: a JavaScript `Map` in manner, which the kernel's programs share. Keys and values are decoded by BTF, or by
 * declared types ({@link HashMap.of}); without either they are owned bytes. Each call is one system call of about a
 * microsecond. Least kernel: 3.19.
 *
 * @example
 * ```js
 * const counts = ebpf.map('execs_by_uid', HashMap);
 * counts.set(1000, { execs: 0, last_ts: 0 });
 * for (const [uid, { execs }] of counts) console.log(uid, execs);
 * ```
 */
export class HashMap<Key = unknown, Value = unknown, KeyInput = Key, ValueInput = Value> extends KeyedMap<
  Key,
  Value,
  KeyInput,
  ValueInput
> {
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
    key: EntryCodec<Key, KeyInput>,
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<HashMap<Key, Value, KeyInput, ValueInput>> {
    return typedKind((map) => {
      const hash = HashMap.from(map);
      hash.store.types.declare({ key, value });
      return hash as HashMap<Key, Value, KeyInput, ValueInput>;
    });
  }

  /**
   * Makes a hash without an object. Close it when it is no longer needed.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const limits = await HashMap.create({ name: 'limits', key: u32, value: u64, maxEntries: 1000 });
   * const ebpf = await Ebpf.load('limiter.bpf.o', { maps: { limits } });
   * ```
   */
  static async create<Key = Uint8Array, Value = Uint8Array, KeyInput = Key, ValueInput = Value>(
    options: NewKeyedMapOptions<Key, Value, KeyInput, ValueInput>,
  ): Promise<HashMap<Key, Value, KeyInput, ValueInput>> {
    const map = await createMap({ type: MapType.HASH }, options);
    return HashMap.from(map) as HashMap<Key, Value, KeyInput, ValueInput>;
  }

  /** `map` as a hash map. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): HashMap {
    if (map instanceof HashMap) return map as HashMap;
    throw wrongKind(map, 'HashMap');
  }

  /**
   * Removes `key` and returns the value that it had, in one step that no program can come between; undefined when it was
   * not there. Least kernel: 5.14.
   *
   * @throws {@link UnsupportedError} before Linux 5.14.
   */
  take(key: KeyInput): Value | undefined {
    return this.store.take(key);
  }

  /**
   * Removes all entries, or about `limit` of them, and returns them. Each bucket of the hash is emptied in one step, so that
   * what programs store meanwhile is either returned or still there. Least kernel: 5.6.
   *
   * @example
   * ```js
   * setInterval(() => report(counts.drain()), 1000);
   * ```
   */
  drain(limit?: number): [Key, Value][] {
    return this.store.drain(limit);
  }
}
