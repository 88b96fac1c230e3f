import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { CgroupStorageMap } from './cgroup-storage-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * A value for each cgroup that a program is attached to, which the program finds with `bpf_get_local_storage`. The kernel
 * calls it deprecated: {@link CgrpStorage} is what newer kernels have. Least kernel: 4.19; keys without a place to attach to
 * 5.9.
 *
 * @example
 * ```js
 * const counts = ebpf.map('counts', CgroupStorage.of(u64, u64));
 * console.log(counts.get(cgroupId('/sys/fs/cgroup/my.slice')));
 * ```
 */
export class CgroupStorage<Key = unknown, Value = unknown, KeyInput = Key, ValueInput = Value> extends CgroupStorageMap<
  Key,
  Value,
  KeyInput,
  ValueInput
> {
  /** Keys and values of declared types, checked against the object's BTF where it has any. */
  static of<Key, Value, KeyInput = Key, ValueInput = Value>(
    key: EntryCodec<Key, KeyInput>,
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<CgroupStorage<Key, Value, KeyInput, ValueInput>> {
    return typedKind((map) => {
      const storage = CgroupStorage.from(map);
      storage.store.types.declare({ key, value });
      return storage as CgroupStorage<Key, Value, KeyInput, ValueInput>;
    });
  }

  /** `map` as values of cgroups. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): CgroupStorage {
    if (map instanceof CgroupStorage) return map as CgroupStorage;
    throw wrongKind(map, 'CgroupStorage');
  }
}
