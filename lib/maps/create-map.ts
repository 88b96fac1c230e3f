import { MapFlag, type MapType } from '../abi/index.js';
import { LayoutCodec, btfOfLayouts, bytes, hostIsLittleEndian, type EntryCodec, type Layout } from '../codec/index.js';
import { EbpfError, UsageError, requireKnown, unsigned32 } from '../errors/index.js';
import { allowLockedMemory, requireLinux, withToken, type BpfToken } from '../kernel/index.js';
import { kernelNameOf } from '../object/index.js';
import { takesBtf } from '../relocate/index.js';
import { createMap as create, loadBtf, type CreateMapOptions, type Handle } from '../sys/index.js';

import type { BpfMap } from './bpf-map.js';
import { liveMap, shapeOf } from './live-map.js';
import { createMapFailure } from './map-failure.js';

/** What is said of any map that is made without an object. */
export interface NewMapOptions {
  /** Cut to 15 characters for the kernel, which takes letters, digits, `_` and `.`. Default: none. */
  readonly name?: string | undefined;
  /** The most entries. */
  readonly maxEntries: number;
  /** `BPF_MAP_CREATE` flags: values of {@link MapFlag}. */
  readonly flags?: number | undefined;
  /** The node whose memory the map is to have. */
  readonly numaNode?: number | undefined;
  /**
   * What gives a process without privileges, in a user namespace, the right to create it: the path where a BPF file system is mounted
   * that delegates it, or a {@link BpfToken}. Least kernel: 6.9.
   */
  readonly token?: string | BpfToken | undefined;
}

/** The values of a map that is made: their type, or how many bytes they have. */
export interface NewValues<Value, ValueInput> {
  /** The type of values; of a per-CPU map of one CPU's. */
  readonly value?: EntryCodec<Value, ValueInput> | undefined;
  /** Bytes of a value, in place of `value`: values then are bytes. */
  readonly valueSize?: number | undefined;
}

/** The keys of a map that is made: their type, or how many bytes they have. */
export interface NewKeys<Key, KeyInput> {
  /** The type of keys. */
  readonly key?: EntryCodec<Key, KeyInput> | undefined;
  /** Bytes of a key, in place of `key`: keys then are bytes. */
  readonly keySize?: number | undefined;
}

/** A map with keys and values that is made without an object. */
export type NewKeyedMapOptions<Key, Value, KeyInput, ValueInput> = NewMapOptions &
  NewKeys<Key, KeyInput> &
  NewValues<Value, ValueInput>;

/** A map with values only, or with keys that its type fixes, that is made without an object. */
export type NewValueMapOptions<Value, ValueInput> = NewMapOptions & NewValues<Value, ValueInput>;

type AnyOptions = NewMapOptions & NewKeys<unknown, never> & NewValues<unknown, never>;

/** What a type of map decides by itself. @internal */
export interface FixedParts {
  readonly type: MapType;
  /** Of keys that the caller does not choose; without it, `key` or `keySize` are wanted. */
  readonly key?: EntryCodec<unknown> | 'none' | undefined;
  /** The codec of keys of which only the bytes are given. Default: bytes. */
  readonly keyOfSize?: ((size: number) => EntryCodec<unknown>) | undefined;
  /** Of values that the caller does not choose; without it, `value` or `valueSize` are wanted. */
  readonly value?: EntryCodec<unknown> | undefined;
  /** How BTF describes keys, where their codec does not say. */
  readonly keyLayout?: ((size: number) => Layout) | undefined;
  readonly flags?: number | undefined;
  /** Of maps without a number of entries that is the caller's to choose. */
  readonly maxEntries?: number | undefined;
  readonly mapExtra?: number | undefined;
  readonly innerMap?: Handle | undefined;
  /** Options of this type beyond those of all. */
  readonly options?: readonly string[] | undefined;
}

const commonOptions = ['name', 'flags', 'numaNode', 'token'];

/**
 * Makes a map without an object, off the event loop. The kernel is given BTF of its types where they can be described and it
 * takes them, so that others can decode the map too.
 * @internal
 */
