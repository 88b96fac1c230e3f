import { escapeLines } from './quote.js';

/** Every `code` an {@link EbpfError} can carry. Stable: a code is never given another meaning. */
export type EbpfErrorCode =
  | 'ERR_EBPF_INVALID_VALUE'
  | 'ERR_EBPF_NOT_FOUND'
  | 'ERR_EBPF_CLOSED'
  | 'ERR_EBPF_BUSY'
  | 'ERR_EBPF_BATCH_EXPIRED'
  | 'ERR_EBPF_OBJECT_FORMAT'
  | 'ERR_EBPF_RELOCATION'
  | 'ERR_EBPF_VERIFIER'
  | 'ERR_EBPF_UNSUPPORTED'
  | 'ERR_EBPF_PERMISSION'
  | 'ERR_EBPF_KERNEL';

/** What a failed system call adds to an error. */
export interface SystemCallFailure {
  /** The negative errno, as Node reports it: -1 for EPERM. */
  readonly errno: number;
  /** `EPERM`, `ENOTSUPP`, … */
  readonly errnoName: string;
  /** The call, with its command: `bpf(BPF_PROG_LOAD)`. */
  readonly syscall: string;
}

export interface EbpfErrorOptions {
  readonly code: EbpfErrorCode;
  readonly cause?: unknown;
  readonly failure?: SystemCallFailure | undefined;
}

// Registered, so that a copy of this package in another realm or bundle recognises our errors.
const brand = Symbol.for('node-ebpf.EbpfError');

/**
 * The base of every error this library makes. `code` says what happened; the message names the object, section,
 * symbol, instruction or C type at fault and what to do.
 *
 * @example
 * ```js
 * try {
 *   await Ebpf.load('execsnoop.bpf.o');
 * } catch (error) {
 *   if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') process.exitCode = 77;
 *   else throw error;
 * }
 * ```
 */
export class EbpfError extends Error {
  readonly code: EbpfErrorCode;
  /** The negative errno when the kernel refused a call; otherwise undefined. */
  readonly errno: number | undefined;
  readonly errnoName: string | undefined;
  /** The refused call with its command: `bpf(BPF_MAP_CREATE)`. */
  readonly syscall: string | undefined;

  constructor(message: string, options: EbpfErrorOptions) {
    // Whatever a message quotes, a log of the kernel's or another library's words: it may be printed as it is.
    super(escapeLines(message), 'cause' in options ? { cause: options.cause } : undefined);
    this.name = new.target.name;
    this.code = options.code;
    this.errno = options.failure?.errno;
    this.errnoName = options.failure?.errnoName;
    this.syscall = options.failure?.syscall;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for an error of this family, also one that another realm, Worker bundle or copy of the package made. */
  static is(value: unknown): value is EbpfError {
    return typeof value === 'object' && value !== null && (value as Record<symbol, unknown>)[brand] === true;
  }
}
