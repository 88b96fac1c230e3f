import { constants } from 'node:os';

import {
  BpfCommand,
  BtfInfo as BtfInfoLayout,
  MapInfo as MapInfoLayout,
  ObjectAttr,
  ObjectIdAttr,
} from '../abi/index.js';
import { KernelError, quote, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { AttributeWriter, cString, type AttributeReader } from './attribute-writer.js';
import { bpf, commandName, tryBpf } from './bpf-call.js';
import { Handle } from './handle.js';
import { linkInfo, type LinkInfo } from './link-info.js';
import { mapId } from './map-calls.js';
import { notePinnedMap } from './pinned-maps.js';
import { programInfo, type ProgramInfo } from './program-info.js';
import { isUnknownBuffer, readInfo } from './read-info.js';
import { trace } from './trace.js';

/** The kinds of BPF objects that have ids. */
export type ObjectKind = 'map' | 'program' | 'link' | 'btf';

const ENOENT = -constants.errno.ENOENT;

const idCommands = {
  map: { next: BpfCommand.MAP_GET_NEXT_ID, open: BpfCommand.MAP_GET_FD_BY_ID },
  program: { next: BpfCommand.PROG_GET_NEXT_ID, open: BpfCommand.PROG_GET_FD_BY_ID },
  link: { next: BpfCommand.LINK_GET_NEXT_ID, open: BpfCommand.LINK_GET_FD_BY_ID },
  btf: { next: BpfCommand.BTF_GET_NEXT_ID, open: BpfCommand.BTF_GET_FD_BY_ID },
} as const;

/** `enum class Kind` of native/environment.h, in its order. */
const nativeKinds: readonly (Handle['kind'] | undefined)[] = [
  undefined,
  'other',
  'map',
  'program',
  'link',
  'btf',
  'perf-event',
  'iterator',
  'socket',
  'mapping',
  'ring',
];

/** Pins an object to a path in a BPF file system: it then outlives this process. */
export function pinObject(handle: Handle, path: string): void {
  const attr = new AttributeWriter(ObjectAttr).handle('bpf_fd', handle).string('pathname', path);
  bpf(BpfCommand.OBJ_PIN, attr, `pin ${handle.describe()} to ${quote(path)}`);
  if (handle.kind === 'map') notePinnedMap(mapId(handle), path);
}

/**
 * Opens what is pinned at `path`; UsageError when that is another kind of object. `flags` are BPF_F_RDONLY or
 * BPF_F_WRONLY, of maps.
 */
export function openPinned(path: string, kind: ObjectKind, flags = 0): Handle {
  const attr = new AttributeWriter(ObjectAttr).string('pathname', path).number('file_flags', flags);
  const token = bpf(BpfCommand.OBJ_GET, attr, `open the ${kind} pinned at ${quote(path)}`);
  requireKind(token, kind, 'path', `${quote(path)} is a pinned`);
  const handle = new Handle(kind, token, path);
  if (kind === 'map') notePinnedMap(mapId(handle), path);
  return handle;
}

/** Copies a descriptor of this process, which stays the caller's; UsageError when it is of another kind of object. */
export function openDescriptor(kind: ObjectKind, descriptor: number): Handle {
  const token = trace(`dup(${descriptor})`, addon().adopt(descriptor));
  if (token < 0) throw new KernelError(`copy descriptor ${descriptor}`, 'fcntl(F_DUPFD_CLOEXEC)', token);
  requireKind(token, kind, 'descriptor', `${descriptor} is a`);
  return new Handle(kind, token);
}

function requireKind(token: number, kind: ObjectKind, path: string, what: string): void {
  const found = nativeKinds[addon().kind(token)];
  if (found === kind) return;
  addon().close(token);
  throw UsageError.invalidValue(
    path,
    `${what} ${found === undefined || found === 'other' ? 'descriptor of something else' : found}, not a ${kind}`,
  );
}

/** The ids of all objects of a kind on this machine, ascending. Needs CAP_SYS_ADMIN, or CAP_BPF for BTF from 6.18 on. */
export function listIds(kind: ObjectKind): number[] {
  const ids: number[] = [];
  const command = idCommands[kind].next;
  for (let last = 0; ;) {
    const attr = new AttributeWriter(ObjectIdAttr).number('start_id', last);
    const result = tryBpf(command, attr);
    if (result === ENOENT) return ids;
    if (result < 0) throw new KernelError(`list the ids of every ${kind}`, commandName(command), result);
    last = attr.read('next_id');
    ids.push(last);
  }
}

/** Opens the object with an id; KernelError with ENOENT when there is none, or none any more. `flags` as of a pin. */
export function openById(kind: ObjectKind, id: number, flags = 0): Handle {
  const attr = new AttributeWriter(ObjectIdAttr).number('start_id', id);
  // Only maps can be opened for less than everything; of other objects the kernel wants no flags at all.
  if (flags !== 0) attr.number('open_flags', flags);
  return new Handle(kind, bpf(idCommands[kind].open, attr, `open ${kind} ${id}`));
}

export interface MapInfo {
  readonly type: number;
  readonly id: number;
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly mapExtra: bigint;
  readonly btfId: number;
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
}

export interface BtfObjectInfo {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  /** Whether it is the kernel's own or a module's. */
  readonly kernel: boolean;
}

export interface ObjectInfoByKind {
  readonly map: MapInfo;
  readonly program: ProgramInfo;
  readonly btf: BtfObjectInfo;
  readonly link: LinkInfo;
}

/** What the kernel tells about an object. */
export function objectInfo<Kind extends ObjectKind>(handle: Handle, kind: Kind): ObjectInfoByKind[Kind] {
  return infoReaders[kind](handle);
}

const infoReaders: { readonly [Kind in ObjectKind]: (handle: Handle) => ObjectInfoByKind[Kind] } = {
  map(handle) {
    const info = readInfo(handle, MapInfoLayout);
    return {
      type: info.number('type'),
      id: info.number('id'),
      name: info.string('name'),
      keySize: info.number('key_size'),
      valueSize: info.number('value_size'),
      maxEntries: info.number('max_entries'),
      flags: info.number('map_flags'),
      mapExtra: info.bigint('map_extra'),
      btfId: info.number('btf_id'),
      btfKeyTypeId: info.number('btf_key_type_id'),
      btfValueTypeId: info.number('btf_value_type_id'),
    };
  },
  program: programInfo,
  btf(handle) {
    const buffer = new Uint8Array(64);
    const info = readBtfInfo(handle, buffer);
    return {
      id: info.number('id'),
      name: cString(buffer),
      size: info.number('btf_size'),
      kernel: info.number('kernel_btf') === 1,
    };
  },
  link: linkInfo,
};

function readBtfInfo(handle: Handle, name: Uint8Array): AttributeReader<keyof typeof BtfInfoLayout.fields> {
  try {
    return readInfo(handle, BtfInfoLayout, [{ pointer: 'name', length: 'name_len', buffer: name }]);
  } catch (error) {
    // Before Linux 5.11 BTF had no name, and room for one is refused.
    if (!isUnknownBuffer(error)) throw error;
    return readInfo(handle, BtfInfoLayout);
  }
}

/** The types that a BTF object holds. Several system calls. */
export function readBtf(btf: Handle): Uint8Array {
  const bytes = new Uint8Array(objectInfo(btf, 'btf').size);
  readInfo(btf, BtfInfoLayout, [{ pointer: 'btf', length: 'btf_size', buffer: bytes }]);
  return bytes;
}
