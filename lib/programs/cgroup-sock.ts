import { CgroupProgram } from './cgroup-program.js';

/**
 * A program of section `cgroup/sock_create`, `cgroup/sock_release`, `cgroup/post_bind4` or `cgroup/post_bind6`: it runs when a process
 * of a cgroup makes, closes or binds a socket, and forbids that by returning 0. Least kernel: 4.10; `sock_release` 5.9.
 *
 * @example
 * ```js
 * const link = await ebpf.program('made', CgroupSock).attach({ cgroup: '/sys/fs/cgroup/my.slice' });
 * ```
 */
export class CgroupSock extends CgroupProgram {}
