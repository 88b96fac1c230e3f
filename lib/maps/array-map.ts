import { MapFlag, MapType } from '../abi/index.js';
import { u32, type EntryCodec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import { Mapping } from '../sys/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewValueMapOptions } from './create-map.js';
import { IndexedMap } from './indexed-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { MappedMemory } from './mapped-memory.js';

/** How {@link ArrayMap.mmap} maps. */
export interface MmapOptions {
  /** Also to write. Default: only to read. */
  readonly writable?: boolean | undefined;
}

/**
 * An array of values in the kernel, all of which exist from the start. Values are decoded by BTF, or by a declared type
 * ({@link ArrayMap.of}); without either they are owned bytes. Least kernel: 3.19.
 *
 * @example
 * ```js
 * const totals = ebpf.map('totals', ArrayMap);
 * totals.set(0, totals.get(0) + 1n);
 * ```
 */
export class ArrayMap<Value = unknown, ValueInput = Value> extends IndexedMap<Value, ValueInput> {
  /** An array whose values have a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<ArrayMap<Value, ValueInput>> {
    return typedKind((map) => {
      const array = ArrayMap.from(map);
      array.store.types.declare({ value });
      return array as ArrayMap<Value, ValueInput>;
    });
  }

  /**
   * Makes an array without an object: `maxEntries` zeros. With `MapFlag.MMAPABLE` programs and user space can share its
   * memory.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const totals = await ArrayMap.create({ name: 'totals', value: u64, maxEntries: 16 });
   * ```
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewValueMapOptions<Value, ValueInput>,
  ): Promise<ArrayMap<Value, ValueInput>> {
    const map = await createMap({ type: MapType.ARRAY, key: u32 }, options);
    return ArrayMap.from(map) as ArrayMap<Value, ValueInput>;
  }

  /** `map` as an array. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): ArrayMap {
    if (map instanceof ArrayMap) return map as ArrayMap;
    throw wrongKind(map, 'ArrayMap');
  }

  /** Bytes from one value to the next in the memory of {@link mmap}: the value's own, rounded up to 8. */
  get stride(): number {
    return Math.ceil(this.valueSize / 8) * 8;
  }

  /**
   * The memory of an array that was made with `MapFlag.MMAPABLE`, to read and write without system calls; the value at
   * `index` begins at `index * stride`. Close it when it is no longer needed. Least kernel: 5.5.
   *
   * @param options - `writable`: also to write. That keeps the map from being frozen meanwhile.
   *
   * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` for an array without that flag; `ERR_EBPF_CLOSED`; {@link KernelError}
   * EPERM or EACCES to write to one that is frozen or read-only.
   *
   * @example
   * ```js
   * using memory = totals.mmap();
   * const total = memory.loadBigUint64(3 * totals.stride);
   * ```
   */
  mmap(options: MmapOptions = {}): MappedMemory {
    const { handle } = this;
    if ((this.flags & MapFlag.MMAPABLE) === 0) {
      throw UsageError.invalidValue(
        `map ${quote(this.name)}`,
        'it cannot be mapped: make it with the flag MapFlag.MMAPABLE (in C: __uint(map_flags, BPF_F_MMAPABLE))',
      );
    }
    return new MappedMemory(Mapping.create(handle, this.length * this.stride, { writable: options.writable === true }));
  }
}
