import { CgroupProgram } from './cgroup-program.js';

/**
 * A program of section `cgroup/getsockopt` or `cgroup/setsockopt`: it runs when a process of a cgroup reads or sets an option of
 * a socket, may change the option, and forbids the call by returning 0. Least kernel: 5.3.
 *
 * @example
 * ```js
 * const link = await ebpf.program('limit', CgroupSockopt).attach({ cgroup: '/sys/fs/cgroup/my.slice' });
 * ```
 */
export class CgroupSockopt extends CgroupProgram {}
