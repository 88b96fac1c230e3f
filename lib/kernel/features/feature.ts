import { KernelError, errnoName, type EbpfError } from '../../errors/index.js';
import type { Handle } from '../../sys/index.js';
import { explainPermission, type Capability } from '../explain-permission.js';
import type { DelegationNeeds } from '../token-delegation.js';

/** What {@link features} answers. */
export interface Feature {
  readonly supported: boolean;
  /** What the kernel said or did when it was asked, for people. */
  readonly reason: string;
}

export function yes(reason: string): Feature {
  return { supported: true, reason };
}

export function no(reason: string): Feature {
  return { supported: false, reason };
}

/** The name of a number of the kernel's: the newest of several. */
export function nameOf(values: Readonly<Record<string, number>>, value: number): string {
  return Object.entries(values).findLast(([, known]) => known === value)?.[0] ?? `number ${value}`;
}

/** How a refusal is to be read. */
export interface Question {
  /** What was attempted: `load a program of type LSM`. */
  readonly what: string;
  /** `bpf(BPF_PROG_LOAD)` */
  readonly syscall: string;
  readonly capabilities: readonly Capability[];
  /** What a BPF token has to allow, for calls that take one. */
  readonly delegation?: DelegationNeeds | undefined;
  /** The token that is asked with. */
  readonly token?: Handle | undefined;
}

/** What a kernel answers that does not know the command, the type, or the member of the attributes. Node calls EOPNOTSUPP ENOTSUP. */
const refusals: ReadonlySet<string> = new Set(['EINVAL', 'E2BIG', 'ENOTSUP', 'ENOTSUPP']);

/**
 * Reads a refusal: `known` are the errors that only a kernel gives which has the feature. Errors that say nothing about
 * the kernel are thrown, so that they are not taken for an answer.
 *
 * @throws {PermissionError} for EPERM; {@link KernelError} for what says neither yes nor no, such as ENOMEM.
 */
export function readRefusal(errno: number, question: Question, known: readonly string[] = []): Feature {
  const name = errnoName(errno);
  if (known.includes(name)) return yes(`${question.syscall} got as far as ${name}, which only kernels with it answer`);
  if (refusals.has(name)) return no(`cannot ${question.what}: ${question.syscall} failed with ${name}`);
  throw undecided(errno, question);
}

/** The error of a call that failed for a reason which says nothing about the feature. */
export function undecided(errno: number, question: Question): EbpfError {
  const error = new KernelError(question.what, question.syscall, errno);
  return error.errnoName === 'EPERM' ? explainPermission(error, question) : error;
}
