import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap, type MapDetails } from './bpf-map.js';
import { CgroupStorageMap } from './cgroup-storage-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { perCpuCount, perCpuValues } from './per-cpu-values.js';

/**
 * As {@link CgroupStorage}, with a value for each CPU: a program sees that of the CPU it runs on. Here a value is an array over
 * the possible CPUs, of which there are {@link PerCpuCgroupStorage.cpus}. Least kernel: 4.20.
 *
 * @example
 * ```js
 * const packets = ebpf.map('packets', PerCpuCgroupStorage.of(u64, u64));
 * const perCpu = packets.get(cgroupId('/sys/fs/cgroup/my.slice')) ?? [];
 * console.log(sumOfCpus(perCpu));
 * ```
 */
export class PerCpuCgroupStorage<
  Key = unknown,
  Value = unknown,
  KeyInput = Key,
  ValueInput = Value,
> extends CgroupStorageMap<Key, Value[], KeyInput, readonly ValueInput[]> {
  /** @internal */
  constructor(details: MapDetails) {
    super(details, { wholeValue: perCpuValues });
  }

  /** Keys, and values of one CPU, of declared types, as {@link CgroupStorage.of}. */
  static of<Key, Value, KeyInput = Key, ValueInput = Value>(
    key: EntryCodec<Key, KeyInput>,
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<PerCpuCgroupStorage<Key, Value, KeyInput, ValueInput>> {
    return typedKind((map) => {
      const storage = PerCpuCgroupStorage.from(map);
      storage.store.types.declare({ key, value });
      return storage as PerCpuCgroupStorage<Key, Value, KeyInput, ValueInput>;
    });
  }

  /** `map` as per-CPU values of cgroups. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): PerCpuCgroupStorage {
    if (map instanceof PerCpuCgroupStorage) return map as PerCpuCgroupStorage;
    throw wrongKind(map, 'PerCpuCgroupStorage');
  }

  /** The possible CPUs: the length of every value. */
  get cpus(): number {
    return perCpuCount(this.details);
  }
}
