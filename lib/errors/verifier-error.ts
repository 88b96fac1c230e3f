import { EbpfError, type SystemCallFailure } from './ebpf-error.js';

/** The kernel's verifier refused a program. The message is the short form; `log` has all the verifier wrote. */
export class VerifierError extends EbpfError {
  declare readonly code: 'ERR_EBPF_VERIFIER';
  /** The refused program. */
  readonly program: string;
  /** Everything the verifier wrote, unchanged. */
  readonly log: string;
  /** The reason and the instructions around it, as in the message, without the source line. */
  readonly summary: string;
  /** `execsnoop.bpf.c:41: bpf_probe_read(...)`: the source line at fault, when the object has line information. */
  readonly line: string | undefined;

  constructor(details: {
    program: string;
    log: string;
    summary: string;
    line?: string | undefined;
    failure: SystemCallFailure;
    cause?: unknown;
  }) {
    const place = details.line === undefined ? '' : `\n    at ${details.line}`;
    super(
      `the kernel's verifier refused program ${details.program} (${details.failure.errnoName}): ${details.summary}${place}`,
      {
        code: 'ERR_EBPF_VERIFIER',
        failure: details.failure,
        ...('cause' in details ? { cause: details.cause } : {}),
      },
    );
    this.program = details.program;
    this.log = details.log;
    this.summary = details.summary;
    this.line = details.line;
  }
}
