import { MapType } from '../abi/index.js';
import { u32, type EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap, type MapDetails } from './bpf-map.js';
import { createMap, type NewValueMapOptions } from './create-map.js';
import { IndexedMap } from './indexed-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { perCpuCount, perCpuValues } from './per-cpu-values.js';

/**
 * An array that has a value for each CPU at every index: a program sees that of the CPU it runs on. Here a value is an array
 * over the possible CPUs, of which there are {@link PerCpuArrayMap.cpus}. Least kernel: 4.6.
 *
 * @example
 * ```js
 * const totals = ebpf.map('totals', PerCpuArrayMap.of(u64));
 * const total = sumOfCpus(totals.get(0));
 * ```
 */
export class PerCpuArrayMap<Value = unknown, ValueInput = Value> extends IndexedMap<Value[], readonly ValueInput[]> {
  /** @internal */
  constructor(details: MapDetails) {
    super(details, { wholeValue: perCpuValues });
  }

  /** A per-CPU array whose values of one CPU have a declared type, as {@link ArrayMap.of}. */
  static of<Value, ValueInput = Value>(
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<PerCpuArrayMap<Value, ValueInput>> {
    return typedKind((map) => {
      const array = PerCpuArrayMap.from(map);
      array.store.types.declare({ value });
      return array as PerCpuArrayMap<Value, ValueInput>;
    });
  }

  /** Makes a per-CPU array without an object, as {@link ArrayMap.create}; `value` is the type of one CPU's. */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewValueMapOptions<Value, ValueInput>,
  ): Promise<PerCpuArrayMap<Value, ValueInput>> {
    const map = await createMap({ type: MapType.PERCPU_ARRAY, key: u32 }, options);
    return PerCpuArrayMap.from(map) as PerCpuArrayMap<Value, ValueInput>;
  }

  /** `map` as a per-CPU array. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): PerCpuArrayMap {
    if (map instanceof PerCpuArrayMap) return map as PerCpuArrayMap;
    throw wrongKind(map, 'PerCpuArrayMap');
  }

  /** The possible CPUs: the length of every value. */
  get cpus(): number {
    return perCpuCount(this.details);
  }
}
