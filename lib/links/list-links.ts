import { listObjects } from '../kernel/index.js';
import type { LinkInfo } from '../sys/index.js';

/**
 * What the kernel says of every link on this machine, whoever made it, by ascending id: what is attached by a link, where and
 * which program. `Link.open({ id })` opens one. What is attached without a link is not among them. Least kernel: 5.8.
 *
 * @throws {@link PermissionError} without CAP_SYS_ADMIN.
 *
 * @example
 * ```js
 * for (const link of listLinks()) {
 *   if (link.kind === 'xdp') console.log(`program ${link.programId} at interface ${link.interfaceIndex}`);
 * }
 * ```
 */
export function listLinks(): LinkInfo[] {
  return listObjects('link');
}
