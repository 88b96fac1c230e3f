// One way to attach for each type of link, for the tests that hold all of them to the same rules.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

import {
  BtfTracepoint,
  CgroupLink,
  CgroupSock,
  Ebpf,
  Fentry,
  IteratorLink,
  IteratorProgram,
  Kprobe,
  KprobeMulti,
  KprobeMultiLink,
  Lsm,
  Netfilter,
  NetfilterLink,
  Netkit,
  NetkitLink,
  NetworkNamespaceLink,
  ObjectSpec,
  PerfEvent,
  PerfEventLink,
  RawTracepoint,
  RawTracepointLink,
  SkLookup,
  SkMsg,
  SockMap,
  SocketMapLink,
  StructOps,
  StructOpsLink,
  Tc,
  TcxLink,
  Tracepoint,
  TracingLink,
  Uprobe,
  UprobeMulti,
  UprobeMultiLink,
  Xdp,
  XdpLink,
  type Link,
  type LinkInfo,
  type Program,
} from '../../lib/index.js';
import { hasFentry, hasKprobeMulti, hasKprobes, hasLsm } from './kernel-hooks.js';
import { hasJit, kernelHasSymbol } from './kernel-symbols.js';
import { kernelHasStruct } from './kernel-types.js';
import { sample } from './samples.js';
import type { Need } from './skip.js';
import { hasTestNetworks } from './test-network.js';
import { hasUprobes, libc } from './user-space.js';

const hasMountedTracefs = / tracefs /u.test(readFileSync('/proc/mounts', 'utf8'));

/** Where cases attach that need a place of their own. */
export interface Places {
  /** The file of a network namespace with an interface `right`. */
  readonly network: string;
  readonly cgroup: string;
  /** The process whose doings are watched. */
  readonly pid: number;
}

/** What a case has attached. */
export interface Attached {
  /** What the test is to close in the end. */
  readonly objects: readonly Ebpf[];
  readonly link: Link;
  /** A program that can take the place of the attached one, where this type of link can be updated. */
  readonly other?: Program;
}

/** What programs are attached to. */
export type LinkEvent = 'exec' | 'packet' | 'priority' | 'socket';

export interface LinkCase {
  readonly name: string;
  /** Whether this kernel can do it, and what it needs for that. */
  readonly possible: boolean;
  readonly need: Need;
  readonly kind: LinkInfo['kind'];
  readonly linkClass: typeof Link;
  readonly attach: (places: Places) => Promise<Attached>;
  /** What makes the program run: in this process, in the cgroup or network of the test. None where that is for other tests. */
  readonly event?: 'exec' | 'packet' | 'socket' | 'priority' | undefined;
  /** Whether BPF_LINK_DETACH ends it for all who hold it. */
  readonly detaches: boolean;
}

/** Changes this process's priority and back. */
export function changePriority(): void {
  const before = getPriority();
  setPriority(before + 1);
  setPriority(before);
}

/** Executes a program. */
export function execute(): void {
  spawnSync('/bin/true');
}

async function load(name: string, pid?: number): Promise<Ebpf> {
  return Ebpf.load(sample(name), pid === undefined ? {} : { variables: { target_pid: pid } });
}

/** The congestion control of the case of structures of operations: a name that no other process uses. */
export const congestionControl = (pid: number): string => `lk${pid}`;

async function registered(pid: number): Promise<Ebpf> {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('struct_ops'))), { name: 'struct_ops.bpf.o' });
  for (const each of spec.maps.values()) each.autoCreate = each.name === 'linked';
  spec.structOps('linked').set('name', congestionControl(pid));
  return Ebpf.load(spec);
}

/** Of 6.4; congestion controls need a JIT as well. */
const hasStructOpsLinks =
  hasJit && kernelHasStruct('bpf_struct_ops_link') && kernelHasStruct('bpf_struct_ops_tcp_congestion_ops');

/** Whether the network of the cases has a pair of netkit interfaces. */
export const hasNetkit: boolean = hasTestNetworks && kernelHasSymbol('netkit_link_attach');

const inNetwork = { possible: hasTestNetworks, need: 'network interfaces of its own' } as const;

