import { CgroupProgram } from './cgroup-program.js';

/**
 * A program of section `lsm_cgroup/<hook>`: it runs when the kernel asks whether a process of a cgroup may do something, or
 * one of its sockets, and forbids that by returning 0. Needs a kernel with CONFIG_BPF_LSM; the list of active security modules
 * does not matter. Least kernel: 6.0; on arm64 6.4.
 *
 * @example
 * ```js
 * const link = await ebpf.program('may_bind', LsmCgroup).attach({ cgroup: '/sys/fs/cgroup/my.slice' });
 * ```
 */
export class LsmCgroup extends CgroupProgram {}
