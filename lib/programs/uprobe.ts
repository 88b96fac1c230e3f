import { escapeControl, quote } from '../errors/index.js';
import { PerfEventLink } from '../links/index.js';

import { attachFailure } from './attach-failure.js';
import { attachToPerfEvent } from './perf-event-attach.js';
import { Program } from './program.js';
import { locateProbe, openUserProbe, type UserProbeAttachOptions } from './user-probe.js';

/**
 * A program of section `uprobe/<path>:<function>[+<offset>]`: it runs when a process gets to that place in a program or
 * library and sees the processor's registers. In sections `uprobe.s/…` it may sleep, which reading the process's memory
 * can need (least kernel: 6.0). Needs CAP_PERFMON, from Linux 6.16 on CAP_SYS_ADMIN, and a kernel with
 * CONFIG_UPROBE_EVENTS. Least kernel: 4.17.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_malloc', Uprobe).attach({
 *   target: '/usr/lib/x86_64-linux-gnu/libc.so.6',
 *   function: 'malloc',
 *   pid: process.pid,
 * });
 * ```
 */
export class Uprobe extends Program {
  /**
   * Attaches to the place that the section names, or to another one.
   *
   * @throws {@link UsageError} when neither names a place, or there is none such, with the nearest names of functions;
   * {@link ObjectFormatError} for a target that is no ELF file; {@link UnsupportedError} for a kernel without uprobes, or
   * without cookies when one is given; {@link PermissionError}.
   */
  override async attach(options: UserProbeAttachOptions = {}): Promise<PerfEventLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const program = this.handle;
    const probe = await locateProbe(options, this.attachTo, this.name);
    signal?.throwIfAborted();
    const target = `uprobe ${escapeControl(probe.text)}`;
    try {
      const event = await openUserProbe(probe, false, target);
      const handle = await attachToPerfEvent(program, event, cookie);
      return await this.attached(PerfEventLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_SYS_ADMIN', 'CAP_BPF'], true);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no place in user space` : undefined;
  }
}