export const linkCases: readonly LinkCase[] = [
  {
    ...{ name: 'raw tracepoint', possible: true, need: 'root', kind: 'raw_tracepoint', linkClass: RawTracepointLink },
    ...{ event: 'exec', detaches: false },
    async attach({ pid }) {
      const ebpf = await load('raw_tracepoint', pid);
      return { objects: [ebpf], link: await ebpf.program('on_exec', RawTracepoint).attach() };
    },
  },
  {
    ...{ name: 'BTF tracepoint', possible: true, need: 'root', kind: 'raw_tracepoint', linkClass: RawTracepointLink },
    ...{ event: 'exec', detaches: false },
    async attach() {
      const ebpf = await load('execsnoop');
      return { objects: [ebpf], link: await ebpf.program('exec', BtfTracepoint).attach() };
    },
  },
  {
    ...{ name: 'tracepoint', kind: 'perf_event', linkClass: PerfEventLink, event: 'exec', detaches: false },
    ...{ possible: hasMountedTracefs && kernelHasSymbol('bpf_perf_link_attach'), need: 'tracefs, mounted' },
    async attach({ pid }) {
      const ebpf = await load('tracepoint', pid);
      return { objects: [ebpf], link: await ebpf.program('on_exec', Tracepoint).attach() };
    },
  },
  {
    ...{ name: 'kprobe', kind: 'perf_event', linkClass: PerfEventLink, event: 'priority', detaches: false },
    ...{
      possible: hasKprobes && kernelHasSymbol('bpf_perf_link_attach'),
      need: hasKprobes ? 'kernel 5.15' : 'kprobes',
    },
    async attach({ pid }) {
      const ebpf = await load('kprobe', pid);
      return { objects: [ebpf], link: await ebpf.program('enter', Kprobe).attach() };
    },
  },
  {
    ...{ name: 'kprobes', kind: 'kprobe_multi', linkClass: KprobeMultiLink, event: 'priority', detaches: false },
    ...{ possible: hasKprobeMulti, need: 'kprobe.multi' },
    async attach({ pid }) {
      const ebpf = await load('kprobe_multi', pid);
      return { objects: [ebpf], link: await ebpf.program('pattern', KprobeMulti).attach() };
    },
  },
  {
    ...{ name: 'uprobe', kind: 'perf_event', linkClass: PerfEventLink, event: 'priority', detaches: false },
    ...{
      possible: hasUprobes && kernelHasSymbol('bpf_perf_link_attach'),
      need: hasUprobes ? 'kernel 5.15' : 'uprobes',
    },
    async attach({ pid }) {
      const ebpf = await load('uprobe', pid);
      const where = { target: libc, function: 'getpriority', pid };
      return { objects: [ebpf], link: await ebpf.program('anywhere', Uprobe).attach(where) };
    },
  },
  {
    ...{ name: 'uprobes', kind: 'uprobe_multi', linkClass: UprobeMultiLink, event: 'priority', detaches: false },
    ...{ possible: hasUprobes && kernelHasSymbol('bpf_uprobe_multi_link_attach'), need: 'kernel 6.6' },
    async attach({ pid }) {
      const ebpf = await load('uprobe_multi', pid);
      const where = { target: libc, functions: '?etpriority', pid };
      return { objects: [ebpf], link: await ebpf.program('anywhere', UprobeMulti).attach(where) };
    },
  },
  {
    ...{ name: 'perf event', kind: 'perf_event', linkClass: PerfEventLink, event: 'exec', detaches: false },
    ...{ possible: kernelHasSymbol('bpf_perf_link_attach'), need: 'kernel 5.15' },
    async attach({ pid }) {
      const ebpf = await load('perf_event', pid);
      const options = { event: 'page-faults', period: 1, thread: pid, inherit: true };
      const { links } = await ebpf.program('count', PerfEvent).attach(options);
      const [link] = links;
      if (link === undefined) throw new Error('there is no link');
      return { objects: [ebpf], link };
    },
  },
  {
    ...{ name: 'iterator', possible: true, need: 'root', kind: 'iter', linkClass: IteratorLink, detaches: false },
    async attach() {
      const ebpf = await load('iterators');
      const link = await ebpf.program('dump_task', IteratorProgram).attach();
      return { objects: [ebpf], link, other: ebpf.program('write_task') };
    },
  },
  {
    ...{ name: 'fentry', kind: 'tracing', linkClass: TracingLink, event: 'priority', detaches: false },
    ...{ possible: hasFentry, need: 'fentry' },
    async attach({ pid }) {
      const ebpf = await load('fentry', pid);
      return { objects: [ebpf], link: await ebpf.program('enter', Fentry).attach() };
    },
  },
  {
    ...{ name: 'LSM', kind: 'tracing', linkClass: TracingLink, event: 'priority', detaches: false },
    ...{ possible: hasLsm, need: 'BPF LSM' },
    async attach({ pid }) {
      // Whom it forbids nothing.
      const ebpf = await Ebpf.load(sample('lsm'), { variables: { target_pid: pid, forbidden: 100 } });
      return { objects: [ebpf], link: await ebpf.program('set_nice', Lsm).attach() };
    },
  },
  {
    ...{ name: 'cgroup', possible: true, need: 'root', kind: 'cgroup', linkClass: CgroupLink },
    ...{ event: 'socket', detaches: true },
    async attach({ cgroup }) {
      const ebpf = await load('cgroup_programs');
      const second = await load('cgroup_programs');
      const link = await ebpf.program('create', CgroupSock).attach({ cgroup });
      return { objects: [ebpf, second], link, other: second.program('create') };
    },
  },
  {
    ...{ ...inNetwork, name: 'network namespace', kind: 'netns', linkClass: NetworkNamespaceLink },
    detaches: true,
    async attach({ network }) {
      const ebpf = await load('socket_choice');
      const link = await ebpf.program('by_index', SkLookup).attach({ netns: network });
      return { objects: [ebpf], link, other: ebpf.program('by_port') };
    },
  },
  {
    ...{ ...inNetwork, name: 'XDP', kind: 'xdp', linkClass: XdpLink, event: 'packet', detaches: true },
    async attach({ network }) {
      const ebpf = await load('xdp');
      const link = await ebpf.program('decide', Xdp).attach({ interface: 'right', netns: network });
      return { objects: [ebpf], link, other: ebpf.program('drop_all') };
    },
  },
  {
    ...{ name: 'TCX', kind: 'tcx', linkClass: TcxLink, event: 'packet', detaches: true },
    ...{ possible: hasTestNetworks && kernelHasSymbol('tcx_prog_attach'), need: 'TCX' },
    async attach({ network }) {
      const ebpf = await load('tc');
      const options = { interface: 'right', netns: network, direction: 'ingress', by: 'tcx' } as const;
      const link = await ebpf.program('anywhere', Tc).attach(options);
      return { objects: [ebpf], link, other: ebpf.program('drop_ours') };
    },
  },
  {
    ...{ name: 'netkit device', kind: 'netkit', linkClass: NetkitLink, detaches: true },
    ...{ possible: hasNetkit, need: 'netkit' },
    async attach({ network }) {
      const ebpf = await load('netkit');
      const link = await ebpf.program('first', Netkit).attach({ interface: 'nk', netns: network });
      return { objects: [ebpf], link, other: ebpf.program('second') };
    },
  },
  {
    ...{ name: 'netfilter hook', kind: 'netfilter', linkClass: NetfilterLink, event: 'packet', detaches: true },
    ...{ possible: hasTestNetworks && kernelHasSymbol('bpf_nf_link_attach'), need: 'links of netfilter' },
    async attach({ network }) {
      const ebpf = await load('netfilter');
      const where = { family: 'ipv4', hook: 'input', netns: network } as const;
      return { objects: [ebpf], link: await ebpf.program('decide', Netfilter).attach(where) };
    },
  },
  {
    ...{ name: 'map of sockets', kind: 'sockmap', linkClass: SocketMapLink, detaches: true },
    ...{ possible: kernelHasSymbol('sock_map_link_create'), need: 'kernel 6.10' },
    async attach() {
      const ebpf = await load('socket_maps');
      const link = await ebpf.program('redirect_sent', SkMsg).attach({ map: ebpf.map('sockets', SockMap) });
      return { objects: [ebpf], link, other: ebpf.program('drop_sent') };
    },
  },
  {
    ...{ name: 'structure of operations', kind: 'struct_ops', linkClass: StructOpsLink },
    ...{
      possible: hasStructOpsLinks,
      need: 'links of struct_ops',
      detaches: kernelHasSymbol('bpf_struct_ops_map_link_detach'),
    },
    async attach({ pid }) {
      const ebpf = await registered(pid);
      return { objects: [ebpf], link: await ebpf.map('linked', StructOps).attach() };
    },
  },
];
