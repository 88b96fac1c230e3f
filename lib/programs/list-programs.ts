import { listObjects } from '../kernel/index.js';
import type { ProgramInfo } from '../sys/index.js';

/**
 * What the kernel says of every program on this machine, whoever loaded it, by ascending id. `Program.open({ id })` opens one.
 *
 * @throws {@link PermissionError} without CAP_SYS_ADMIN.
 *
 * @example
 * ```js
 * for (const { id, name, runCount } of listPrograms()) console.log(id, name, runCount);
 * ```
 */
export function listPrograms(): ProgramInfo[] {
  return listObjects('program');
}
