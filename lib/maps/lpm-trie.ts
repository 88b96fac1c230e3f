import { MapFlag, MapType } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';

import { wrongKind, type BpfMap, type MapDetails } from './bpf-map.js';
import { createMap, type NewKeyedMapOptions } from './create-map.js';
import { KeyedMap } from './keyed-map.js';
import { defaultLpmKey, lpmKeyLayout, lpmKeyOfSize, type LpmKey } from './lpm-key.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import type { SetOptions } from './set-options.js';
import { requireTrieConditions } from './trie-conditions.js';

/**
 * A trie that finds the longest prefix that matches: of the networks that hold an address, the smallest. `get` and `has`
 * look for the best match of the key's own prefix, so give a whole address; `set` and `delete` mean exactly that prefix.
 *
 * Keys are `{ prefixLength, data }`, the data bytes or what the key's BTF says of them; where the data have the 4 or 16
 * bytes of an address, keys are also taken as `'10.0.0.0/8'`. With {@link ipv4Prefix} and {@link ipv6Prefix} they are given
 * that way too, with {@link lpmKey} the data have a type of their own. Least kernel: 4.11; walks since 4.16, in batches
 * since 5.13.
 *
 * @example
 * ```js
 * const routes = await LpmTrie.create({ key: ipv4Prefix, value: u32, maxEntries: 1000 });
 * routes.set('10.0.0.0/8', 1);
 * routes.set('10.1.0.0/16', 2);
 * routes.get('10.1.2.3');   // 2
 * ```
 */
export class LpmTrie<Key = unknown, Value = unknown, KeyInput = Key, ValueInput = Value> extends KeyedMap<
  Key,
  Value,
  KeyInput,
  ValueInput
> {
  /** @internal */
  constructor(details: MapDetails) {
    super(details, { defaultKey: defaultLpmKey });
  }

  /** A trie whose keys and values have declared types: {@link ipv4Prefix}, {@link ipv6Prefix}, {@link lpmKey}. */
  static of<Key, Value, KeyInput = Key, ValueInput = Value>(
    key: EntryCodec<Key, KeyInput>,
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<LpmTrie<Key, Value, KeyInput, ValueInput>> {
    return typedKind((map) => {
      const trie = LpmTrie.from(map);
      trie.store.types.declare({ key, value });
      return trie as LpmTrie<Key, Value, KeyInput, ValueInput>;
    });
  }

  /** Makes a trie without an object; `MapFlag.NO_PREALLOC`, which the kernel demands, is added. */
  static async create<Key = LpmKey, Value = Uint8Array, KeyInput = LpmKey | string, ValueInput = Value>(
    options: NewKeyedMapOptions<Key, Value, KeyInput, ValueInput>,
  ): Promise<LpmTrie<Key, Value, KeyInput, ValueInput>> {
    const keys = { keyOfSize: lpmKeyOfSize, keyLayout: lpmKeyLayout };
    const map = await createMap({ type: MapType.LPM_TRIE, flags: MapFlag.NO_PREALLOC, ...keys }, options);
    return LpmTrie.from(map) as LpmTrie<Key, Value, KeyInput, ValueInput>;
  }

  /** `map` as a trie. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): LpmTrie {
    if (map instanceof LpmTrie) return map as LpmTrie;
    throw wrongKind(map, 'LpmTrie');
  }

  /**
   * Stores `value` under exactly this prefix. Conditions: least kernel 6.13, or a stable one that has it.
   *
   * @throws As {@link KeyedMap.set}, but a full trie is ENOSPC; {@link UnsupportedError} for conditions that this kernel's
   * tries do not look at.
   */
  override set(key: KeyInput, value: ValueInput, options?: SetOptions): boolean {
    if (options?.ifAbsent === true || options?.ifPresent === true) requireTrieConditions();
    return super.set(key, value, options);
  }
}
