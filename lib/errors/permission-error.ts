import { EbpfError, type SystemCallFailure } from './ebpf-error.js';

/** The kernel, its configuration or the process's own rights forbid the call. */
export class PermissionError extends EbpfError {
  declare readonly code: 'ERR_EBPF_PERMISSION';
  /**
   * What stands in the way, most likely first: `missing CAP_BPF`, `kernel lockdown is "confidentiality"`, … Empty
   * when nothing was found to be in the way; then the message lists what was ruled out.
   */
  readonly obstacles: readonly string[];

  constructor(
    message: string,
    obstacles: readonly string[],
    options: { failure?: SystemCallFailure; cause?: unknown },
  ) {
    super(message, { code: 'ERR_EBPF_PERMISSION', ...options });
    this.obstacles = obstacles;
  }
}
