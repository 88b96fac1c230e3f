import { AttachType, LinkType, MapFlag, MapType, ProgramType } from '../../abi/index.js';
import { UsageError } from '../../errors/index.js';
import { attemptLink, type Handle, type LinkField, type LoadProgramOptions } from '../../sys/index.js';

import { nameOf, readRefusal, type Feature } from './feature.js';
import { probeMapType } from './map-probe.js';
import { minimalProgram, probeProgramType } from './program-probe.js';

/** Arguments that a kernel with such links refuses with an error of its own, and one without them with EINVAL. */
interface Refusal {
  readonly program: ProgramType;
  readonly load?: Partial<LoadProgramOptions>;
  readonly attachType: AttachType;
  readonly fields: Readonly<Partial<Record<LinkField, number>>>;
  readonly answer: string;
}

/** Links that every kernel has which has the programs. */
interface WithProgram {
  readonly comesWith: ProgramType;
}

/** Links to maps that are created with a flag of their own. */
interface WithMapFlag {
  readonly mapFlag: number;
  readonly ofMap: MapType;
}

const noDescriptor = -1;
const noInterface = 0x7fff_ffff;
/** No process has memory there (vm.mmap_min_addr), so reading it fails; and nothing can be attached by it. */
const noAddress = 1;

function multi(attachType: AttachType, fields: Refusal['fields']): Refusal {
  return {
    program: ProgramType.KPROBE,
    load: { expectedAttachType: attachType },
    attachType,
    fields,
    answer: 'EFAULT',
  };
}

const manyFunctions = { 'kprobe_multi.addrs': noAddress, 'kprobe_multi.cnt': 1 };
const manyPlaces = { 'uprobe_multi.path': noAddress, 'uprobe_multi.offsets': noAddress, 'uprobe_multi.cnt': 1 };

export const kprobeSession: Refusal = multi(AttachType.TRACE_KPROBE_SESSION, manyFunctions);
export const uprobeSession: Refusal = multi(AttachType.TRACE_UPROBE_SESSION, manyPlaces);

/**
 * Kernels before 6.10 take the process for a thread (46ba0e49b642, "bpf: fix multi-uprobe PID filtering logic"); they do
 * not refuse a negative number before they read the path.
 */
export const uprobeMultiOfThread: Refusal = multi(AttachType.TRACE_UPROBE_MULTI, {
  ...manyPlaces,
  'uprobe_multi.pid': 0xffff_ffff,
});

const links: ReadonlyMap<LinkType, Refusal | WithProgram | WithMapFlag> = new Map<
  LinkType,
  Refusal | WithProgram | WithMapFlag
>([
  [LinkType.RAW_TRACEPOINT, { comesWith: ProgramType.RAW_TRACEPOINT }],
  [LinkType.TRACING, { comesWith: ProgramType.TRACING }],
  [LinkType.CGROUP, { comesWith: ProgramType.CGROUP_SKB }],
  [LinkType.ITER, { comesWith: ProgramType.TRACING }],
  [LinkType.NETNS, { comesWith: ProgramType.FLOW_DISSECTOR }],
  [LinkType.XDP, { comesWith: ProgramType.XDP }],
  [
    LinkType.PERF_EVENT,
    {
      program: ProgramType.TRACEPOINT,
      attachType: AttachType.PERF_EVENT,
      fields: { target_fd: noDescriptor },
      answer: 'EBADF',
    },
  ],
  [LinkType.KPROBE_MULTI, multi(AttachType.TRACE_KPROBE_MULTI, manyFunctions)],
  [LinkType.UPROBE_MULTI, multi(AttachType.TRACE_UPROBE_MULTI, manyPlaces)],
  [
    LinkType.TRACING_MULTI,
    {
      program: ProgramType.TRACING,
      load: { expectedAttachType: AttachType.TRACE_FENTRY_MULTI, attachBtfId: undefined },
      attachType: AttachType.TRACE_FENTRY_MULTI,
      fields: { 'tracing_multi.ids': noAddress, 'tracing_multi.cnt': 1 },
      answer: 'EFAULT',
    },
  ],
  [LinkType.STRUCT_OPS, { mapFlag: MapFlag.LINK, ofMap: MapType.STRUCT_OPS }],
  [
    LinkType.NETFILTER,
    { program: ProgramType.NETFILTER, attachType: AttachType.NETFILTER, fields: {}, answer: 'EAFNOSUPPORT' },
  ],
  [
    LinkType.TCX,
    {
      program: ProgramType.SCHED_CLS,
      attachType: AttachType.TCX_INGRESS,
      fields: { target_ifindex: noInterface },
      answer: 'ENODEV',
    },
  ],
  [
    LinkType.NETKIT,
    {
      program: ProgramType.SCHED_CLS,
      attachType: AttachType.NETKIT_PRIMARY,
      fields: { target_ifindex: noInterface },
      answer: 'ENODEV',
    },
  ],
  [
    LinkType.SOCKMAP,
    {
      program: ProgramType.SK_MSG,
      attachType: AttachType.SK_MSG_VERDICT,
      fields: { target_fd: noDescriptor },
      answer: 'EBADF',
    },
  ],
]);

/** Whether links of a type can be made. */
export async function probeLinkType(type: LinkType, token?: Handle): Promise<Feature> {
  const name = nameOf(LinkType, type);
  const link = links.get(type);
  if (link === undefined) throw UsageError.invalidValue('type', `${name} is no type of link that can be asked for`);
  if ('comesWith' in link) {
    const { supported, reason } = await probeProgramType(link.comesWith, token);
    return { supported, reason: `such links come with the programs: ${reason}` };
  }
  if ('mapFlag' in link) return probeMapType(link.ofMap, { flag: link.mapFlag, token });
  return probeLink(`make a link of type ${name}`, link, token);
}

/** Whether the arguments are refused as by a kernel that knows them. */
export async function probeLink(what: string, link: Refusal, token?: Handle): Promise<Feature> {
  const { attachType, fields } = link;
  const program = await minimalProgram(link.program, { ...link.load, token });
  if ('supported' in program) return program;
  try {
    const errno = await attemptLink({ program, attachType, fields });
    const capabilities = ['CAP_BPF', 'CAP_PERFMON', 'CAP_NET_ADMIN'] as const;
    return readRefusal(errno, { what, syscall: 'bpf(BPF_LINK_CREATE)', capabilities }, [link.answer]);
  } finally {
    program.close();
  }
}
