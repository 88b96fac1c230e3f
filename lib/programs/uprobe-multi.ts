import { UprobeMultiProgram } from './uprobe-multi-program.js';

/**
 * A program of section `uprobe.multi/<path>:<pattern>`: it runs when a process gets to one of many places in a program or
 * library, and sees the processor's registers. In sections `uprobe.multi.s/…` it may sleep. Needs CAP_PERFMON and a kernel
 * with CONFIG_UPROBE_EVENTS. Least kernel: 6.6 for one link to all, 4.17 with a perf event for each place.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_tls', UprobeMulti).attach({ target: 'libssl', functions: ['SSL_read*', /^SSL_write/] });
 * console.log(link.places);
 * ```
 */
export class UprobeMulti extends UprobeMultiProgram {}
