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

/** Which of these programs, maps and links, as {@link heldIds} gives them, are still there. */
export function objectsAlive(held: ReadonlySet<string>): string[] {
  const kinds = { prog: 'program', map: 'map', link: 'link' } as const;
  const all = Object.entries(kinds).flatMap(([word, kind]) => listIds(kind).map((id) => `${word}_id ${id}`));
  return all.filter((entry) => held.has(entry));
}
