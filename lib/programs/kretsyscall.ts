import type { PerfEventLink } from '../links/index.js';

import { KernelProbe, type KernelProbeOptions } from './kernel-probe.js';

/** Where and how {@link Kretsyscall.attach} attaches. */
export interface KretsyscallAttachOptions extends KernelProbeOptions {
  /** The system call's name, such as `openat`; without it the section says which. */
  readonly syscall?: string | undefined;
}

/**
 * A program of section `kretsyscall/<system call>`: it runs when that system call returns, whatever
 * the kernel calls the function on this processor: `__x64_sys_openat`. Needs CAP_PERFMON and a kernel with
 * CONFIG_KPROBE_EVENTS. Least kernel: 4.17.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_opened', Kretsyscall).attach({ syscall: 'openat' });
 * ```
 */
export class Kretsyscall extends KernelProbe {
  /**
   * Attaches to the system call that the section names, or to another one.
   *
   * @throws {@link UsageError} when neither names one, or the kernel has none of that name; {@link UnsupportedError} for a
   * kernel without kprobes, or without cookies when one is given; {@link PermissionError}.
   */
  override async attach(options: KretsyscallAttachOptions = {}): Promise<PerfEventLink> {
    return this.attachToSyscall(options, true);
  }
}
