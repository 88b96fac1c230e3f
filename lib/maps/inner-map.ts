import { BpfCommand, type MapType } from '../abi/index.js';
import { btfOfLayouts } from '../codec/index.js';
import { EbpfError, UsageError, quote, requireKnown, unsigned32 } from '../errors/index.js';
import { explainPermission, withToken, type BpfToken } from '../kernel/index.js';
import { kernelNameOf } from '../object/index.js';
import { takesBtf } from '../relocate/index.js';
import { deleteAsync, objectInfo, openById, requireHandle, updateHandleAsync, type Handle } from '../sys/index.js';

import type { BpfMap, MapDetails } from './bpf-map.js';
import { callFailure } from './call-failure.js';
import { createWithTypes } from './create-map.js';
import { EEXIST, ENOENT } from './errno.js';
import { heldMapFailure } from './held-failure.js';
import { KernelTypes } from './kernel-types.js';
import { liveMap, shapeOf } from './live-map.js';
import type { MapKind } from './map-kind.js';
import { mapTypeName } from './map-type-name.js';
import { typesAlreadyChosen } from './map-types.js';
import { shapeDifferences, type ComparedShape } from './shape-differences.js';
import { codecByBtf, type ValueTypes } from './value-types.js';

// What arrays of maps and hashes of maps have in common.

/** What the maps within a map of maps are like, as its definition says. @internal */
export interface InnerTemplate extends ComparedShape {
  readonly types: ValueTypes;
}

/** What {@link KeyedMap.updateBatch} and {@link IndexedMap.updateBatch} of a map take. */
export type EntriesOf<Inner extends BpfMap> = Inner extends { updateBatch(entries: infer Entries): number }
  ? Entries
  : Iterable<readonly [unknown, unknown]>;

/** What is said of a map that is made inside of another one. */
export interface NewInnerMapOptions<Inner extends BpfMap = BpfMap> {
  /** Cut to 15 characters for the kernel, which takes letters, digits, `_` and `.`. Default: none. */
  readonly name?: string | undefined;
  /** The most entries. Default: as the definition says. */
  readonly maxEntries?: number | undefined;
  /** What is in it before it is put in its place: programs see what was there before or all of these. Default: nothing. */
  readonly entries?: EntriesOf<Inner> | undefined;
  /**
   * What gives a process without privileges the right to create it: the path of a BPF file system that delegates it, or a
   * {@link BpfToken}. Least kernel: 6.9.
   */
  readonly token?: string | BpfToken | undefined;
}

/** As what kind the maps within are given. @internal */
export class InnerKind {
  #kind: MapKind<BpfMap> | undefined;

