import { MapType } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewKeyedMapOptions } from './create-map.js';
import { HashMap } from './hash-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * A hash that makes room by itself: when it is full, entries that were not used lately go. It never throws for being full,
 * and may drop entries a little before it is. `get` and `has` do not count as use: only what programs do, and `set`. Else it
 * is a {@link HashMap}. Least kernel: 4.10.
 *
 * @example
 * ```js
 * const recent = await LruHashMap.create({ key: u32, value: u64, maxEntries: 10_000 });
 * ```
 */
export class LruHashMap<Key = unknown, Value = unknown, KeyInput = Key, ValueInput = Value> extends HashMap<
  Key,
  Value,
  KeyInput,
  ValueInput
> {
  /** An LRU hash whose keys and values have declared types, as {@link HashMap.of}. */
  static override of<Key, Value, KeyInput = Key, ValueInput = Value>(
    key: EntryCodec<Key, KeyInput>,
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<LruHashMap<Key, Value, KeyInput, ValueInput>> {
    return typedKind((map) => {
      const hash = LruHashMap.from(map);
      hash.store.types.declare({ key, value });
      return hash as LruHashMap<Key, Value, KeyInput, ValueInput>;
    });
  }

  /** Makes an LRU hash without an object, as {@link HashMap.create}. */
  static override async create<Key = Uint8Array, Value = Uint8Array, KeyInput = Key, ValueInput = Value>(
    options: NewKeyedMapOptions<Key, Value, KeyInput, ValueInput>,
  ): Promise<LruHashMap<Key, Value, KeyInput, ValueInput>> {
    const map = await createMap({ type: MapType.LRU_HASH }, options);
    return LruHashMap.from(map) as LruHashMap<Key, Value, KeyInput, ValueInput>;
  }

  /** `map` as an LRU hash. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): LruHashMap {
    if (map instanceof LruHashMap) return map as LruHashMap;
    throw wrongKind(map, 'LruHashMap');
  }
}
