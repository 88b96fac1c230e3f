import { AttachType, ProgramType } from '../abi/index.js';
import type { EbpfError } from '../errors/index.js';
import {
  KernelError,
  UnsupportedError,
  VerifierError,
  escapeControl,
  escapeLines,
  quote,
  systemCallFailure,
} from '../errors/index.js';
import {
  capabilitiesFor,
  explainPermission,
  kernelFunctionNames,
  kernelKnows,
  programTypeName,
  readsKernel,
  toLoadProgram,
} from '../kernel/index.js';
import type { Poison, ProgramPlan } from '../relocate/index.js';
import type { Handle } from '../sys/index.js';

import { deviceFailure } from './device-failure.js';
import { hasLirc, withoutLirc } from './lirc-mode2.js';
import type { LoadDevice } from './program-device.js';
import { summarizeLog } from './verifier-log.js';

const call = 'bpf(BPF_PROG_LOAD)';

/**
 * What relocation leaves where a type, map or function is not there, by libbpf's numbers; the verifier names it when it
 * gets there.
 */
const poisonMark = /invalid func unknown#(?:195896080|200[12]\d{6})\b/;

/** Where programs attach through code that the kernel makes for the function. */
const atFunctions: ReadonlySet<AttachType> = new Set([
  AttachType.TRACE_FENTRY,
  AttachType.TRACE_FEXIT,
  AttachType.MODIFY_RETURN,
  AttachType.LSM_MAC,
]);

/** The whole log where the verifier was stopped before it began. */
const nothingLookedAt = /^processed 0 insns/u;

/** What the kernel answered. */
export interface Refusal {
  readonly errno: number;
  readonly log: string;
  readonly logTruncated: boolean;
}

/** How a program was to be loaded. */
export interface LoadCircumstances {
  /** A BPF token. */
  readonly token?: Handle | undefined;
  /** The network interface that it was for. */
  readonly device?: LoadDevice | undefined;
}

/** Says why the kernel refused a program. */
export async function loadFailure(
  plan: ProgramPlan,
  refusal: Refusal,
  { token, device }: LoadCircumstances = {},
): Promise<EbpfError> {
  const { errno, log } = refusal;
  const { spec } = plan;
  const what = `load program ${quote(spec.name)}`;
  const error = new KernelError(what, call, errno, { advice: 'the verifier gave no reason' });
  if (log.trim() !== '' && (device === undefined || !nothingLookedAt.test(log))) {
    return (await withoutJit(plan, refusal)) ?? verifierError(plan, refusal);
  }
  if (error.errnoName === 'EPERM' || error.errnoName === 'EACCES') {
    return explainPermission(error, {
      what,
      capabilities: capabilitiesFor([spec.type]),
      readsKernel: readsKernel(spec.type),
      delegation: toLoadProgram(spec.type, plan.attachType),
      token,
    });
  }
  if (device !== undefined) return deviceFailure(spec.name, device, error);
  if (error.errnoName === 'E2BIG') {
    const advice = `it has ${plan.code.length / 8} instructions; the kernel takes 1,000,000 (4,096 without CAP_BPF)`;
    return new KernelError(what, call, errno, { advice });
  }
  if (spec.type === ProgramType.LIRC_MODE2 && error.errnoName === 'EINVAL' && !(await hasLirc())) {
    return withoutLirc(error);
  }
  const typeName = programTypeName(spec.type);
  if (error.errnoName === 'EINVAL' && (await kernelKnows('bpf_prog_type', `BPF_PROG_TYPE_${typeName}`)) === false) {
    return new UnsupportedError(
      `programs of type ${typeName}`,
      `this kernel has no such program type; program ${quote(spec.name)} needs a newer one`,
      { cause: error },
    );
  }
  return error;
}

/**
 * ENOMEM before any instruction was looked at: there is no memory for code at functions because the kernel makes none.
 * Undefined when that is not the reason.
 */
async function withoutJit({ spec }: ProgramPlan, { errno, log }: Refusal): Promise<EbpfError | undefined> {
  const what = `load program ${quote(spec.name)}`;
  const cause = new KernelError(what, call, errno);
  if (!atFunctions.has(spec.attachType) || cause.errnoName !== 'ENOMEM' || !nothingLookedAt.test(log)) {
    return undefined;
  }
  const functions = await kernelFunctionNames();
  // Of kernel/bpf/core.c, where CONFIG_BPF_JIT is set.
  if (functions.length === 0 || functions.includes('bpf_jit_alloc_exec')) return undefined;
  return new UnsupportedError(
    'attaching to kernel functions by BTF',
    `this kernel compiles no programs on ${process.arch} (CONFIG_BPF_JIT), so program ${quote(spec.name)} cannot be ` +
      `called from ${quote(spec.attachTo ?? '')}; a kprobe may do`,
    { cause },
  );
}

function verifierError(plan: ProgramPlan, { errno, log, logTruncated }: Refusal): VerifierError {
  const found = summarizeLog(log);
  const poison = poisonMark.test(log)
    ? plan.poisons.find(({ instruction }) => instruction === found.instruction)
    : undefined;
  const line = (found.instruction === undefined ? undefined : plan.sourceLine(found.instruction)) ?? found.line;
  const reason = poison === undefined ? found.summary + explainDevice(plan, log) : explainPoison(poison);
  return new VerifierError({
    program: escapeControl(plan.spec.name),
    log,
    summary: escapeLines(logTruncated ? `${reason}\n    (the log was longer than is kept)` : reason),
    line: line === undefined ? undefined : escapeControl(line),
    failure: systemCallFailure(call, errno),
  });
}

/** What a driver knows of a packet only programs ask that are loaded for its interface. */
function explainDevice({ spec }: ProgramPlan, log: string): string {
  if (!log.includes('require device-bound program')) return '';
  return `; load it for one: { programs: { ${quote(spec.name)}: { device: { interface: 'eth0', mode: 'bound' } } } }`;
}

function explainPoison({ kind, access, reason }: Poison): string {
  switch (kind) {
    case 'core':
      return (
        `it can reach an access that this kernel has no place for, ${access}: ${reason}; ` +
        'guard it with bpf_core_field_exists(), bpf_core_type_exists() or bpf_core_enum_value_exists()'
      );
    case 'map':
      return `it can reach a use of ${access}, which was not created: ${reason}`;
    case 'function':
      return (
        `it can reach a call of kernel function ${access}, which cannot be made: ${reason}; ` +
        'guard it with bpf_ksym_exists(), as in if (bpf_ksym_exists(f)) f()'
      );
  }
}
