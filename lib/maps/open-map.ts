import { basename } from 'node:path';
import { inspect } from 'node:util';

import { MapFlag } from '../abi/index.js';
import { UsageError, requireKnown } from '../errors/index.js';
import { openObject, requireLinux, type ObjectSource } from '../kernel/index.js';
import { objectInfo, type Handle } from '../sys/index.js';

import type { BpfMap } from './bpf-map.js';
import { KernelTypes } from './kernel-types.js';
import { liveMap, shapeOf } from './live-map.js';
import type { MapKind } from './map-kind.js';
import { isToken, takeToken, type ShareToken } from './share-token.js';
import type { DecodeOptions } from './value-types.js';

/**
 * Where a map is that exists already: the path of a pin, an id, a descriptor of this process, or a token of
 * {@link BpfMap.share}.
 */
export type MapSource = ObjectSource | ShareToken;

/** How a map is opened. */
export interface OpenMapOptions extends DecodeOptions {
  /**
   * What this process may do with the elements, by a path or an id: the kernel refuses the rest with EPERM. Default: both.
   * The mode of a pin's file must allow it.
   */
  readonly access?: 'read' | 'write' | undefined;
}

const optionNames = ['access', 'int64', 'chars', 'enums'];

/** Opens a map as a kind; when it is of another, it is closed again. @internal */
export function openAs<M extends BpfMap>(kind: MapKind<M>, source: MapSource, options: OpenMapOptions = {}): M {
  requireKnown('option of opening a map', options, optionNames);
  requireLinux();
  const map = openMap(source, options);
  try {
    return kind.from(map);
  } catch (error) {
    map.close();
    throw error;
  }
}

function openMap(source: MapSource, options: OpenMapOptions): BpfMap {
  if (isToken(source)) {
    refuseAccess(options, 'a token');
    const { handle, name, types, offered } = takeToken(source);
    return liveMap({ ...shapeOf(handle), handle, name, types, offered });
  }
  const handle = openHandle(source, options);
  try {
    const info = objectInfo(handle, 'map');
    const name = info.name === '' && typeof source === 'string' ? basename(source) : info.name;
    const { int64, chars, enums } = options;
    const types = new KernelTypes(info, { int64, chars, enums });
    return liveMap({ ...shapeOf(handle), handle, name, types });
  } catch (error) {
    handle.close();
    throw error;
  }
}

function openHandle(source: unknown, options: OpenMapOptions): Handle {
  const flags = accessFlags(options.access);
  const { descriptor } = Object(source) as { descriptor?: unknown };
  if (descriptor !== undefined) refuseAccess(options, 'a descriptor');
  return openObject('map', source, { flags, more: ' or a token of share()' });
}

function accessFlags(access: unknown): number {
  if (access === undefined) return 0;
  if (access === 'read') return MapFlag.RDONLY;
  if (access === 'write') return MapFlag.WRONLY;
  throw UsageError.invalidValue('access', `must be 'read' or 'write', not ${inspect(access)}`);
}

function refuseAccess({ access }: OpenMapOptions, what: string): void {
  if (access === undefined) return;
  throw UsageError.invalidValue('access', `${what} is open already; what it may do is known by how it was opened`);
}
