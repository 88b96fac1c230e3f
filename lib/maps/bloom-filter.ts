import { MapType, MapUpdateFlag } from '../abi/index.js';
import type { EntryCodec } from '../codec/index.js';
import { UsageError } from '../errors/index.js';

import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { createMap, type NewValueMapOptions } from './create-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import type { EntryCodecs } from './map-types.js';
import { ValueStore } from './value-store.js';

/** A bloom filter that is made without an object. */
export type NewBloomFilterOptions<Value, ValueInput> = NewValueMapOptions<Value, ValueInput> & {
  /** How many hashes each value is put under, 1 to 15. More take longer and are wrong less often. Default: 5. */
  readonly hashFunctions?: number | undefined;
};

/** What the low four bits of map_extra hold (bloom_map_alloc in kernel/bpf/bloom_filter.c). */
const mostHashFunctions = 15;

/**
 * A bloom filter: it says of a value that it certainly was not added, or that it probably was. Values cannot be removed or
 * listed. `maxEntries` is how many it is made for: with more it is wrong more often. Least kernel: 5.16.
 *
 * @example
 * ```js
 * const seen = await BloomFilter.create({ value: u32, maxEntries: 10_000 });
 * seen.add(7);
 * seen.has(7);   // true
 * ```
 */
export class BloomFilter<Value = unknown, ValueInput = Value> extends BpfMap {
  readonly #store: ValueStore<Value, ValueInput>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#store = new ValueStore(this);
  }

  /** A bloom filter whose values have a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<BloomFilter<Value, ValueInput>> {
    return typedKind((map) => {
      const filter = BloomFilter.from(map);
      filter.#store.types.declare({ value });
      return filter as BloomFilter<Value, ValueInput>;
    });
  }

  /**
   * Makes a bloom filter without an object.
   *
   * @throws {@link UnsupportedError} before Linux 5.16; {@link PermissionError}; {@link UsageError} for options that do not
   * fit; {@link KernelError}.
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewBloomFilterOptions<Value, ValueInput>,
  ): Promise<BloomFilter<Value, ValueInput>> {
    const { hashFunctions } = options;
    if (
      hashFunctions !== undefined &&
      !(Number.isInteger(hashFunctions) && hashFunctions >= 1 && hashFunctions <= mostHashFunctions)
    ) {
      throw UsageError.invalidValue(
        'hashFunctions',
        `must be a whole number from 1 to ${mostHashFunctions}, not ${String(hashFunctions)}`,
      );
    }
    const fixed = {
      type: MapType.BLOOM_FILTER,
      key: 'none',
      mapExtra: hashFunctions,
      options: ['hashFunctions'],
    } as const;
    return BloomFilter.from(await createMap(fixed, options)) as BloomFilter<Value, ValueInput>;
  }

  /** `map` as a bloom filter. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): BloomFilter {
    if (map instanceof BloomFilter) return map as BloomFilter;
    throw wrongKind(map, 'BloomFilter');
  }

  /**
   * Adds a value.
   *
   * @throws {@link UsageError} with the field's path when `value` is not of its type, before anything is added.
   */
  add(value: ValueInput): void {
    this.#store.put(value, MapUpdateFlag.ANY);
  }

  /** False when `value` was certainly never added, true when it probably was. */
  has(value: ValueInput): boolean {
    return this.#store.has(value);
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return this.#store.types.declared;
  }
}
