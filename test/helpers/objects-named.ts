import { listIds, objectInfo, openById } from '../../lib/sys/index.js';

/** How many programs and maps of this machine have a name: also those of processes that ended. */
export function objectsNamed(name: string): number {
  let count = 0;
  for (const kind of ['program', 'map'] as const) {
    for (const id of listIds(kind)) {
      try {
        using handle = openById(kind, id);
        if (objectInfo(handle, kind).name === name) count++;
      } catch {
        // It ended while we looked.
      }
    }
  }
  return count;
}
