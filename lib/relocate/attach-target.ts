import { AttachType, ProgramType } from '../abi/index.js';
import { type Btf, BtfKind } from '../btf/index.js';
import { escapeControl, quote, UnsupportedError, UsageError } from '../errors/index.js';
import type { ProgramSpec } from '../object/index.js';
import type { KernelFacts } from './load-plan.js';
import { attachTypeOf } from './program-type.js';
import type { StructOpsPlans } from './struct-ops.js';

/** What a program names in the kernel's BTF to say where it attaches. */
export interface AttachTarget {
  /** The BTF name: `btf_trace_sched_process_exec`. */
  readonly name: string;
  /** Whose type it is: a module, or `vmlinux` for the kernel proper. Undefined for whoever has it, the kernel first. */
  readonly module: string | undefined;
  readonly rule: TargetRule;
}

/** A type of the kernel or of a module. */
export interface TargetType {
  readonly id: number;
  /** Undefined for the kernel proper. */
  readonly module: string | undefined;
}

/** The kernel proper among modules. */
export const KERNEL = 'vmlinux';

interface TargetRule {
  /** What the kernel puts before the name that the section gives. */
  readonly prefix: string;
  readonly kind: typeof BtfKind.TYPEDEF | typeof BtfKind.FUNC;
  /** For messages: `kernel function`. */
  readonly noun: string;
}

const TRACEPOINT: TargetRule = { prefix: 'btf_trace_', kind: BtfKind.TYPEDEF, noun: 'BTF tracepoint' };
const FUNCTION: TargetRule = { prefix: '', kind: BtfKind.FUNC, noun: 'function' };
const OF_PROGRAM: TargetRule = { prefix: '', kind: BtfKind.FUNC, noun: 'function of another program' };
const ITERATOR: TargetRule = { prefix: 'bpf_iter_', kind: BtfKind.FUNC, noun: 'iterator' };
const HOOK: TargetRule = { prefix: 'bpf_lsm_', kind: BtfKind.FUNC, noun: 'security hook' };

/** Whether that is a function of another program, not of the kernel. */
export function isOfProgram({ rule }: AttachTarget): boolean {
  return rule === OF_PROGRAM;
}

/**
 * What a program attaches to by BTF; undefined when it attaches by other means.
 *
 * @throws {UsageError} when it says no name.
 */
export function attachTarget(program: ProgramSpec): AttachTarget | undefined {
  const rule = ruleOf(program);
  if (rule === undefined) return undefined;
  const { attachTo } = program;
  if (attachTo === undefined || attachTo === '') {
    throw new UsageError(
      `program ${quote(program.name)}: section ${quote(program.section)} names no ${rule.noun} to attach to; ` +
        `write SEC("${program.kind === '' ? 'kind' : program.kind}/<name>") or set the program's attachTo`,
      { code: 'ERR_EBPF_INVALID_VALUE', path: `programs.${program.name}.attachTo` },
    );
  }
  const colon = rule === OF_PROGRAM ? -1 : attachTo.indexOf(':');
  if (colon < 0) return { name: rule.prefix + attachTo, module: undefined, rule };
  return { name: rule.prefix + attachTo.slice(colon + 1), module: attachTo.slice(0, colon), rule };
}

/** What a load says about where a program will be attached. */
export interface Attachment {
  /** The type of the kernel or a module; undefined when attaching is by other means. */
  readonly target: TargetType | undefined;
  /** `expected_attach_type`. */
  readonly attachType: number;
}

/**
 * What the load of a program says about where it will be attached.
 *
 * @throws {UsageError} for a struct_ops program that implements nothing, and with the nearest names when neither the kernel
 * nor a module has what another program attaches to.
 */
export function attachmentOf(program: ProgramSpec, facts: KernelFacts, structOps: StructOpsPlans): Attachment {
  if (program.type !== ProgramType.STRUCT_OPS) {
    return { target: targetTypeOf(program, facts), attachType: attachTypeOf(program, facts) };
  }
  const place = structOps.programs.get(program.name);
  if (place !== undefined) return { target: place.structure, attachType: place.memberIndex };
  throw new UsageError(
    `program ${quote(program.name)}: no structure of a section ".struct_ops" or ".struct_ops.link" has it as a member; ` +
      'put it into one, or set autoload = false to leave the program out',
    { code: 'ERR_EBPF_INVALID_VALUE', path: `programs.${program.name}` },
  );
}

