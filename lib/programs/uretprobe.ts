import { UsageError, escapeControl, quote } from '../errors/index.js';
import { PerfEventLink } from '../links/index.js';
import { splitFunction } from '../user-space/index.js';

import { attachFailure } from './attach-failure.js';
import { attachToPerfEvent } from './perf-event-attach.js';
import { Program } from './program.js';
import { locateProbe, openUserProbe, sectionPlace, type UserProbeAttachOptions } from './user-probe.js';

/**
 * A program of section `uretprobe/<path>:<function>`: it runs when that function of a program or library returns and sees
 * the processor's registers. In sections `uretprobe.s/…` it may sleep (least kernel: 6.0). Needs what {@link Uprobe} does.
 * Least kernel: 4.17.
 *
 * @example
 * ```js
 * const link = await ebpf.program('line_read', Uretprobe).attach({ target: '/usr/bin/bash', function: 'readline' });
 * ```
 */
export class Uretprobe extends Program {
  /**
   * Attaches to the function that the section names, or to another one: by its name, its address or its place in the file.
   *
   * @throws {@link UsageError} when neither names a function, or there is none such, with the nearest names;
   * {@link ObjectFormatError} for a target that is no ELF file; {@link UnsupportedError} for a kernel without uprobes, or
   * without cookies when one is given; {@link PermissionError}.
   */
  override async attach(options: UserProbeAttachOptions = {}): Promise<PerfEventLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const program = this.handle;
    requireStart(options, this.attachTo);
    const probe = await locateProbe(options, this.attachTo, this.name);
    signal?.throwIfAborted();
    const target = `uretprobe ${escapeControl(probe.text)}`;
    try {
      const event = await openUserProbe(probe, true, target);
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

/** The kernel replaces the address that a function returns to, which it finds only at the function's first instruction. */
function requireStart(options: UserProbeAttachOptions, section: string | undefined): void {
  const said = options.target === undefined && section !== undefined ? sectionPlace(section) : undefined;
  const text = options.function ?? said?.function;
  if (text === undefined || splitFunction(text).offset === 0) return;
  throw UsageError.invalidValue('function', `a function returns as a whole: ${quote(text)} must not have an offset`);
}
