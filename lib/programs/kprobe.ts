import type { PerfEventLink } from '../links/index.js';

import { KernelProbe, type KernelProbeOptions } from './kernel-probe.js';

/** Where and how {@link Kprobe.attach} attaches. */
export interface KprobeAttachOptions extends KernelProbeOptions {
  /** `function`, `function+offset`, the offset in bytes, or `module:function`; without it the section says where. */
  readonly function?: string | undefined;
  /** The address of an instruction, in place of a function's name. */
  readonly address?: bigint | undefined;
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
export class Kprobe extends KernelProbe {
  /**
   * Attaches to the function that the section names, or to another place.
   *
   * @throws {@link UsageError} when neither names a function, or the kernel has none of that name, several, or one that it
   * cannot probe; {@link UnsupportedError} for a kernel without kprobes, or without cookies when one is given;
   * {@link PermissionError}.
   */
  override async attach(options: KprobeAttachOptions = {}): Promise<PerfEventLink> {
    return this.attachToPlace(options, false);
  }
}
