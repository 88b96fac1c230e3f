import { CgroupProgram } from './cgroup-program.js';

/**
 * A program of section `sockops`: the kernel calls it as TCP connections of a cgroup's processes are made, change and end.
 * It can set options, and put sockets into a {@link SockMap} or {@link SockHash}. Least kernel: 4.13.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_connection', SockOps).attach({ cgroup: '/sys/fs/cgroup/web.slice' });
 * ```
 */
export class SockOps extends CgroupProgram {}
