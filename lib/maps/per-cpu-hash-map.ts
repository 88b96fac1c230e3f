import { MapType } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap, type MapDetails } from './bpf-map.js';
import { createMap, type NewKeyedMapOptions } from './create-map.js';
import { KeyedMap } from './keyed-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { perCpuCount, perCpuValues } from './per-cpu-values.js';

/**
 * A hash that has a value for each CPU under every key: a program sees that of the CPU it runs on. Here a value is an array
 * over the possible CPUs, of which there are {@link PerCpuHashMap.cpus}. Least kernel: 4.6.
 *
 * @example
 * ```js
 * const bytes = ebpf.map('bytes_by_port', PerCpuHashMap.of(u16, u64));
 * for (const [port, perCpu] of bytes) console.log(port, sumOfCpus(perCpu));
 * ```
 */
export class PerCpuHashMap<Key = unknown, Value = unknown, KeyInput = Key, ValueInput = Value> extends KeyedMap<
  Key,
  Value[],
  KeyInput,
  readonly ValueInput[]
> {
  /** @internal */
  constructor(details: MapDetails) {
    super(details, { wholeValue: perCpuValues });
  }

  /** A per-CPU hash whose keys, and values of one CPU, have declared types, as {@link HashMap.of}. */
  static of<Key, Value, KeyInput = Key, ValueInput = Value>(
    key: EntryCodec<Key, KeyInput>,
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<PerCpuHashMap<Key, Value, KeyInput, ValueInput>> {
    return typedKind((map) => {
      const hash = PerCpuHashMap.from(map);
      hash.store.types.declare({ key, value });
      return hash as PerCpuHashMap<Key, Value, KeyInput, ValueInput>;
    });
  }

  /** Makes a per-CPU hash without an object, as {@link HashMap.create}; `value` is the type of one CPU's. */
  static async create<Key = Uint8Array, Value = Uint8Array, KeyInput = Key, ValueInput = Value>(
    options: NewKeyedMapOptions<Key, Value, KeyInput, ValueInput>,
  ): Promise<PerCpuHashMap<Key, Value, KeyInput, ValueInput>> {
    const map = await createMap({ type: MapType.PERCPU_HASH }, options);
    return PerCpuHashMap.from(map) as PerCpuHashMap<Key, Value, KeyInput, ValueInput>;
  }

  /** `map` as a per-CPU hash. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): PerCpuHashMap {
    if (map instanceof PerCpuHashMap) return map as PerCpuHashMap;
    throw wrongKind(map, 'PerCpuHashMap');
  }

  /** The possible CPUs: the length of every value. */
  get cpus(): number {
    return perCpuCount(this.details);
  }

  /**
   * Removes `key` and returns the values that it had, in one step; undefined when it was not there. Least kernel: 5.14.
   *
   * @throws {@link UnsupportedError} before Linux 5.14.
   */
  take(key: KeyInput): Value[] | undefined {
    return this.store.take(key);
  }

  /** Removes all entries, or about `limit` of them, and returns them, as {@link HashMap.drain}. Least kernel: 5.6. */
  drain(limit?: number): [Key, Value[]][] {
    return this.store.drain(limit);
  }
}