export async function createMap(fixed: FixedParts, options: object): Promise<BpfMap> {
  const given = options as AnyOptions;
  const known = [
    ...commonOptions,
    ...(fixed.maxEntries === undefined ? ['maxEntries'] : []),
    ...(fixed.key === undefined ? ['key', 'keySize'] : []),
    ...(fixed.value === undefined ? ['value', 'valueSize'] : []),
    ...(fixed.options ?? []),
  ];
  requireKnown('option of making a map', given, known);
  requireLinux();
  const { name = '', numaNode } = given;
  const key = fixed.key ?? codecOf('key', given.key, given.keySize, fixed.keyOfSize);
  const value = fixed.value ?? codecOf('value', given.value, given.valueSize);
  const flags = unsigned32('flags', given.flags ?? 0, 0) | (fixed.flags ?? 0);
  const attributes: CreateMapOptions = {
    type: fixed.type,
    name: kernelNameOf(name),
    keySize: key === 'none' ? 0 : key.size,
    valueSize: value.size,
    maxEntries: fixed.maxEntries ?? unsigned32('maxEntries', given.maxEntries, 1),
    flags: (numaNode === undefined ? flags : flags | MapFlag.NUMA_NODE) >>> 0,
    numaNode: numaNode === undefined ? undefined : unsigned32('numaNode', numaNode, 0),
    mapExtra: fixed.mapExtra,
    innerMap: fixed.innerMap,
  };
  await allowLockedMemory();
  const types = btfTypes(fixed, key, value);
  const make = async (token?: Handle): Promise<Handle> => createWithTypes({ ...attributes, token }, types);
  const handle = given.token === undefined ? await make() : await withToken(given.token, make);
  return liveMap({
    ...shapeOf(handle),
    handle,
    name,
    types: { btf: undefined, keyType: 0, valueType: 0, decode: {} },
    declared: { key: key === 'none' || fixed.key !== undefined ? undefined : key, value },
  });
}

function codecOf(
  what: 'key' | 'value',
  codec: EntryCodec<unknown, never> | undefined,
  size: number | undefined,
  ofSize: (size: number) => EntryCodec<unknown> = bytes,
): EntryCodec<unknown> {
  if ((codec === undefined) === (size === undefined)) {
    throw UsageError.invalidValue(what, `either ${what}, a type such as u32, or ${what}Size, its bytes, must be given`);
  }
  // What a codec takes is the caller's to know: by then it is typed again.
  return (codec as EntryCodec<unknown> | undefined) ?? ofSize(unsigned32(`${what}Size`, size, 1));
}

/** BTF of the key, when there is one, and the value; undefined where the kernel takes none or it cannot be told. */
function btfTypes(
  { type, keyLayout }: FixedParts,
  key: EntryCodec<unknown> | 'none',
  value: EntryCodec<unknown>,
): ReturnType<typeof btfOfLayouts> {
  if (!takesBtf(type)) return undefined;
  const layouts = [layoutOf(value)];
  if (key !== 'none') layouts.push(keyLayout?.(key.size) ?? layoutOf(key));
  const known = layouts.filter((layout) => layout !== undefined);
  return known.length === layouts.length ? btfOfLayouts(known) : undefined;
}

/** What BTF can say of a codec: it has no words for data in another byte order than the machine's. */
function layoutOf(codec: EntryCodec<unknown>): Layout | undefined {
  return codec instanceof LayoutCodec && codec.littleEndian !== hostIsLittleEndian ? undefined : codec.layout;
}

/** @internal */
export async function createWithTypes(
  attributes: CreateMapOptions,
  types: ReturnType<typeof btfOfLayouts>,
): Promise<Handle> {
  const btf = types === undefined ? undefined : await loadBtf(types.bytes, attributes.token).catch(withoutBtf);
  if (types !== undefined && btf !== undefined) {
    const [btfValueTypeId, btfKeyTypeId = 0] = types.typeIds;
    try {
      return await create({ ...attributes, btf, btfKeyTypeId, btfValueTypeId });
    } catch (error) {
      withoutBtf(error);
    } finally {
      btf.close();
    }
  }
  try {
    return await create(attributes);
  } catch (error) {
    throw await createMapFailure(error, attributes.name, attributes.type, attributes);
  }
}

/** What the kernel has against the types is no reason to go without the map: it says so again when it is the map. */
function withoutBtf(error: unknown): undefined {
  if (EbpfError.is(error) && error.errno !== undefined) return undefined;
  throw error;
}
