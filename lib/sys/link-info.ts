import { LinkInfo as Layout, LinkType, PerfLinkType } from '../abi/index.js';
import type { AttributeReader } from './attribute-writer.js';
import type { Handle } from './handle.js';
import { isUnknownBuffer, readInfo, readInfoWithName, type InfoBuffer } from './read-info.js';

type Field = keyof typeof Layout.fields;

/** What the kernel tells of every link. */
export interface AnyLinkInfo {
  /** A value of {@link LinkType}. */
  readonly type: number;
  /** The link's number, with which `Link.open({ id })` opens it. */
  readonly id: number;
  /** The attached program; 0 of a structure of operations. */
  readonly programId: number;
}

/** A link to a raw tracepoint, by name or, as `tp_btf`, by BTF. */
export interface RawTracepointLinkInfo extends AnyLinkInfo {
  readonly kind: 'raw_tracepoint';
  /** The tracepoint: `sched_process_exec`. */
  readonly name: string;
  /** 0 where none was given, and before Linux 6.17. */
  readonly cookie: bigint;
}

/** A link to a function by BTF: fentry, fexit, fmod_ret, LSM, freplace. */
export interface TracingLinkInfo extends AnyLinkInfo {
  readonly kind: 'tracing';
  /** A value of {@link AttachType}. */
  readonly attachType: number;
  /** Of the kernel's or a module's function its BTF's id; of a BPF function its program's. Since Linux 5.13. */
  readonly targetObjectId: number;
  /** The function's id in that BTF. */
  readonly targetBtfId: number;
  /** 0 where none was given, and before Linux 6.17. */
  readonly cookie: bigint;
}

/** A link to a cgroup. */
export interface CgroupLinkInfo extends AnyLinkInfo {
  readonly kind: 'cgroup';
  /** The cgroup's number, the inode of its directory; 0 once it is gone. */
  readonly cgroupId: bigint;
  /** A value of {@link AttachType}. */
  readonly attachType: number;
}

/** A link of an iterator. */
export interface IteratorLinkInfo extends AnyLinkInfo {
  readonly kind: 'iter';
  /** What it goes through: `task`, `bpf_map_elem`. */
  readonly target: string;
  /** The map, of iterators of its elements. */
  readonly mapId?: number;
  /** The cgroup with which an iterator of cgroups begins, and its order: a value of `enum bpf_cgroup_iter_order`. */
  readonly cgroupId?: bigint;
  readonly order?: number;
  /** The thread or process to which an iterator of tasks is limited; 0 for all. */
  readonly threadId?: number;
  readonly processId?: number;
}

/** A link to a network namespace. */
export interface NetworkNamespaceLinkInfo extends AnyLinkInfo {
  readonly kind: 'netns';
  /** The inode of the namespace's file; 0 once it is gone. */
  readonly networkNamespace: number;
  /** A value of {@link AttachType}. */
  readonly attachType: number;
}

/** A link to a network interface by XDP. */
export interface XdpLinkInfo extends AnyLinkInfo {
  readonly kind: 'xdp';
  /** The interface's number in its network namespace; 0 once it is gone. */
  readonly interfaceIndex: number;
}

/** A link to a network interface by TCX. */
export interface TcxLinkInfo extends AnyLinkInfo {
  readonly kind: 'tcx';
  /** The interface's number in its network namespace; 0 once it is gone. */
  readonly interfaceIndex: number;
  /** A value of {@link AttachType}. */
  readonly attachType: number;
}

/** A link to a netkit device. */
export interface NetkitLinkInfo extends AnyLinkInfo {
  readonly kind: 'netkit';
  /** The device's number in its network namespace; 0 once it is gone. */
  readonly interfaceIndex: number;
  /** A value of {@link AttachType}. */
  readonly attachType: number;
}

/** A link to a hook of netfilter. */
export interface NetfilterLinkInfo extends AnyLinkInfo {
  readonly kind: 'netfilter';
  /** NFPROTO_IPV4 (2) or NFPROTO_IPV6 (10). */
  readonly protocolFamily: number;
  /** `enum nf_inet_hooks`: 0 pre-routing to 4 post-routing. */
  readonly hook: number;
  /** Lower ones run first. */
  readonly priority: number;
  readonly flags: number;
}

/** A link of a structure of operations. */
export interface StructOpsLinkInfo extends AnyLinkInfo {
  readonly kind: 'struct_ops';
  /** The map with the structure; 0 once it was detached. */
  readonly mapId: number;
}

