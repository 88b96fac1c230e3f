import { EbpfError, UsageError, escapeControl, quote } from '../errors/index.js';
import { rawTracepointNames } from '../kernel/index.js';
import { RawTracepointLink } from '../links/index.js';
import { openRawTracepoint } from '../sys/index.js';

import { attachFailure, cookieFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';
import type { TestRunOptions, TestRunResult } from './test-run.js';

/** Where and how {@link RawTracepoint.attach} attaches. */
export interface RawTracepointAttachOptions extends AttachOptions {
  /** The tracepoint's name without its category, such as `sched_process_exec`; without it the section says where. */
  readonly tracepoint?: string | undefined;
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 6.9. */
  readonly cookie?: number | bigint | undefined;
}

/**
 * A program of section `raw_tp/<name>` (or `raw_tracepoint/<name>`): it runs when the kernel passes that tracepoint and
 * sees its raw arguments. Needs no tracefs. Least kernel: 4.17.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_system_call', RawTracepoint).attach({ tracepoint: 'sys_enter' });
 * ```
 */
export class RawTracepoint extends Program {
  /**
   * Attaches to the tracepoint that the section names, or to another one.
   *
   * @throws {@link UsageError} when neither names a tracepoint, or the kernel has none of that name;
   * {@link PermissionError}.
   */
  override async attach(options: RawTracepointAttachOptions = {}): Promise<RawTracepointLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const name = options.tracepoint ?? this.attachTo;
    if (name === undefined || name === '') {
      throw UsageError.invalidValue(
        'tracepoint',
        `section ${quote(this.section)} of program ${quote(this.name)} names none; give { tracepoint: 'name' }`,
      );
    }
    const target = `raw_tp ${escapeControl(name)}`;
    try {
      const handle = await openRawTracepoint(this.handle, name, cookie);
      return await this.attached(RawTracepointLink, handle, target, signal);
    } catch (error) {
      if (EbpfError.is(error) && error.errnoName === 'ENOENT') {
        throw UsageError.notFound('raw tracepoint', name, await rawTracepointNames());
      }
      const reason = cookieFailure(error, cookie, target, '6.9');
      throw attachFailure(reason, this.name, target, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  /**
   * Runs the program once with made-up arguments, at most 12, as its `context`, without attaching it, off the event loop. Least kernel: 5.10.
   *
   * @throws {@link UsageError} for options that do not fit; {@link KernelError} EINVAL when the program looks at more arguments
   * than are given, ENXIO for a CPU that is not online.
   *
   * @example
   * ```js
   * const { returnValue } = await ebpf.program('on_exec', RawTracepoint).testRun({ context: [0, process.pid] });
   * ```
   */
  override async testRun(options: TestRunOptions<readonly (number | bigint)[]> = {}): Promise<TestRunResult> {
    return super.testRun(options);
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no tracepoint` : undefined;
  }
}
