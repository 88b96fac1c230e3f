import { EbpfError } from '../errors/index.js';
import { listIds, objectInfo, openById, type ObjectInfoByKind, type ObjectKind } from '../sys/index.js';

import { explainPermission } from './explain-permission.js';
import { requireLinux } from './require-linux.js';

/**
 * What the kernel says of every object of a kind, whoever made it, by ascending id. What ends meanwhile is left out.
 *
 * @throws {@link PermissionError} without CAP_SYS_ADMIN.
 */
export function listObjects<Kind extends ObjectKind>(kind: Kind): ObjectInfoByKind[Kind][] {
  requireLinux();
  try {
    return listIds(kind).flatMap((id) => infoOf(kind, id) ?? []);
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'EPERM') throw error;
    throw explainPermission(error, { what: `list the ${kind}s of the kernel`, capabilities: ['CAP_SYS_ADMIN'] });
  }
}

function infoOf<Kind extends ObjectKind>(kind: Kind, id: number): ObjectInfoByKind[Kind] | undefined {
  try {
    const handle = openById(kind, id);
    try {
      return objectInfo(handle, kind);
    } finally {
      handle.close();
    }
  } catch (error) {
    // EAGAIN: a link that is being made (bpf_link_by_id of kernel/bpf/syscall.c).
    if (EbpfError.is(error) && ['ENOENT', 'EAGAIN'].includes(error.errnoName ?? '')) return undefined;
    throw error;
  }
}