/** A link to a map of sockets. */
export interface SocketMapLinkInfo extends AnyLinkInfo {
  readonly kind: 'sockmap';
  /** The map; 0 once it is gone. */
  readonly mapId: number;
  /** A value of {@link AttachType}. */
  readonly attachType: number;
}

/** A link to many kernel functions. */
export interface KprobeMultiLinkInfo extends AnyLinkInfo {
  readonly kind: 'kprobe_multi';
  /** How many functions; 0 before Linux 6.6. */
  readonly count: number;
  /** Where they are; zeros where kptr_restrict hides addresses. */
  readonly addresses: readonly bigint[];
  /** One per address; zeros where none were given, and before Linux 6.9. */
  readonly cookies: readonly bigint[];
  /** How often the program was not run, since it ran on that CPU already. Since Linux 6.7. */
  readonly missed: bigint;
  /** BPF_F_KPROBE_MULTI_RETURN (1): when functions return. */
  readonly flags: number;
}

/** A link to many places in a file that processes run. */
export interface UprobeMultiLinkInfo extends AnyLinkInfo {
  readonly kind: 'uprobe_multi';
  /** The file; empty before Linux 6.8. */
  readonly path: string;
  /** Places in the file. */
  readonly offsets: readonly bigint[];
  /** Places in the file of the counters by which a process knows that it is watched; zeros without. */
  readonly counterOffsets: readonly bigint[];
  /** One per offset; zeros where none were given. */
  readonly cookies: readonly bigint[];
  /** The only process that is watched; 0 for all. */
  readonly processId: number;
  /** BPF_F_UPROBE_MULTI_RETURN (1): when functions return. */
  readonly flags: number;
}

/** A link to many functions by BTF. */
export interface TracingMultiLinkInfo extends AnyLinkInfo {
  readonly kind: 'tracing_multi';
  /** A value of {@link AttachType}. */
  readonly attachType: number;
  /** The BTF in which the functions have their ids. */
  readonly btfId: number;
  /** The functions' ids. */
  readonly btfIds: readonly number[];
  readonly addresses: readonly bigint[];
  readonly cookies: readonly bigint[];
}

/** What a link to a perf event is attached to. */
export type PerfEventLinkTarget =
  | {
      readonly kind: 'kprobe';
      /** True when the function's return is probed. */
      readonly onReturn: boolean;
      /** Empty when the kernel function was given by its address. */
      readonly function: string;
      readonly offset: number;
      /** 0 where kptr_restrict hides addresses. */
      readonly address: bigint;
      /** Since Linux 6.7. */
      readonly missed: bigint;
      readonly cookie: bigint;
    }
  | {
      readonly kind: 'uprobe';
      /** True when the function's return is probed. */
      readonly onReturn: boolean;
      readonly path: string;
      readonly offset: number;
      readonly cookie: bigint;
      /** Since Linux 6.17. */
      readonly counterOffset: bigint;
    }
  | { readonly kind: 'tracepoint'; readonly name: string; readonly cookie: bigint }
  | { readonly kind: 'event'; readonly type: number; readonly config: bigint; readonly cookie: bigint };

/** A link to a perf event: a tracepoint, a kprobe, a uprobe, or an event that is counted. */
export interface PerfEventLinkInfo extends AnyLinkInfo {
  readonly kind: 'perf_event';
  /** Undefined before Linux 6.6. Cookies are told since Linux 6.9. */
  readonly event: PerfEventLinkTarget | undefined;
}

/** A link of a type that this version does not know. */
export interface UnknownLinkInfo extends AnyLinkInfo {
  readonly kind: 'unknown';
}

/** What the kernel tells of a link; `kind` says which. */
export type LinkInfo =
  | RawTracepointLinkInfo
  | TracingLinkInfo
  | CgroupLinkInfo
  | IteratorLinkInfo
  | NetworkNamespaceLinkInfo
  | XdpLinkInfo
  | PerfEventLinkInfo
  | KprobeMultiLinkInfo
  | StructOpsLinkInfo
  | NetfilterLinkInfo
  | TcxLinkInfo
  | UprobeMultiLinkInfo
  | NetkitLinkInfo
  | SocketMapLinkInfo
  | TracingMultiLinkInfo
  | UnknownLinkInfo;

