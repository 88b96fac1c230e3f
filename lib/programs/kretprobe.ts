import type { PerfEventLink } from '../links/index.js';

import { KernelProbe, type KernelProbeOptions } from './kernel-probe.js';

/** Where and how {@link Kretprobe.attach} attaches. */
export interface KretprobeAttachOptions extends KernelProbeOptions {
  /** The function's name, or `module:function`; without it the section says where. */
  readonly function?: string | undefined;
  /** The function's address, in place of its name. */
  readonly address?: bigint | undefined;
}

/**
 * A program of section `kretprobe/<function>`: it runs when that kernel function returns and sees the
 * processor's registers. Needs CAP_PERFMON and a kernel with CONFIG_KPROBE_EVENTS. Least kernel: 4.17.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_opened', Kretprobe).attach({ function: 'do_sys_openat2' });
 * ```
 */
export class Kretprobe extends KernelProbe {
  /**
   * Attaches to the function that the section names, or to another one.
   *
   * @throws {@link UsageError} when neither names a function, or the kernel has none of that name, several, or one that it
   * cannot probe; {@link UnsupportedError} for a kernel without kprobes, or without cookies when one is given;
   * {@link PermissionError}.
   */
  override async attach(options: KretprobeAttachOptions = {}): Promise<PerfEventLink> {
    return this.attachToPlace(options, true);
  }
}
