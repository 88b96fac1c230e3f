import { UprobeMultiProgram } from './uprobe-multi-program.js';

/**
 * A program of section `uretprobe.multi/<path>:<pattern>`: it runs when one of many functions of a program or library
 * returns. In sections `uretprobe.multi.s/…` it may sleep. Needs what {@link UprobeMulti} does. Least kernel: 6.6 for one
 * link to all, 4.17 with a perf event for each function.
 *
 * @example
 * ```js
 * const link = await ebpf.program('done', UretprobeMulti).attach({ target: 'libssl', functions: 'SSL_*' });
 * ```
 */
export class UretprobeMulti extends UprobeMultiProgram {
  /** @internal */
  protected override get atReturn(): boolean {
    return true;
  }
}
