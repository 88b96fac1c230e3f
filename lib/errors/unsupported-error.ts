import { EbpfError, type SystemCallFailure } from './ebpf-error.js';

/** This platform or kernel cannot do it. */
export class UnsupportedError extends EbpfError {
  declare readonly code: 'ERR_EBPF_UNSUPPORTED';
  /** What is missing: `ring buffer maps`, `Linux`. */
  readonly feature: string;
  /** The first kernel that has it, such as `5.8`, when a newer kernel would help. */
  readonly since: string | undefined;

  constructor(
    feature: string,
    explanation: string,
    options: { since?: string; cause?: unknown; failure?: SystemCallFailure | undefined } = {},
  ) {
    super(`${feature}: ${explanation}`, { code: 'ERR_EBPF_UNSUPPORTED', ...options });
    this.feature = feature;
    this.since = options.since;
  }
}
