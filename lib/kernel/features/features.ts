import { access } from 'node:fs/promises';
import { inspect } from 'node:util';

import { HelperId, LinkType, MapFlag, MapType, ProgramType } from '../../abi/index.js';
import type { BtfKind } from '../../btf/index.js';
import { EbpfError, UsageError } from '../../errors/index.js';
import { bindMap, type Handle } from '../../sys/index.js';
import { allowLockedMemory } from '../locked-memory.js';
import { activeBpfModule } from '../security-modules.js';

import { probeBtfKind } from './btf-probe.js';
import { no, readRefusal, yes, type Feature } from './feature.js';
import { kprobeSession, probeLink, probeLinkType, uprobeMultiOfThread, uprobeSession } from './link-probe.js';
import { minimalMap, probeBatchOperations, probeMapType } from './map-probe.js';
import { minimalProgram, probeHelper, probeProgramType } from './program-probe.js';

/**
 * What the running kernel can do. Each question is put to the kernel itself, when it is first asked: a version number
 * says little, since distributions bring features to older kernels and leave others out. A conclusive answer is
 * remembered for the life of the process.
 *
 * All reject with {@link PermissionError} when this process may not ask, and with {@link KernelError} when the kernel's
 * answer says neither yes nor no (out of memory or descriptors): a refusal is never taken for "no".
 *
 * @example
 * ```js
 * const { supported, reason } = await features.programType(ProgramType.LSM);
 * if (!supported) console.error(reason);
 * const ring = (await features.mapType(MapType.USER_RINGBUF)).supported;
 * ```
 */
export interface Features {
  /** Whether programs of a type can be loaded. */
  programType(type: ProgramType): Promise<Feature>;
  /** Whether maps of a type can be created. */
  mapType(type: MapType): Promise<Feature>;
  /** Whether programs can be attached by links of a type. */
  linkType(type: LinkType): Promise<Feature>;
  /** Whether programs of a type may call a helper: `features.helper(ProgramType.XDP, HelperId.xdp_adjust_tail)`. */
  helper(type: ProgramType, helper: HelperId): Promise<Feature>;
  /** Whether the kernel takes BTF with types of a kind. `Ebpf.load` rewrites those that it does not take. */
  btfKind(kind: BtfKind): Promise<Feature>;
  /** Whether maps of a type have the commands that read, write and delete many entries at once. */
  batchOperations(type: MapType): Promise<Feature>;
  /** BTF of the kernel itself, in `/sys/kernel/btf/vmlinux`. CO-RE and programs that attach by BTF need it. */
  kernelBtf(): Promise<Feature>;
  /** The memory of maps and programs is counted by the cgroup, not by RLIMIT_MEMLOCK. Mainline: 5.11. */
  memoryCgroupAccounting(): Promise<Feature>;
  /** A program can be made to hold a map that its code does not mention. Mainline: 5.10. */
  bindMap(): Promise<Feature>;
  /** Ring buffers can overwrite what was not read: `MapFlag.RB_OVERWRITE`. Mainline: 6.19. */
  ringOverwrite(): Promise<Feature>;
  /** Kernel functions can be probed through perf: `kprobe` and `kretprobe` programs. */
  kprobes(): Promise<Feature>;
  /** Functions of programs and libraries can be probed through perf: `uprobe` and `uretprobe` programs. */
  uprobes(): Promise<Feature>;
  /** Links of perf events: tracepoints and probes that can be pinned and listed. Mainline: 5.15. */
  perfLink(): Promise<Feature>;
  /** A number given when attaching, which the program reads with `bpf_get_attach_cookie`. Mainline: 5.15. */
  bpfCookie(): Promise<Feature>;
  /** One link to many kernel functions. Mainline: 5.18, with CONFIG_FPROBE. */
  kprobeMulti(): Promise<Feature>;
  /** One program at entry and return of many kernel functions. Mainline: 6.10, with CONFIG_FPROBE. */
  kprobeSession(): Promise<Feature>;
  /** One link to many places of a program or library. Mainline: 6.6. */
  uprobeMulti(): Promise<Feature>;
  /** One program at entry and return of many functions of a program or library. Mainline: 6.13. */
  uprobeSession(): Promise<Feature>;
  /**
   * LSM programs are called: `bpf` is among the active security modules. Loading and attaching them works without. Where securityfs
   * is not mounted the kernel's boot parameters and configuration tell; where these cannot be read either the answer is no, the
   * reason says what to mount, and it is asked again the next time.
   */
  bpfLsm(): Promise<Feature>;
}

type NamedFeature = {
  [Name in keyof Features]: Features[Name] extends () => Promise<Feature> ? Name : never;
}[keyof Features];

/** Gives the BPF token to ask with, if there is one. */
type TokenSource = () => Handle | undefined;

/** The features without an argument. Adding one is an entry here and a sentence above. */
const probes: Readonly<Record<NamedFeature, (token: Handle | undefined) => Promise<Feature>>> = {
  kernelBtf: async () => fileExists('/sys/kernel/btf/vmlinux', 'the kernel was built without CONFIG_DEBUG_INFO_BTF'),
  // Both came with Linux 5.11; no attribute of any call tells about the accounting itself.
  memoryCgroupAccounting: async (token) => probeHelper(ProgramType.SOCKET_FILTER, HelperId.ktime_get_coarse_ns, token),
  bindMap: probeBindMap,
  ringOverwrite: async (token) => probeMapType(MapType.RINGBUF, { flag: MapFlag.RB_OVERWRITE, token }),
  kprobes: async () => perfDevice('kprobe', 'CONFIG_KPROBE_EVENTS'),
  uprobes: async () => perfDevice('uprobe', 'CONFIG_UPROBE_EVENTS'),
  perfLink: async (token) => probeLinkType(LinkType.PERF_EVENT, token),
  bpfCookie: async (token) => probeHelper(ProgramType.TRACEPOINT, HelperId.get_attach_cookie, token),
  kprobeMulti: async (token) => probeLinkType(LinkType.KPROBE_MULTI, token),
  kprobeSession: async (token) => probeLink('make a kprobe session link', kprobeSession, token),
  uprobeMulti: async (token) => probeLinkType(LinkType.UPROBE_MULTI, token),
  uprobeSession: async (token) => probeLink('make a uprobe session link', uprobeSession, token),
  bpfLsm: activeBpfModule,
};

