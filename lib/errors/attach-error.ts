import { EbpfError } from './ebpf-error.js';
import { quote } from './quote.js';

/** What {@link Ebpf.attach} did before a program failed. */
export interface AttachFailure {
  /** The program that could not be attached. */
  readonly program: string;
  /** Those that had been attached, and are detached again. */
  readonly detached: readonly string[];
  /** Those that had been attached and could not be detached, each with the reason. */
  readonly undetached: readonly (readonly [program: string, reason: unknown])[];
}

/**
 * One of several programs could not be attached. `code`, `errno` and `syscall` are those of `cause`, the error of that program's
 * own `attach`.
 */
export class AttachError extends EbpfError {
  /** The program that could not be attached. */
  readonly program: string;
  /** The programs that had been attached by the same call and are detached again, in the object's order. */
  readonly detached: readonly string[];
  declare readonly cause: EbpfError;

  constructor({ program, detached, undetached }: AttachFailure, cause: EbpfError) {
    const { errno, errnoName, syscall } = cause;
    const known = errno !== undefined && errnoName !== undefined && syscall !== undefined;
    const undone = detached.length === 0 ? '' : `\n    detached again: ${detached.map(quote).join(', ')}`;
    const left = undetached.map(([name, reason]) => `\n    ${quote(name)} could not be detached: ${String(reason)}`);
    super(`program ${quote(program)} could not be attached: ${cause.message}${undone}${left.join('')}`, {
      code: cause.code,
      failure: known ? { errno, errnoName, syscall } : undefined,
      cause,
    });
    this.program = program;
    this.detached = detached;
  }
}
