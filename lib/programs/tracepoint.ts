import { UsageError, escapeControl, quote } from '../errors/index.js';
import { tracepointId } from '../kernel/index.js';
import { PerfEventLink } from '../links/index.js';
import { openPerfEventAsync } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { attachToPerfEvent, closeOnExec } from './perf-event-attach.js';
import { Program, type AttachOptions } from './program.js';

/** Where and how {@link Tracepoint.attach} attaches. */
export interface TracepointAttachOptions extends AttachOptions {
  /** `category/name`, such as `sched/sched_process_exec`; without it the section says where. */
  readonly tracepoint?: string | undefined;
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.15. */
  readonly cookie?: number | bigint | undefined;
}

/** PERF_TYPE_TRACEPOINT of include/uapi/linux/perf_event.h. */
const perfTypeTracepoint = 2;

/**
 * A program of section `tracepoint/<category>/<name>`: it runs when the kernel passes that tracepoint and sees the
 * fields that tracefs describes. Needs tracefs mounted, to learn the tracepoint's number, and CAP_PERFMON. Least
 * kernel: 4.7.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_exec', Tracepoint).attach({ tracepoint: 'sched/sched_process_exec' });
 * ```
 */
export class Tracepoint extends Program {
  /**
   * Attaches to the tracepoint that the section names, or to another one.
   *
   * @throws {@link UsageError} when neither names a tracepoint, or the kernel has none of that name;
   * {@link UnsupportedError} when tracefs is not mounted; {@link PermissionError}.
   */
  override async attach(options: TracepointAttachOptions = {}): Promise<PerfEventLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const [category, name] = this.#target(options.tracepoint);
    const target = `tracepoint ${escapeControl(category)}/${escapeControl(name)}`;
    const program = this.handle;
    try {
      const id = await tracepointId(category, name);
      signal?.throwIfAborted();
      const event = await openPerfEventAsync({
        fields: { type: perfTypeTracepoint, config: id, sample_period: 1, wakeup_events: 1 },
        pid: -1,
        cpu: 0,
        flags: closeOnExec,
        name: target,
      });
      const handle = await attachToPerfEvent(program, event, cookie);
      return await this.attached(PerfEventLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_PERFMON', 'CAP_BPF'], true);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no tracepoint` : undefined;
  }

  #target(given: string | undefined): [string, string] {
    const text = given ?? this.attachTo;
    if (text === undefined) {
      throw UsageError.invalidValue(
        'tracepoint',
        `section ${quote(this.section)} of program ${quote(this.name)} names none; give { tracepoint: 'category/name' }`,
      );
    }
    const [category, name, ...more] = text.split('/');
    if (category === undefined || category === '' || name === undefined || name === '' || more.length > 0) {
      throw UsageError.invalidValue('tracepoint', `must be 'category/name', not ${quote(text)}`);
    }
    return [category, name];
  }
}
