import { KprobeMultiProgram } from './kprobe-multi-program.js';

/**
 * A program of section `kprobe.multi/<pattern>`: it runs when the kernel enters one of the functions, of which it may be
 * attached to many at once, in about the time that one kprobe takes. Needs CAP_PERFMON and a kernel with CONFIG_FPROBE. Least
 * kernel: 5.18.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_call', KprobeMulti).attach({ functions: ['tcp_*', /^udp_(send|recv)msg$/] });
 * console.log(`attached to ${link.functions.length} functions`);
 * ```
 */
export class KprobeMulti extends KprobeMultiProgram {}
