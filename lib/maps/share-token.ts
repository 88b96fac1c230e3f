import { Btf } from '../btf/index.js';
import { LayoutCodec, type EntryCodec, type Layout } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import { objectInfo, shareMap, takeMap, type Handle } from '../sys/index.js';

import type { MapDetails } from './bpf-map.js';
import { KernelTypes } from './kernel-types.js';
import type { EntryCodecs } from './map-types.js';
import type { DecodeOptions, ValueTypes } from './value-types.js';

/** A declared type on its way to another thread. */
interface SharedCodec {
  readonly layout: Layout;
  readonly littleEndian: boolean;
}

/**
 * A map on its way to another thread of this process: plain data, which `postMessage` and `workerData` copy. See
 * {@link BpfMap.share}. Whatever is in it may change between versions.
 */
export interface ShareToken {
  /** @internal */
  readonly nodeEbpfShare: number;
  /** The map's name. */
  readonly name: string;
  /** @internal */
  readonly decode: DecodeOptions;
  /** @internal */
  readonly btf: Uint8Array | undefined;
  /** @internal */
  readonly keyType: number;
  /** @internal */
  readonly valueType: number;
  /** @internal */
  readonly declaredKey: SharedCodec | undefined;
  /** @internal */
  readonly declaredValue: SharedCodec | undefined;
}

/** @internal */
export function makeToken({ handle, name, types }: MapDetails, declared: EntryCodecs): ShareToken {
  const { decode, keyType, valueType } = types;
  // A copy: the bytes may be a part of a whole object's, which would be copied with them.
  const btf = types.btf?.bytes.slice();
  return {
    nodeEbpfShare: shareMap(handle),
    name,
    decode: { int64: decode.int64, chars: decode.chars, enums: decode.enums },
    btf,
    keyType,
    valueType,
    declaredKey: sharedCodec(declared.key),
    declaredValue: sharedCodec(declared.value),
  };
}

/** A codec that is code cannot be sent: whoever takes the map declares it again. */
function sharedCodec(codec: EntryCodec<unknown> | undefined): SharedCodec | undefined {
  if (!(codec instanceof LayoutCodec)) return undefined;
  return { layout: codec.layout, littleEndian: codec.littleEndian };
}

/** What a token brings. @internal */
export interface TakenMap {
  readonly handle: Handle;
  readonly name: string;
  readonly types: ValueTypes;
  /** What was declared where it comes from. */
  readonly offered: EntryCodecs;
}

/** @internal */
export function isToken(source: unknown): source is ShareToken {
  return (
    typeof source === 'object' &&
    source !== null &&
    'nodeEbpfShare' in source &&
    typeof source.nodeEbpfShare === 'number'
  );
}

/** @internal */
export function takeToken(token: ShareToken): TakenMap {
  const { name, btf, keyType, valueType, decode } = token;
  const handle = takeMap(token.nodeEbpfShare, name);
  if (handle === undefined) {
    throw UsageError.invalidValue(
      'token',
      `map ${quote(name)} was taken with it already, or is closed where it was shared: share it once for each thread, and ` +
        'keep it open until it is taken',
    );
  }
  return {
    handle,
    name,
    types:
      btf === undefined
        ? new KernelTypes(objectInfo(handle, 'map'), decode)
        : { btf: Btf.parse(btf, { name }), keyType, valueType, decode },
    offered: { key: restored(token.declaredKey), value: restored(token.declaredValue) },
  };
}

function restored(codec: SharedCodec | undefined): EntryCodec<unknown> | undefined {
  return codec === undefined ? undefined : new LayoutCodec(codec.layout, { littleEndian: codec.littleEndian });
}
