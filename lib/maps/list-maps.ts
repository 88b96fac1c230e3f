import { EbpfError } from '../errors/index.js';
import { explainPermission, requireLinux } from '../kernel/index.js';
import { listIds, objectInfo, openById, type MapInfo } from '../sys/index.js';

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
  requireLinux();
  try {
    return listIds('map').flatMap((id) => mapInfo(id) ?? []);
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'EPERM') throw error;
    throw explainPermission(error, { what: 'list the maps of the kernel', capabilities: ['CAP_SYS_ADMIN'] });
  }
}

function mapInfo(id: number): MapInfo | undefined {
  try {
    const handle = openById('map', id);
    try {
      return objectInfo(handle, 'map');
    } finally {
      handle.close();
    }
  } catch (error) {
    if (EbpfError.is(error) && error.errnoName === 'ENOENT') return undefined;
    throw error;
  }
}
