import { listObjects } from '../kernel/index.js';
import type { MapInfo } from '../sys/index.js';

/**
 * What the kernel says of every map on this machine, whoever made it, by ascending id. `BpfMap.open({ id })` opens one, decoded
 * by the types that the kernel keeps with it. A map that ends meanwhile is left out. Least kernel: 4.13.
 *
 * @throws {@link PermissionError} without CAP_SYS_ADMIN.
 *
 * @example
 * ```js
 * for (const { id, name } of listMaps()) {
 *   using map = BpfMap.open({ id }, { access: 'read' });
 *   if (map instanceof HashMap) console.log(name, map.count());
 * }
 * ```
 */
export function listMaps(): MapInfo[] {
  return listObjects('map');
}