  declare(outer: string, kind: MapKind<BpfMap>): void {
    if (this.#kind !== undefined && this.#kind !== kind) throw typesAlreadyChosen(outer, true);
    this.#kind = kind;
  }

  /** Takes the map over: when it is of another kind it is closed. */
  view(map: BpfMap): BpfMap {
    try {
      return this.#kind === undefined ? map : this.#kind.from(map);
    } catch (error) {
      map.close();
      throw error;
    }
  }
}

/** The handle of the template that a new map of maps is given. @internal */
export function innerHandle(options: { readonly inner: BpfMap }): Handle {
  return requireHandle('inner', options.inner, 'map');
}

/**
 * The map with an id that a map of maps gave; undefined when it is gone meanwhile. Types are those that the kernel keeps with
 * it, else those of the definition.
 * @internal
 */
export function openInner(outer: MapDetails, id: number, place: string): BpfMap | undefined {
  const handle = openHandle(outer, id, place);
  if (handle === undefined) return undefined;
  try {
    const info = objectInfo(handle, 'map');
    const shape = shapeOf(handle);
    const name = info.name === '' ? `${outer.name}[${place}]` : info.name;
    const types = typesOf(outer, new KernelTypes(info, outer.types.decode), shape);
    return liveMap({ ...shape, handle, name, types });
  } catch (error) {
    handle.close();
    throw error;
  }
}

function openHandle(outer: MapDetails, id: number, place: string): Handle | undefined {
  try {
    return openById('map', id);
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    if (error.errnoName === 'ENOENT') return undefined;
    if (error.errnoName !== 'EPERM') throw error;
    const what = `open the map at ${place} of map ${quote(outer.name)}, of which the kernel tells the id only`;
    throw explainPermission(error, { what, capabilities: ['CAP_SYS_ADMIN'] });
  }
}

function typesOf({ inner }: MapDetails, kept: KernelTypes, shape: ComparedShape): ValueTypes {
  const known = kept.keyType !== 0 || kept.valueType !== 0;
  if (known || inner === undefined) return kept;
  const { maxEntries } = shape;
  return shapeDifferences({ ...inner, maxEntries }, shape).length === 0 ? inner.types : kept;
}

/**
 * Puts a map into a map of maps, off the event loop; false when `flags` forbid it. `where` is such as `slot 3`.
 * @internal
 */
export async function putInner(
  outer: BpfMap,
  key: Uint8Array,
  map: BpfMap,
  where: string,
  flags = 0,
): Promise<boolean> {
  const { handle, details } = outer;
  const inner = requireHandle('map', map, 'map');
  const errno = await updateHandleAsync(handle, key, inner, flags);
  if (errno === 0) return true;
  if (flags !== 0 && (errno === EEXIST || errno === ENOENT)) return false;
  throw heldMapFailure(details, inner, { where, template: details.inner, errno });
}

/** Makes a map like the one of the definition, fills it, and puts it into a map of maps. @internal */
export async function putNewInner(
  outer: BpfMap,
  kind: InnerKind,
  key: Uint8Array,
  where: string,
  options: NewInnerMapOptions,
): Promise<BpfMap> {
  const map = kind.view(await createInner(outer, options));
  try {
    if (options.entries !== undefined) fill(map, options.entries);
    await putInner(outer, key, map, where);
    return map;
  } catch (error) {
    map.close();
    throw error;
  }
}

function fill(map: BpfMap, entries: Iterable<readonly [unknown, unknown]>): void {
  if (!isFillable(map)) {
    const problem = `maps of type ${mapTypeName(map.type)} have no keys and values that could be stored`;
    throw UsageError.invalidValue('entries', problem);
  }
  map.updateBatch(entries);
}

function isFillable(map: BpfMap): map is BpfMap & { updateBatch(entries: unknown): number } {
  return 'updateBatch' in map && typeof map.updateBatch === 'function';
}

async function createInner({ name: outer, details }: BpfMap, options: NewInnerMapOptions): Promise<BpfMap> {
  requireKnown('option of making a map', options, ['name', 'maxEntries', 'entries', 'token']);
  const { inner } = details;
  if (inner === undefined) {
    const problem = `no definition says what maps are inside ${quote(outer)}: make one, and put it there with set()`;
    throw UsageError.invalidValue('map', problem);
  }
  const { keySize, valueSize, flags, types } = inner;
  const type = inner.type as MapType;
  const { name = '', maxEntries = inner.maxEntries } = options;
  const most = unsigned32('maxEntries', maxEntries, 1);
  // Before Linux 6.2 maps are alike only when both have types.
  const layouts =
    types.btf !== undefined && types.valueType !== 0 && takesBtf(type)
      ? [codecByBtf(types, types.valueType, valueSize), codecByBtf(types, types.keyType, keySize)]
      : undefined;
  const attributes = { type, name: kernelNameOf(name), keySize, valueSize, maxEntries: most, flags };
  const btf = layouts && btfOfLayouts(layouts.map(({ layout }) => layout));
  const make = async (token?: Handle): Promise<Handle> => createWithTypes({ ...attributes, token }, btf);
  const handle = options.token === undefined ? await make() : await withToken(options.token, make);
  return liveMap({ ...shapeOf(handle), handle, name, types });
}

/** Takes a map out of a map of maps, off the event loop; false when there is none. @internal */
export async function removeInner(outer: BpfMap, key: Uint8Array, where: string): Promise<boolean> {
  const errno = await deleteAsync(outer.handle, key);
  if (errno === 0) return true;
  if (errno === ENOENT) return false;
  throw callFailure(outer.details, `empty ${where} of`, BpfCommand.MAP_DELETE_ELEM, errno, { key });
}