/** What the kernel tells of a link, with names and lists: one system call, or two of links that have such. */
export function linkInfo(handle: Handle): LinkInfo {
  const info = readInfo(handle, Layout);
  const type = info.number('type');
  const common = { type, id: info.number('id'), programId: info.number('prog_id') };
  switch (type) {
    case LinkType.RAW_TRACEPOINT: {
      const name = readName(handle, 'raw_tracepoint.tp_name', 'raw_tracepoint.tp_name_len');
      return { ...common, kind: 'raw_tracepoint', name, cookie: info.bigint('raw_tracepoint.cookie') };
    }
    case LinkType.TRACING:
      return {
        ...{ ...common, kind: 'tracing', attachType: info.number('tracing.attach_type') },
        targetObjectId: info.number('tracing.target_obj_id'),
        targetBtfId: info.number('tracing.target_btf_id'),
        cookie: info.bigint('tracing.cookie'),
      };
    case LinkType.CGROUP: {
      const attachType = info.number('cgroup.attach_type');
      return { ...common, kind: 'cgroup', cgroupId: info.bigint('cgroup.cgroup_id'), attachType };
    }
    case LinkType.ITER:
      return { ...common, kind: 'iter', ...iteratorTarget(handle, info) };
    case LinkType.NETNS: {
      const attachType = info.number('netns.attach_type');
      return { ...common, kind: 'netns', networkNamespace: info.number('netns.netns_ino'), attachType };
    }
    case LinkType.XDP:
      return { ...common, kind: 'xdp', interfaceIndex: info.number('xdp.ifindex') };
    case LinkType.PERF_EVENT:
      return { ...common, kind: 'perf_event', event: perfEventSource(handle, info) };
    case LinkType.KPROBE_MULTI:
      return { ...common, kind: 'kprobe_multi', ...kernelFunctions(handle, info) };
    case LinkType.STRUCT_OPS:
      return { ...common, kind: 'struct_ops', mapId: info.number('struct_ops.map_id') };
    case LinkType.NETFILTER:
      return {
        ...{ ...common, kind: 'netfilter', protocolFamily: info.number('netfilter.pf') },
        hook: info.number('netfilter.hooknum'),
        priority: info.number('netfilter.priority') | 0,
        flags: info.number('netfilter.flags'),
      };
    case LinkType.TCX: {
      const attachType = info.number('tcx.attach_type');
      return { ...common, kind: 'tcx', interfaceIndex: info.number('tcx.ifindex'), attachType };
    }
    case LinkType.UPROBE_MULTI:
      return { ...common, kind: 'uprobe_multi', ...placesInFile(handle, info) };
    case LinkType.NETKIT: {
      const attachType = info.number('netkit.attach_type');
      return { ...common, kind: 'netkit', interfaceIndex: info.number('netkit.ifindex'), attachType };
    }
    case LinkType.SOCKMAP: {
      const attachType = info.number('sockmap.attach_type');
      return { ...common, kind: 'sockmap', mapId: info.number('sockmap.map_id'), attachType };
    }
    case LinkType.TRACING_MULTI:
      return { ...common, kind: 'tracing_multi', ...tracedFunctions(handle, info) };
    default:
      return { ...common, kind: 'unknown' };
  }
}

type Info = AttributeReader<Field>;
type Details<Info extends LinkInfo> = Omit<Info, 'kind' | keyof AnyLinkInfo>;

function readName(handle: Handle, pointer: Field, length: Field): string {
  return readInfoWithName(handle, Layout, { pointer, length });
}

/** What comes beside the name depends on the target (`fill_link_info` of each in kernel/bpf/*_iter.c). */
function iteratorTarget(handle: Handle, info: Info): Details<IteratorLinkInfo> {
  const target = readName(handle, 'iter.target_name', 'iter.target_name_len');
  if (target === 'bpf_map_elem' || target === 'bpf_sk_storage_map') {
    return { target, mapId: info.number('iter.map.map_id') };
  }
  if (target === 'cgroup') {
    return { target, cgroupId: info.bigint('iter.cgroup.cgroup_id'), order: info.number('iter.cgroup.order') };
  }
  if (target === 'task' || target === 'task_file' || target === 'task_vma') {
    return { target, threadId: info.number('iter.task.tid'), processId: info.number('iter.task.pid') };
  }
  return { target };
}