/** Asks once; a probe that could not find out is asked again. */
type Remember = (key: string, probe: (token: Handle | undefined) => Promise<Feature>) => Promise<Feature>;

function remembering(token: TokenSource): Remember {
  const answers = new Map<string, Promise<Feature>>();
  return async (key, probe) => {
    let answer = answers.get(key);
    if (answer === undefined) {
      answer = allowLockedMemory().then(async () => probe(token()));
      answers.set(key, answer);
      answer.catch(() => {
        answers.delete(key);
      });
    }
    return answer;
  };
}

const remembered = remembering(() => undefined);

function asking(remember: Remember): Features {
  const named = Object.fromEntries(
    Object.entries(probes).map(([name, probe]) => [name, async (): Promise<Feature> => remember(name, probe)]),
  ) as Record<NamedFeature, () => Promise<Feature>>;
  return Object.freeze({
    ...named,
    // Nobody can rely on what nobody can tell.
    bpfLsm: async () => named.bpfLsm().catch(noIfUnknown),
    programType: async (type) =>
      remember(`program type ${asNumber('type', type)}`, async (token) => probeProgramType(type, token)),
    mapType: async (type) =>
      remember(`map type ${asNumber('type', type)}`, async (token) => probeMapType(type, { token })),
    linkType: async (type) =>
      remember(`link type ${asNumber('type', type)}`, async (token) => probeLinkType(type, token)),
    helper: async (type, helper) =>
      remember(`helper ${asNumber('type', type)} ${asNumber('helper', helper)}`, async (token) =>
        probeHelper(type, helper, token),
      ),
    btfKind: async (kind) => remember(`BTF kind ${asNumber('kind', kind)}`, async (token) => probeBtfKind(kind, token)),
    batchOperations: async (type) =>
      remember(`batch ${asNumber('type', type)}`, async (token) => probeBatchOperations(type, token)),
  } satisfies Features);
}

/** Also JavaScript asks: a name in the place of its number would be answered "no". */
function asNumber(path: string, value: unknown): number {
  if (Number.isInteger(value)) return Number(value);
  throw UsageError.invalidValue(
    path,
    `must be a number, as ProgramType, MapType and HelperId have, not ${inspect(value)}`,
  );
}

function noIfUnknown(error: unknown): Feature {
  if (EbpfError.is(error) && error.code === 'ERR_EBPF_UNSUPPORTED') return no(error.message);
  throw error;
}

/** What the running kernel can do: see {@link Features}. */
export const features: Features = asking(remembered);

/** {@link features}, asked by the right of a BPF token. */
export function featuresWith(token: TokenSource): Features {
  return asking(remembering(token));
}

/** Whether links to many places of a program or library can be kept to one process. Mainline: 6.10. */
export async function uprobeMultiOfProcess(token?: Handle): Promise<Feature> {
  const { supported, reason } = await (token === undefined ? features : featuresWith(() => token)).uprobeMulti();
  if (!supported) return { supported, reason };
  const probe = async (): Promise<Feature> =>
    probeLink('limit a link of type UPROBE_MULTI to a process', uprobeMultiOfThread, token);
  const ofThread = await (token === undefined ? remembered('uprobe.multi of a thread', probe) : probe());
  return ofThread.supported
    ? no('this kernel takes the process of a link of type UPROBE_MULTI for a thread')
    : yes('the kernel refused a negative number of a process');
}

async function fileExists(path: string, otherwise: string): Promise<Feature> {
  return access(path).then(
    () => yes(`${path} exists`),
    () => no(`there is no ${path}: ${otherwise}, or sysfs is not mounted`),
  );
}

async function perfDevice(name: string, option: string): Promise<Feature> {
  return fileExists(`/sys/bus/event_source/devices/${name}/type`, `the kernel was built without ${option}`);
}

async function probeBindMap(token: Handle | undefined): Promise<Feature> {
  const program = await minimalProgram(ProgramType.SOCKET_FILTER, { token });
  if ('supported' in program) return program;
  try {
    const map = await minimalMap(MapType.ARRAY, { token });
    if ('supported' in map) return map;
    const result = await bindMap(program, map);
    map.close();
    if (result === 0) return yes('a map was bound to a program');
    const question = { what: 'bind a map to a program', syscall: 'bpf(BPF_PROG_BIND_MAP)' };
    return readRefusal(result, { ...question, capabilities: ['CAP_BPF'] });
  } finally {
    program.close();
  }
}

/**
 * What a probe answers to a process that may not ask: yes. Who was let load a program by a BPF token has a kernel that is new enough,
 * and of others the call itself tells what is in the way.
 */
export async function supposed(answer: Promise<Feature>): Promise<Feature> {
  return answer.catch((error: unknown) => {
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') return yes('this process may not ask');
    throw error;
  });
}
