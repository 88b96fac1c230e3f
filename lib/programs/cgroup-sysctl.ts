import { CgroupProgram } from './cgroup-program.js';

/**
 * A program of section `cgroup/sysctl`: it runs when a process of a cgroup reads or writes a file of `/proc/sys`, and forbids
 * that by returning 0. Least kernel: 5.2.
 *
 * @example
 * ```js
 * const link = await ebpf.program('guard', CgroupSysctl).attach({ cgroup: '/sys/fs/cgroup/my.slice' });
 * ```
 */
export class CgroupSysctl extends CgroupProgram {}
