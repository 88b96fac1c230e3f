import { AttachType, ProgramType } from '../abi/index.js';
import { type Btf, BtfKind } from '../btf/index.js';
import { quote, UnsupportedError, UsageError } from '../errors/index.js';
import type { ProgramSpec } from '../object/index.js';

/** What a program names in the kernel's BTF to say where it attaches. */
export interface AttachTarget {
  /** The BTF name: `btf_trace_sched_process_exec`. */
  readonly name: string;
  readonly rule: TargetRule;
}

interface TargetRule {
  /** What the kernel puts before the name that the section gives. */
  readonly prefix: string;
  readonly kind: typeof BtfKind.TYPEDEF | typeof BtfKind.FUNC;
  /** For messages: `kernel function`. */
  readonly noun: string;
}

const TRACEPOINT: TargetRule = { prefix: 'btf_trace_', kind: BtfKind.TYPEDEF, noun: 'BTF tracepoint' };
const FUNCTION: TargetRule = { prefix: '', kind: BtfKind.FUNC, noun: 'function' };
const ITERATOR: TargetRule = { prefix: 'bpf_iter_', kind: BtfKind.FUNC, noun: 'iterator' };
const HOOK: TargetRule = { prefix: 'bpf_lsm_', kind: BtfKind.FUNC, noun: 'security hook' };

/**
 * What a program attaches to by BTF; undefined when it attaches by other means.
 *
 * @throws {UsageError} when it says no name.
 * @throws {UnsupportedError} for targets outside the kernel proper.
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
  if (attachTo.includes(':')) {
    throw new UnsupportedError(
      'functions of kernel modules',
      `program ${quote(program.name)} attaches to ${quote(attachTo)}, and modules' BTF is not read yet`,
    );
  }
  return { name: rule.prefix + attachTo, rule };
}

/**
 * The BTF id of what a program attaches to; 0 when it attaches by other means.
 *
 * @throws {UsageError} with the nearest names when the kernel has no such thing.
 */
export function attachBtfIdOf(program: ProgramSpec, kernel: Btf | undefined): number {
  const target = attachTarget(program);
  if (target === undefined || kernel === undefined) return 0;
  const id = kernel.find(target.name, target.rule.kind);
  if (id !== undefined) return id;
  const { prefix, kind, noun } = target.rule;
  throw UsageError.notFound(
    `${noun} of this kernel, for program ${quote(program.name)},`,
    target.name.slice(prefix.length),
    namesOf(kernel, prefix, kind),
  );
}

function ruleOf(program: ProgramSpec): TargetRule | undefined {
  switch (program.type) {
    case ProgramType.TRACING:
      return tracingRule(program);
    case ProgramType.LSM:
      return HOOK;
    case ProgramType.EXT:
      throw new UnsupportedError(
        'freplace programs',
        `program ${quote(program.name)} replaces a function of another program, which cannot be loaded yet`,
      );
    case ProgramType.STRUCT_OPS:
      throw new UnsupportedError(
        'struct_ops',
        `program ${quote(program.name)} implements a kernel structure's operation, which cannot be loaded yet`,
      );
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
    case AttachType.MODIFY_RETURN:
      return FUNCTION;
    default:
      // The number of BPF_TRACE_FSESSION is newer than lib/abi; `fsession.multi` finds its functions when attached.
      return program.kind === 'fsession' ? FUNCTION : undefined;
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
