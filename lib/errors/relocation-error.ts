import { EbpfError } from './ebpf-error.js';
import { escapeControl } from './quote.js';

/** What could not be relocated, as far as it is known. */
export interface RelocationSite {
  /** The program or function being relocated. */
  readonly program: string;
  /** Index of the instruction in the whole program, as in verifier logs. */
  readonly instruction?: number | undefined;
  /** `execsnoop.bpf.c:41: task->real_parent->tgid`, when the object has line information. */
  readonly line?: string | undefined;
  /** The access or symbol: `task_struct.pid`, `enum bpf_func_id.BPF_FUNC_x`, `my_helper`. */
  readonly access?: string | undefined;
}

/** A symbol, type or field that the object refers to does not fit this kernel or this object. */
export class RelocationError extends EbpfError {
  declare readonly code: 'ERR_EBPF_RELOCATION';
  readonly program: string;
  readonly instruction: number | undefined;
  readonly line: string | undefined;
  readonly access: string | undefined;

  constructor(problem: string, site: RelocationSite, options: { cause?: unknown } = {}) {
    const place = [
      `program ${escapeControl(site.program)}`,
      ...(site.instruction === undefined ? [] : [`instruction ${site.instruction}`]),
    ].join(', ');
    const what = site.access === undefined ? problem : `${site.access}: ${problem}`;
    super(`${place}: ${what}${site.line === undefined ? '' : `\n    at ${site.line}`}`, {
      code: 'ERR_EBPF_RELOCATION',
      ...options,
    });
    this.program = site.program;
    this.instruction = site.instruction;
    this.line = site.line;
    this.access = site.access;
  }
}
