import { MapType } from '../abi/index.js';
import { u32 } from '../codec/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
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
import { filledSlots, indexKey, slotId, slotKey } from './slots.js';

/** What is said of a map of maps that is made without an object. */
export interface NewOuterMapOptions extends NewMapOptions {
  /** A map like those that will be inside: of the same type, sizes and flags. It is not put into the new map. */
  readonly inner: BpfMap;
}

/**
 * An array whose values are maps, all of one type, size and flags: those of the inner map of its definition. Maps can be put
 * into it and taken out while programs use it. Least kernel: 4.12; inner arrays of different lengths 5.10.
 *
 * @example
 * ```js
 * const rounds = ebpf.map('rounds', ArrayOfMaps.of(HashMap.of(u32, u64)));
 * await rounds.set(0, await HashMap.create({ key: u32, value: u64, maxEntries: 1000 }));
 * using round = rounds.get(0);   // HashMap<number, bigint>
 * ```
 */
export class ArrayOfMaps<Inner extends BpfMap = BpfMap> extends BpfMap {
  readonly #kind = new InnerKind();

  /**
   * An array of maps of one kind, which {@link ArrayOfMaps.get} gives: `ArrayOfMaps.of(HashMap.of(u32, u64))`. Make the kind
   * once and ask with the same one.
   */
  static of<Inner extends BpfMap>(inner: MapKind<Inner>): TypedMapKind<ArrayOfMaps<Inner>> {
    return typedKind((map) => {
      const outer = ArrayOfMaps.from(map);
      outer.#kind.declare(outer.name, inner);
      return outer as ArrayOfMaps<Inner>;
    });
  }

  /** `map` as an array of maps. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): ArrayOfMaps {
    if (map instanceof ArrayOfMaps) return map as ArrayOfMaps;
    throw wrongKind(map, 'ArrayOfMaps');
  }

  /**
   * Makes an array of maps without an object, for maps like `options.inner`.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}: ENOTSUPP and EINVAL
   * for types that cannot be inside others.
   *
   * @example
   * ```js
   * const rounds = await ArrayOfMaps.create({ inner: counts, maxEntries: 2 });
   * ```
   */
  static async create(options: NewOuterMapOptions): Promise<ArrayOfMaps> {
    const innerMap = innerHandle(options);
    const fixed = { type: MapType.ARRAY_OF_MAPS, key: u32, value: u32, innerMap, options: ['inner'] };
    return ArrayOfMaps.from(await createMap(fixed, options));
  }

  /** How many slots there are. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * The map in a slot, opened anew and yours to close; undefined for an empty slot. It is decoded by the types that the
   * kernel keeps with it, else by those of the definition.
   *
   * @throws {@link PermissionError} without CAP_SYS_ADMIN: the kernel tells the id only; {@link UsageError} when the map is
   * not of the kind that was declared.
   */
  get(index: number): Inner | undefined {
    const id = this.mapId(index);
    const map = id === undefined ? undefined : openInner(this.details, id, String(index));
    // Which kind it is was declared with the type parameter.
    return map === undefined ? undefined : (this.#kind.view(map) as Inner);
  }

  /** The id of the map in a slot, which is in {@link BpfMap.info} too; undefined for an empty one. */
  mapId(index: number): number | undefined {
    return slotId(this, indexKey(index));
  }

  /** Whether there is a map in the slot. */
  has(index: number): boolean {
    return this.mapId(index) !== undefined;
  }

  /**
   * Puts a map into a slot, in place of what is there; it lives as long as it is in there, also when you close it. Resolves
   * when no program that runs can still use what was there before: milliseconds, off the event loop. Sleepable programs
   * are not waited for.
   *
   * @throws {@link UsageError} when `index` is past the end, or the map is not like the inner map of the definition: it says
   * what differs; {@link KernelError}.
   */
  async set(index: number, map: Inner): Promise<void> {
    await putInner(this, slotKey(this, index), map, `slot ${index}`);
  }

  /**
   * Makes a map like the inner one of the definition, and puts it into a slot; it is yours to close. With `entries` it is filled
   * before, so that programs see all that was there or all that is new: each of them that looks the slot up once a run goes by one
   * of the two. Resolves as {@link ArrayOfMaps.set} does: when no program that runs can still use what was there before.
   *
   * @throws {@link UsageError} when no definition says what maps are inside, as of one that was opened, or with the path of the
   * entry at fault, `entries[3][1].port`; {@link KernelError} such as E2BIG or ENOSPC when there are more entries than fit: the slot
   * is then as it was; else as {@link ArrayOfMaps.set}.
   *
   * @example
   * ```js
   * using round = await rounds.createAt(1, { maxEntries: 1000, entries: [[7, 1n], [8, 2n]] });
   * ```
   */
  async createAt(index: number, options: NewInnerMapOptions<Inner> = {}): Promise<Inner> {
    const key = slotKey(this, index);
    return (await putNewInner(this, this.#kind, key, `slot ${index}`, options)) as Inner;
  }

  /** Takes the map out of a slot; false when it was empty. Resolves as {@link ArrayOfMaps.set} does. */
  async delete(index: number): Promise<boolean> {
    return removeInner(this, slotKey(this, index), `slot ${index}`);
  }

  /** The slots with maps, in order, each with the map's id. One system call for each slot. */
  ids(): IterableIterator<[number, number]> {
    return filledSlots(this);
  }
}
