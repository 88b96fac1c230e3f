import { AttachType, ProgramType } from '../abi/index.js';
import { EbpfError, errnoName } from '../errors/index.js';
import { listObjects } from '../kernel/index.js';
import { sectionTable } from '../object/index.js';
import { attemptLinkNow, type Handle, type LinkField } from '../sys/index.js';

/** A link that the kernel refuses with `answer` when the program is for that attach type, and otherwise before it gets there. */
interface Attempt {
  readonly fields: Readonly<Partial<Record<LinkField, number>>>;
  readonly answer: string;
  /** Where it is not the one in question that is tried. */
  readonly attachType?: AttachType;
}

/** No process has memory there (vm.mmap_min_addr), so reading it fails. */
const noAddress = 1;

const noCgroup: Attempt = { fields: { target_fd: -1 }, answer: 'EBADF' };
const noFunctions: Attempt = { fields: { 'kprobe_multi.addrs': noAddress, 'kprobe_multi.cnt': 1 }, answer: 'EFAULT' };
const noPlaces: Attempt = {
  fields: { 'uprobe_multi.path': noAddress, 'uprobe_multi.offsets': noAddress, 'uprobe_multi.cnt': 1 },
  answer: 'EFAULT',
};

const ofProbes = new Map<AttachType, Attempt>([
  [AttachType.TRACE_KPROBE_MULTI, noFunctions],
  [AttachType.TRACE_KPROBE_SESSION, noFunctions],
  [AttachType.TRACE_UPROBE_MULTI, noPlaces],
  [AttachType.TRACE_UPROBE_SESSION, noPlaces],
  // Those that are attached to a perf event. Least kernel: 5.15.
  [AttachType.PERF_EVENT, noCgroup],
]);

/** Types of programs whose attach type the kernel looks at before anything else (`link_create` of kernel/bpf/syscall.c). */
function attemptsOf(type: ProgramType): ReadonlyMap<AttachType, Attempt> {
  switch (type) {
    case ProgramType.KPROBE:
      return ofProbes;
    case ProgramType.LSM:
      // What is refused as a program of a cgroup is none.
      return new Map([
        [AttachType.LSM_CGROUP, noCgroup],
        [AttachType.LSM_MAC, { ...noCgroup, attachType: AttachType.LSM_CGROUP, answer: 'EINVAL' }],
      ]);
    case ProgramType.CGROUP_SOCK:
    case ProgramType.CGROUP_SOCK_ADDR:
    case ProgramType.CGROUP_SOCKOPT:
      return new Map(sectionTable.filter((rule) => rule.type === type).map((rule) => [rule.attachType, noCgroup]));
    default:
      return new Map();
  }
}

/**
 * What a program was loaded to be attached to, which the kernel does not tell, but checks: links are tried that cannot be made.
 * Undefined where that says nothing.
 */
export function askAttachType(program: Handle, type: ProgramType): AttachType | undefined {
  for (const [attachType, { fields, answer, attachType: tried = attachType }] of attemptsOf(type)) {
    if (errnoName(attemptLinkNow({ program, attachType: tried, fields })) !== answer) continue;
    // Sections of such programs name none.
    return attachType === AttachType.PERF_EVENT ? 0 : attachType;
  }
  return undefined;
}

/** What a program is attached as by a link, whoever has it; undefined where there is none, and where this process may not ask. */
export function linkedAs(programId: number): AttachType | undefined {
  try {
    const links = listObjects('link');
    return links.flatMap((link) =>
      link.kind === 'tracing' && link.programId === programId ? [link.attachType as AttachType] : [],
    )[0];
  } catch (error) {
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') return undefined;
    throw error;
  }
}
