import { constants } from 'node:os';

import {
  BpfCommand,
  BtfInfo as BtfInfoLayout,
  LinkInfo as LinkInfoLayout,
  LinkType,
  MapInfo as MapInfoLayout,
  ObjectAttr,
  ObjectIdAttr,
  ObjectInfoAttr,
  ProgInfo as ProgInfoLayout,
} from '../abi/index.js';
import { EbpfError, KernelError, quote, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { AttributeReader, AttributeWriter, cString, Direction, type StructLayout } from './attribute-writer.js';
import { bpf, commandName, tryBpf } from './bpf-call.js';
import { Handle } from './handle.js';
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
}

/**
 * Opens what is pinned at `path`; UsageError when that is another kind of object. `flags` are BPF_F_RDONLY or
 * BPF_F_WRONLY, of maps.
 */
export function openPinned(path: string, kind: ObjectKind, flags = 0): Handle {
  const attr = new AttributeWriter(ObjectAttr).string('pathname', path).number('file_flags', flags);
  const token = bpf(BpfCommand.OBJ_GET, attr, `open the ${kind} pinned at ${quote(path)}`);
  requireKind(token, kind, 'path', `${quote(path)} is a pinned`);
  return new Handle(kind, token, path);
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

export interface ProgramInfo {
  readonly type: number;
  readonly id: number;
  readonly name: string;
  /** SHA of the instructions, 16 hexadecimal digits, as bpftool prints it. */
  readonly tag: string;
  readonly mapIds: readonly number[];
  readonly btfId: number;
  readonly createdByUid: number;
  /** Nanoseconds since boot. */
  readonly loadTime: bigint;
  /** Zero unless the kernel's statistics are on. */
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  readonly verifiedInstructions: number;
  readonly translatedLength: number;
  readonly jitedLength: number;
}

export interface BtfObjectInfo {
  readonly id: number;
  readonly name: string;
  readonly size: number;
  /** Whether it is the kernel's own or a module's. */
  readonly kernel: boolean;
}

export interface LinkInfo {
  /** A value of `LinkType`. */
  readonly type: number;
  readonly id: number;
  readonly programId: number;
  /** Of XDP, TCX and netkit: the network interface, 0 once it is gone. */
  readonly interfaceIndex?: number;
  /** Of cgroups: its number, the inode of its directory. */
  readonly cgroupId?: bigint;
  /** Of network namespaces: the inode of its file, 0 once it is gone. */
  readonly networkNamespace?: number;
  /** Of maps of sockets: the map, 0 once it is gone. */
  readonly mapId?: number;
  /** Of netfilter: NFPROTO_* of include/uapi/linux/netfilter.h, 2 for IPv4, 10 for IPv6. */
  readonly protocolFamily?: number;
  /** Of netfilter: NF_INET_* of the same file, 0 for packets that come in. */
  readonly hook?: number;
  /** Of netfilter: lower ones run first. */
  readonly priority?: number;
  /** Of those that have several: a value of `AttachType`. */
  readonly attachType?: number;
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
    const info = new AttributeReader(MapInfoLayout);
    readInfo(handle, info.bytes);
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
  program(handle) {
    const info = new AttributeReader(ProgInfoLayout);
    readInfo(handle, info.bytes);
    return {
      type: info.number('type'),
      id: info.number('id'),
      name: info.string('name'),
      tag: Buffer.from(info.slice('tag')).toString('hex'),
      mapIds: programMapIds(handle, info.number('nr_map_ids')),
      btfId: info.number('btf_id'),
      createdByUid: info.number('created_by_uid'),
      loadTime: info.bigint('load_time'),
      runTimeNs: info.bigint('run_time_ns'),
      runCount: info.bigint('run_cnt'),
      verifiedInstructions: info.number('verified_insns'),
      translatedLength: info.number('xlated_prog_len'),
      jitedLength: info.number('jited_prog_len'),
    };
  },
  btf(handle) {
    const info = new AttributeReader(BtfInfoLayout);
    const name = new Uint8Array(64);
    try {
      readInfo(handle, info.bytes, { layout: BtfInfoLayout, pointer: 'name', length: 'name_len', buffer: name });
    } catch (error) {
      // Before Linux 5.11 BTF had no name, and room for one is refused.
      if (!EbpfError.is(error) || error.errnoName !== 'E2BIG') throw error;
      info.bytes.fill(0);
      readInfo(handle, info.bytes);
    }
    return {
      id: info.number('id'),
      name: cString(name),
      size: info.number('btf_size'),
      kernel: info.number('kernel_btf') === 1,
    };
  },
  link(handle) {
    const info = new AttributeReader(LinkInfoLayout);
    readInfo(handle, info.bytes);
    const type = info.number('type');
    return { type, id: info.number('id'), programId: info.number('prog_id'), ...linkDetails(type, info) };
  },
};

/** What the kernel tells of some types of links alone. */
function linkDetails(
  type: number,
  info: AttributeReader<keyof typeof LinkInfoLayout.fields>,
): Omit<LinkInfo, 'type' | 'id' | 'programId'> {
  switch (type) {
    case LinkType.XDP:
      return { interfaceIndex: info.number('xdp.ifindex') };
    case LinkType.TCX:
      return { interfaceIndex: info.number('tcx.ifindex'), attachType: info.number('tcx.attach_type') };
    case LinkType.NETKIT:
      return { interfaceIndex: info.number('netkit.ifindex'), attachType: info.number('netkit.attach_type') };
    case LinkType.NETFILTER:
      return {
        protocolFamily: info.number('netfilter.pf'),
        hook: info.number('netfilter.hooknum'),
        // Signed.
        priority: info.number('netfilter.priority') | 0,
      };
    case LinkType.CGROUP:
      return { cgroupId: info.bigint('cgroup.cgroup_id'), attachType: info.number('cgroup.attach_type') };
    case LinkType.NETNS:
      return { networkNamespace: info.number('netns.netns_ino'), attachType: info.number('netns.attach_type') };
    case LinkType.SOCKMAP:
      return { mapId: info.number('sockmap.map_id'), attachType: info.number('sockmap.attach_type') };
    default:
      return {};
  }
}

/** The types that a BTF object holds. Several system calls. */
export function readBtf(btf: Handle): Uint8Array {
  const { size } = objectInfo(btf, 'btf');
  const bytes = new Uint8Array(size);
  const info = new AttributeReader(BtfInfoLayout);
  readInfo(btf, info.bytes, { layout: BtfInfoLayout, pointer: 'btf', length: 'btf_size', buffer: bytes });
  return bytes;
}

function programMapIds(handle: Handle, count: number): number[] {
  if (count === 0) return [];
  const ids = new Uint32Array(count);
  const info = new AttributeReader(ProgInfoLayout);
  readInfo(handle, info.bytes, {
    layout: ProgInfoLayout,
    pointer: 'map_ids',
    length: 'nr_map_ids',
    elements: count,
    buffer: new Uint8Array(ids.buffer),
  });
  return [...ids].sort((a, b) => a - b);
}

/** A pointer inside the info struct to a buffer that the kernel fills. */
interface InfoBuffer<Field extends string> {
  readonly layout: StructLayout<Field>;
  readonly pointer: Field;
  readonly length: Field;
  /** What the length counts; bytes without it. */
  readonly elements?: number;
  readonly buffer: Uint8Array;
}

function readInfo<Field extends string>(handle: Handle, info: Uint8Array, inner?: InfoBuffer<Field>): void {
  const attr = new AttributeWriter(ObjectInfoAttr)
    .handle('bpf_fd', handle)
    .pointer('info', info, Direction.BOTH, 'info_len');
  if (inner !== undefined) {
    const lengths = new AttributeWriter(inner.layout).number(inner.length, inner.elements ?? inner.buffer.byteLength);
    info.set(lengths.bytes);
    attr.pointerIn(info, inner.layout.fields[inner.pointer][0], inner.buffer, Direction.FROM_KERNEL);
  }
  bpf(BpfCommand.OBJ_GET_INFO_BY_FD, attr, `read the information on ${handle.describe()}`);
}
