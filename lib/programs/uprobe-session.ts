import { UprobeMultiProgram } from './uprobe-multi-program.js';

/**
 * A program of section `uprobe.session/<path>:<pattern>`: it runs when a process enters one of the functions, and again
 * when that returns unless the program returned other than 0 at the entry. `bpf_session_is_return()` tells which it is, and
 * `bpf_session_cookie()` gives it eight bytes to keep in between. Needs what {@link UprobeMulti} does. Least kernel: 6.13.
 *
 * @example
 * ```js
 * const link = await ebpf.program('timed', UprobeSession).attach({ target: 'libc', functions: 'getaddrinfo' });
 * ```
 */
export class UprobeSession extends UprobeMultiProgram {}
