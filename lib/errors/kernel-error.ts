import { EbpfError } from './ebpf-error.js';
import { systemCallFailure } from './errno-name.js';

/** The kernel refused a call for a reason that has no error of its own here; `errno` tells. */
export class KernelError extends EbpfError {
  declare readonly code: 'ERR_EBPF_KERNEL';
  declare readonly errno: number;
  declare readonly errnoName: string;
  declare readonly syscall: string;

  /** `what` says what was attempted and on what: `create map "events"`. `errno` is negative. */
  constructor(what: string, syscall: string, errno: number, options: { advice?: string; cause?: unknown } = {}) {
    const failure = systemCallFailure(syscall, errno);
    const advice = options.advice === undefined ? '' : `; ${options.advice}`;
    super(`cannot ${what}: ${syscall} failed with ${failure.errnoName}${advice}`, {
      code: 'ERR_EBPF_KERNEL',
      failure,
      ...('cause' in options ? { cause: options.cause } : {}),
    });
  }
}