/**
 * The BTF type that a program attaches to; undefined when it attaches by other means.
 *
 * @throws {UsageError} with the nearest names when neither the kernel nor a module has such a thing.
 * @throws {UnsupportedError} when the kernel has no security hooks for programs at all.
 */
function targetTypeOf(program: ProgramSpec, facts: KernelFacts): TargetType | undefined {
  const target = attachTarget(program);
  const { btf: kernel, modules = [] } = facts;
  if (target?.rule === OF_PROGRAM) return { id: functionOfProgram(program, target.name, facts), module: undefined };
  if (target === undefined || kernel === undefined) return undefined;
  const { name, module: wanted, rule } = target;
  const own = wanted === undefined || wanted === KERNEL ? kernel.find(name, rule.kind) : undefined;
  if (own !== undefined) return { id: own, module: undefined };
  const searched = modules.filter((module) => wanted === undefined || module.name === wanted);
  for (const module of searched) {
    const id = module.findAll(name, rule.kind).find((one) => one >= module.startId);
    if (id !== undefined) return { id, module: module.name };
  }
  throw notFound(program, target, kernel, searched);
}

function functionOfProgram(program: ProgramSpec, name: string, { targets }: KernelFacts): number {
  const types = targets?.get(program.name);
  if (types === undefined) {
    throw UsageError.invalidValue(
      `programs.${program.name}.target`,
      `program ${quote(program.name)} attaches to function ${quote(name)} of another program, which is to be given: ` +
        `Ebpf.load(…, { programs: { ${program.name}: { target } } })`,
    );
  }
  const id = types.find(name, BtfKind.FUNC);
  if (id !== undefined) return id;
  throw UsageError.notFound(`function of ${types.name}`, name, namesOf(types, '', BtfKind.FUNC));
}

function notFound(
  program: ProgramSpec,
  target: AttachTarget,
  kernel: Btf,
  searched: readonly Btf[],
): UsageError | UnsupportedError {
  const { name, module, rule } = target;
  const { prefix, kind, noun } = rule;
  const forProgram = `, for program ${quote(program.name)},`;
  if (module === undefined || module === KERNEL) {
    const names = namesOf(kernel, prefix, kind);
    if (rule === HOOK && names.length === 0) {
      const hook = quote(name.slice(prefix.length));
      return new UnsupportedError(
        'LSM programs',
        `this kernel was built without CONFIG_BPF_LSM, so program ${quote(program.name)} cannot attach to ${hook}`,
      );
    }
    return UsageError.notFound(`${noun} of this kernel${forProgram}`, name.slice(prefix.length), names);
  }
  const [found] = searched;
  if (found === undefined) {
    return new UsageError(
      `program ${quote(program.name)} attaches to ${quote(program.attachTo ?? '')}, and no module ${quote(module)} is loaded ` +
        `that has BTF (/sys/kernel/btf/${escapeControl(module)}); load it (modprobe) first`,
      { code: 'ERR_EBPF_NOT_FOUND' },
    );
  }
  const names = namesOf(found, prefix, kind);
  return UsageError.notFound(`${noun} of module ${quote(module)}${forProgram}`, name.slice(prefix.length), names);
}

function ruleOf(program: ProgramSpec): TargetRule | undefined {
  if (program.ofProgram || program.type === ProgramType.EXT) return OF_PROGRAM;
  switch (program.type) {
    case ProgramType.TRACING:
      return tracingRule(program);
    case ProgramType.LSM:
      return HOOK;
    default:
      return undefined;
  }
}

function tracingRule(program: ProgramSpec): TargetRule | undefined {
  switch (program.attachType) {
    case AttachType.TRACE_RAW_TP:
      return TRACEPOINT;
    case AttachType.TRACE_ITER:
      return ITERATOR;
    case AttachType.TRACE_FENTRY:
    case AttachType.TRACE_FEXIT:
    case AttachType.TRACE_FSESSION:
    case AttachType.MODIFY_RETURN:
      return FUNCTION;
    default:
      return undefined;
  }
}

/** For an error only: walks the whole BTF. */
function namesOf(btf: Btf, prefix: string, kind: BtfKind): string[] {
  const names: string[] = [];
  for (let id = btf.startId; id < btf.endId; id++) {
    if (btf.kind(id) !== kind) continue;
    const name = btf.nameOf(id);
    if (name.startsWith(prefix)) names.push(name.slice(prefix.length));
  }
  return names;
}
