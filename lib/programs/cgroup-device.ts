import { CgroupProgram } from './cgroup-program.js';

/**
 * A program of section `cgroup/dev`: it runs when a process of a cgroup opens or makes a device file, and forbids that by
 * returning 0. Least kernel: 4.15.
 *
 * @example
 * ```js
 * const link = await ebpf.program('devices', CgroupDevice).attach({ cgroup: '/sys/fs/cgroup/my.slice' });
 * ```
 */
export class CgroupDevice extends CgroupProgram {}
