import { CgroupProgram } from './cgroup-program.js';

/**
 * A program of section `cgroup/connect4`, `cgroup/bind6`, `cgroup/sendmsg4` and their like: it runs when a process of a cgroup gives
 * an address to a socket, may change the address, and forbids the call by returning 0. Least kernel: 4.17; sections that end
 * in `_unix` 6.7.
 *
 * @example
 * ```js
 * const link = await ebpf.program('redirect', CgroupSockAddr).attach({ cgroup: '/sys/fs/cgroup/my.slice' });
 * ```
 */
export class CgroupSockAddr extends CgroupProgram {}
