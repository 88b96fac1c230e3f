import type { EbpfError } from '../errors/index.js';
import {
  KernelError,
  UnsupportedError,
  VerifierError,
  escapeControl,
  quote,
  systemCallFailure,
} from '../errors/index.js';
import { capabilitiesFor, explainPermission, kernelKnows, readsKernel } from '../kernel/index.js';
import type { Poison, ProgramPlan } from '../relocate/index.js';

import { programTypeName } from './program-type-name.js';
import { summarizeLog } from './verifier-log.js';

const call = 'bpf(BPF_PROG_LOAD)';

/**
 * What relocation leaves where a type, map or function is not there, by libbpf's numbers; the verifier names it when it
 * gets there.
 */
const poisonMark = /invalid func unknown#(?:195896080|200[12]\d{6})\b/;

/** What the kernel answered. */
export interface Refusal {
  readonly errno: number;
  readonly log: string;
  readonly logTruncated: boolean;
}

/** Says why the kernel refused a program. */
export async function loadFailure(plan: ProgramPlan, refusal: Refusal): Promise<EbpfError> {
  const { errno, log } = refusal;
  if (log.trim() !== '') return verifierError(plan, refusal);
  const { spec } = plan;
  const what = `load program ${quote(spec.name)}`;
  const error = new KernelError(what, call, errno, { advice: 'the verifier gave no reason' });
  if (error.errnoName === 'EPERM' || error.errnoName === 'EACCES') {
    return explainPermission(error, {
      what,
      capabilities: capabilitiesFor([spec.type]),
      readsKernel: readsKernel(spec.type),
    });
  }
  if (error.errnoName === 'E2BIG') {
    const advice = `it has ${plan.code.length / 8} instructions; the kernel takes 1,000,000 (4,096 without CAP_BPF)`;
    return new KernelError(what, call, errno, { advice });
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

function verifierError(plan: ProgramPlan, { errno, log, logTruncated }: Refusal): VerifierError {
  const found = summarizeLog(log);
  const poison = poisonMark.test(log)
    ? plan.poisons.find(({ instruction }) => instruction === found.instruction)
    : undefined;
  const line = (found.instruction === undefined ? undefined : plan.sourceLine(found.instruction)) ?? found.line;
  const reason = poison === undefined ? found.summary : explainPoison(poison);
  return new VerifierError({
    program: escapeControl(plan.spec.name),
    log,
    summary: escapeLines(logTruncated ? `${reason}\n    (the log was longer than is kept)` : reason),
    line: line === undefined ? undefined : escapeControl(line),
    failure: systemCallFailure(call, errno),
  });
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

function escapeLines(text: string): string {
  return text.split('\n').map(escapeControl).join('\n');
}