function perfEventSource(handle: Handle, info: Info): PerfEventLinkTarget | undefined {
  const type = info.number('perf_event.type');
  switch (type) {
    case PerfLinkType.KPROBE:
    case PerfLinkType.KRETPROBE:
      return {
        kind: 'kprobe',
        onReturn: type === PerfLinkType.KRETPROBE,
        function: readName(handle, 'perf_event.kprobe.func_name', 'perf_event.kprobe.name_len'),
        offset: info.number('perf_event.kprobe.offset'),
        address: info.bigint('perf_event.kprobe.addr'),
        missed: info.bigint('perf_event.kprobe.missed'),
        cookie: info.bigint('perf_event.kprobe.cookie'),
      };
    case PerfLinkType.UPROBE:
    case PerfLinkType.URETPROBE:
      return {
        kind: 'uprobe',
        onReturn: type === PerfLinkType.URETPROBE,
        path: readName(handle, 'perf_event.uprobe.file_name', 'perf_event.uprobe.name_len'),
        offset: info.number('perf_event.uprobe.offset'),
        cookie: info.bigint('perf_event.uprobe.cookie'),
        counterOffset: info.bigint('perf_event.uprobe.ref_ctr_offset'),
      };
    case PerfLinkType.TRACEPOINT: {
      const name = readName(handle, 'perf_event.tracepoint.tp_name', 'perf_event.tracepoint.name_len');
      return { kind: 'tracepoint', name, cookie: info.bigint('perf_event.tracepoint.cookie') };
    }
    case PerfLinkType.EVENT:
      return {
        kind: 'event',
        type: info.number('perf_event.event.type'),
        config: info.bigint('perf_event.event.config'),
        cookie: info.bigint('perf_event.event.cookie'),
      };
    default:
      return undefined;
  }
}

function kernelFunctions(handle: Handle, info: Info): Details<KprobeMultiLinkInfo> {
  const count = info.number('kprobe_multi.count');
  const addresses = new BigUint64Array(count);
  const cookies = new BigUint64Array(count);
  const lists: InfoBuffer<Field>[] = [
    list('kprobe_multi.addrs', 'kprobe_multi.count', addresses),
    list('kprobe_multi.cookies', 'kprobe_multi.count', cookies),
  ];
  readLists(handle, lists);
  const flags = info.number('kprobe_multi.flags');
  return { count, addresses: [...addresses], cookies: [...cookies], missed: info.bigint('kprobe_multi.missed'), flags };
}

function placesInFile(handle: Handle, info: Info): Details<UprobeMultiLinkInfo> {
  const count = info.number('uprobe_multi.count');
  const path = count === 0 ? '' : readName(handle, 'uprobe_multi.path', 'uprobe_multi.path_size');
  const offsets = new BigUint64Array(count);
  const counterOffsets = new BigUint64Array(count);
  const cookies = new BigUint64Array(count);
  readLists(handle, [
    list('uprobe_multi.offsets', 'uprobe_multi.count', offsets),
    list('uprobe_multi.ref_ctr_offsets', 'uprobe_multi.count', counterOffsets),
    list('uprobe_multi.cookies', 'uprobe_multi.count', cookies),
  ]);
  return {
    ...{ path, offsets: [...offsets], counterOffsets: [...counterOffsets], cookies: [...cookies] },
    processId: info.number('uprobe_multi.pid'),
    flags: info.number('uprobe_multi.flags'),
  };
}

function tracedFunctions(handle: Handle, info: Info): Details<TracingMultiLinkInfo> {
  const count = info.number('tracing_multi.count');
  const ids = new Uint32Array(count);
  const addresses = new BigUint64Array(count);
  const cookies = new BigUint64Array(count);
  readLists(handle, [
    list('tracing_multi.ids', 'tracing_multi.count', ids),
    list('tracing_multi.addrs', 'tracing_multi.count', addresses),
    list('tracing_multi.cookies', 'tracing_multi.count', cookies),
  ]);
  return {
    ...{ attachType: info.number('tracing_multi.attach_type'), btfId: info.number('tracing_multi.btf_obj_id') },
    ...{ btfIds: [...ids], addresses: [...addresses], cookies: [...cookies] },
  };
}

function list(pointer: Field, length: Field, values: BigUint64Array | Uint32Array): InfoBuffer<Field> {
  const buffer = new Uint8Array(values.buffer as ArrayBuffer, values.byteOffset, values.byteLength);
  return { pointer, length, elements: values.length, buffer };
}

/** Fills lists of one length; the last of them, cookies, came later than the others. */
function readLists(handle: Handle, lists: readonly InfoBuffer<Field>[]): void {
  if (lists.every(({ elements }) => elements === 0)) return;
  try {
    readInfo(handle, Layout, lists);
  } catch (error) {
    if (!isUnknownBuffer(error)) throw error;
    readInfo(handle, Layout, lists.slice(0, -1));
  }
}
