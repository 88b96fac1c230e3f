import { MapType } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewKeyedMapOptions } from './create-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { PerCpuHashMap } from './per-cpu-hash-map.js';

/**
 * A {@link PerCpuHashMap} that makes room by itself when it is full, as a {@link LruHashMap} does. Least kernel: 4.10.
 *
 * @example
 * ```js
 * const packets = ebpf.map('packets_by_peer', LruPerCpuHashMap);
 * ```
 */
export class LruPerCpuHashMap<Key = unknown, Value = unknown, KeyInput = Key, ValueInput = Value> extends PerCpuHashMap<
  Key,
  Value,
  KeyInput,
  ValueInput
> {
  /** A per-CPU LRU hash whose keys, and values of one CPU, have declared types, as {@link HashMap.of}. */
  static override of<Key, Value, KeyInput = Key, ValueInput = Value>(
    key: EntryCodec<Key, KeyInput>,
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<LruPerCpuHashMap<Key, Value, KeyInput, ValueInput>> {
    return typedKind((map) => {
      const hash = LruPerCpuHashMap.from(map);
      hash.store.types.declare({ key, value });
      return hash as LruPerCpuHashMap<Key, Value, KeyInput, ValueInput>;
    });
  }

  /** Makes a per-CPU LRU hash without an object, as {@link HashMap.create}; `value` is the type of one CPU's. */
  static override async create<Key = Uint8Array, Value = Uint8Array, KeyInput = Key, ValueInput = Value>(
    options: NewKeyedMapOptions<Key, Value, KeyInput, ValueInput>,
  ): Promise<LruPerCpuHashMap<Key, Value, KeyInput, ValueInput>> {
    const map = await createMap({ type: MapType.LRU_PERCPU_HASH }, options);
    return LruPerCpuHashMap.from(map) as LruPerCpuHashMap<Key, Value, KeyInput, ValueInput>;
  }

  /** `map` as a per-CPU LRU hash. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): LruPerCpuHashMap {
    if (map instanceof LruPerCpuHashMap) return map as LruPerCpuHashMap;
    throw wrongKind(map, 'LruPerCpuHashMap');
  }
}
