import { KprobeMultiProgram } from './kprobe-multi-program.js';

/**
 * A program of section `kretprobe.multi/<pattern>`: it runs when one of the functions returns, of which it may be attached to
 * many at once. Needs CAP_PERFMON and a kernel with CONFIG_FPROBE. Least kernel: 5.18.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_returned', KretprobeMulti).attach({ functions: 'vfs_*' });
 * ```
 */
export class KretprobeMulti extends KprobeMultiProgram {
  /** @internal */
  protected override get atReturn(): boolean {
    return true;
  }
}
