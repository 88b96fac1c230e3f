import { UsageError, escapeControl, quote } from '../errors/index.js';
import { PerfEventLink } from '../links/index.js';

import { attachFailure } from './attach-failure.js';
import { kernelPlace, openKernelProbe } from './kernel-probe.js';
import { attachToPerfEvent } from './perf-event-attach.js';
import { Program, type AttachOptions } from './program.js';

/** Where and how {@link Kprobe.attach} attaches. */
export interface KprobeAttachOptions extends AttachOptions {
  /** `function` or `function+offset`, the offset in bytes; without it the section says where. */
  readonly function?: string | undefined;
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.15. */
  readonly cookie?: number | bigint | undefined;
}

/**
 * A program of section `kprobe/<function>[+<offset>]`: it runs when the kernel gets to that place and sees the
 * processor's registers. Needs CAP_PERFMON and a kernel with CONFIG_KPROBE_EVENTS. Least kernel: 4.17.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_open', Kprobe).attach({ function: 'do_sys_openat2' });
 * ```
 */
export class Kprobe extends Program {
  /**
   * Attaches to the function that the section names, or to another place.
   *
   * @throws {@link UsageError} when neither names a function, or the kernel has none of that name or cannot probe it;
   * {@link UnsupportedError} for a kernel without kprobes, or without cookies when one is given;
   * {@link PermissionError}.
   */
  override async attach(options: KprobeAttachOptions = {}): Promise<PerfEventLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const text = options.function ?? this.attachTo;
    if (text === undefined) {
      throw UsageError.invalidValue(
        'function',
        `section ${quote(this.section)} of program ${quote(this.name)} names none; give { function: 'name' }`,
      );
    }
    const place = kernelPlace(text);
    const target = `kprobe ${escapeControl(text)}`;
    const program = this.handle;
    try {
      const event = await openKernelProbe(place, false, target);
      const handle = await attachToPerfEvent(program, event, cookie);
      return await this.attached(PerfEventLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_PERFMON', 'CAP_BPF'], true);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no kernel function` : undefined;
  }
}
