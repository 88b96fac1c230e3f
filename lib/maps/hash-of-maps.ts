import { inspect } from 'node:util';

import { MapType } from '../abi/index.js';
import { u32, type EntryCodec } from '../codec/index.js';

import type { NewOuterMapOptions } from './array-of-maps.js';
import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { createMap, type NewKeys } from './create-map.js';
import { EntryStore } from './entry-store.js';
import {
  InnerKind,
  innerHandle,
  openInner,
  putInner,
  putNewInner,
  removeInner,
  type NewInnerMapOptions,
} from './inner-map.js';
import { typedKind, type MapKind, type TypedMapKind } from './map-kind.js';
import type { EntryCodecs } from './map-types.js';
import { updateFlag, type SetOptions } from './set-options.js';

/** What is said of a hash of maps that is made without an object. */
export type NewHashOfMapsOptions<Key, KeyInput> = NewOuterMapOptions & NewKeys<Key, KeyInput>;

/**
 * A hash whose values are maps, all of one type, size and flags: those of the inner map of its definition. Maps can be put
 * into it and taken out while programs use it. Least kernel: 4.12.
 *
 * @example
 * ```js
 * const byUser = ebpf.map('by_user', HashOfMaps.of(u32, HashMap.of(u32, u64)));
 * await byUser.set(1000, await HashMap.create({ key: u32, value: u64, maxEntries: 1000 }));
 * using counts = byUser.get(1000);   // HashMap<number, bigint>
 * ```
 */
export class HashOfMaps<Key = unknown, Inner extends BpfMap = BpfMap, KeyInput = Key> extends BpfMap {
  readonly #kind = new InnerKind();
  readonly #ids: EntryStore<Key, number, KeyInput, number>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#ids = new EntryStore(this, { wholeValue: () => u32 });
  }

  /**
   * A hash of maps with keys of a declared type, and maps of one kind, which {@link HashOfMaps.get} gives. Make the kind
   * once and ask with the same one.
   */
  static of<Key, Inner extends BpfMap, KeyInput = Key>(
    key: EntryCodec<Key, KeyInput>,
    inner: MapKind<Inner>,
  ): TypedMapKind<HashOfMaps<Key, Inner, KeyInput>> {
    return typedKind((map) => {
      const outer = HashOfMaps.from(map);
      outer.#ids.types.declare({ key, value: outer.#ids.types.declared.value });
      outer.#kind.declare(outer.name, inner);
      return outer as HashOfMaps<Key, Inner, KeyInput>;
    });
  }

  /** `map` as a hash of maps. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): HashOfMaps {
    if (map instanceof HashOfMaps) return map as HashOfMaps;
    throw wrongKind(map, 'HashOfMaps');
  }

  /**
   * Makes a hash of maps without an object, for maps like `options.inner`.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}: ENOTSUPP and EINVAL
   * for types that cannot be inside others.
   *
   * @example
   * ```js
   * const byUser = await HashOfMaps.create({ key: u32, inner: counts, maxEntries: 100 });
   * ```
   */
  static async create<Key = Uint8Array, KeyInput = Key>(
    options: NewHashOfMapsOptions<Key, KeyInput>,
  ): Promise<HashOfMaps<Key, BpfMap, KeyInput>> {
    const innerMap = innerHandle(options);
    const fixed = { type: MapType.HASH_OF_MAPS, value: u32, innerMap, options: ['inner'] };
    return HashOfMaps.from(await createMap(fixed, options)) as HashOfMaps<Key, BpfMap, KeyInput>;
  }

  /**
   * The map under a key, opened anew and yours to close; undefined when there is none. It is decoded by the types that the
   * kernel keeps with it, else by those of the definition.
   *
   * @throws {@link PermissionError} without CAP_SYS_ADMIN: the kernel tells the id only; {@link UsageError} when `key` is not
   * of the key's type, or the map is not of the kind that was declared.
   */
  get(key: KeyInput): Inner | undefined {
    const id = this.mapId(key);
    const map = id === undefined ? undefined : openInner(this.details, id, nameOf(key));
    // Which kind it is was declared with the type parameter.
    return map === undefined ? undefined : (this.#kind.view(map) as Inner);
  }

  /** The id of the map under a key, which is in {@link BpfMap.info} too; undefined when there is none. */
  mapId(key: KeyInput): number | undefined {
    return this.#ids.get(key);
  }

  /** Whether there is a map under `key`. */
  has(key: KeyInput): boolean {
    return this.#ids.has(key);
  }

  /**
   * Puts a map under a key, in place of what is there; true when it was stored, false when a condition of `options` forbade
   * it. The map lives as long as it is in there, also when you close it. Resolves when no program that runs can still use
   * what was there before: milliseconds, off the event loop. Sleepable programs are not waited for.
   *
   * @throws {@link UsageError} when `key` is not of the key's type, or the map is not like the inner map of the definition: it
   * says what differs; {@link KernelError} E2BIG when this map is full.
   */
  async set(key: KeyInput, map: Inner, options?: SetOptions): Promise<boolean> {
    return putInner(this, this.#keyOf(key), map, `key ${nameOf(key)}`, updateFlag(options));
  }

  /**
   * Makes a map like the inner one of the definition, and puts it under a key; it is yours to close. With `entries` it is filled
   * before, so that programs see all that was there or all that is new. Resolves as {@link HashOfMaps.set} does: when no program that
   * runs can still use what was there before.
   *
   * @throws {@link UsageError} when no definition says what maps are inside, as of one that was opened, or with the path of the
   * entry at fault; {@link KernelError} when there are more entries than fit: nothing is changed then; else as {@link HashOfMaps.set}.
   *
   * @example
   * ```js
   * using round = await byUser.createAt(1000, { maxEntries: 100, entries: [[7, 1n]] });
   * ```
   */
  async createAt(key: KeyInput, options: NewInnerMapOptions<Inner> = {}): Promise<Inner> {
    const bytes = this.#keyOf(key);
    return (await putNewInner(this, this.#kind, bytes, `key ${nameOf(key)}`, options)) as Inner;
  }

  /** Takes the map under a key out; false when there was none. Resolves as {@link HashOfMaps.set} does. */
  async delete(key: KeyInput): Promise<boolean> {
    return removeInner(this, this.#keyOf(key), `key ${nameOf(key)}`);
  }

  /** Every key, in no order. A map that changes is walked as {@link KeyedMap.entries} says. */
  keys(): IterableIterator<Key> {
    return this.#ids.keys();
  }

  /** Every key with its map's id, in no order. */
  ids(): IterableIterator<[Key, number]> {
    return this.#ids.entries();
  }

  /** How many maps there are, found by walking: the kernel does not tell. */
  count(): number {
    return this.#ids.count();
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return this.#ids.types.declared;
  }

  #keyOf(key: KeyInput): Uint8Array {
    const bytes = new Uint8Array(this.keySize);
    this.#ids.types.key.encode(key, new DataView(bytes.buffer), 0, 'key');
    return bytes;
  }
}

function nameOf(key: unknown): string {
  return inspect(key, { breakLength: Infinity });
}
