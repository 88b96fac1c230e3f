import { KprobeMultiProgram } from './kprobe-multi-program.js';

/**
 * A program of section `kprobe.session/<pattern>`: it runs when the kernel enters one of the functions, and again when that
 * returns unless the program returned other than 0 at the entry. `bpf_session_is_return()` tells which it is, and
 * `bpf_session_cookie()` gives it eight bytes to keep in between. Needs CAP_PERFMON and a kernel with CONFIG_FPROBE. Least
 * kernel: 6.10.
 *
 * @example
 * ```js
 * const link = await ebpf.program('timed', KprobeSession).attach({ functions: 'vfs_*' });
 * ```
 */
export class KprobeSession extends KprobeMultiProgram {}
