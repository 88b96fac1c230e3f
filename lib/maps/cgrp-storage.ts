import { MapFlag, MapType } from '../abi/index.js';
import { i32, type EntryCodec } from '../codec/index.js';
import { cgroupFailure, openCgroup, type CgroupSource } from '../kernel/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap } from './create-map.js';
import { LocalStorage, type NewStorageOptions, type OpenOwner } from './local-storage.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * Values that belong to cgroups, which programs find with `bpf_cgrp_storage_get`. A cgroup is the path of its directory, or
 * that directory, open. Least kernel: 6.2.
 *
 * @example
 * ```js
 * const budgets = ebpf.map('budgets', CgrpStorage.of(u64));
 * budgets.set('/sys/fs/cgroup/my.slice', 1_000_000);
 * ```
 */
export class CgrpStorage<Value = unknown, ValueInput = Value> extends LocalStorage<CgroupSource, Value, ValueInput> {
  /** Values of a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<CgrpStorage<Value, ValueInput>> {
    return typedKind((map) => {
      const storage = CgrpStorage.from(map);
      storage.types.declare({ value });
      return storage as CgrpStorage<Value, ValueInput>;
    });
  }

  /** `map` as values of cgroups. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): CgrpStorage {
    if (map instanceof CgrpStorage) return map as CgrpStorage;
    throw wrongKind(map, 'CgrpStorage');
  }

  /**
   * Makes a map of values of cgroups without an object.
   *
   * @throws {@link PermissionError}; {@link UnsupportedError} before Linux 6.2; {@link UsageError} for options that do not fit;
   * {@link KernelError}.
   *
   * @example
   * ```js
   * const budgets = await CgrpStorage.create({ name: 'budgets', value: u64 });
   * ```
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewStorageOptions<Value, ValueInput>,
  ): Promise<CgrpStorage<Value, ValueInput>> {
    const fixed = { type: MapType.CGRP_STORAGE, key: i32, maxEntries: 0, flags: MapFlag.NO_PREALLOC };
    return CgrpStorage.from(await createMap(fixed, options)) as CgrpStorage<Value, ValueInput>;
  }

  /** @internal */
  protected override openOwner(cgroup: CgroupSource): OpenOwner {
    const key = openCgroup(cgroup);
    return {
      key,
      close: () => {
        key.close();
      },
    };
  }

  /** @internal */
  protected override ownerFailure(cgroup: CgroupSource, failure: Error): unknown {
    return cgroupFailure(failure, cgroup);
  }
}
