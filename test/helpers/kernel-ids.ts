import { listIds } from '../../lib/sys/index.js';

const kinds = { map_id: 'map', prog_id: 'program', link_id: 'link', btf_id: 'btf' } as const;

/** Those of the ids (`prog_id 12`, as heldIds() gives them) that the kernel still knows, whoever holds them: a descriptor, a pin, an attachment. */
export function livingIds(ids: Iterable<string>): string[] {
  const living = new Set<string>();
  for (const [key, kind] of Object.entries(kinds)) for (const id of listIds(kind)) living.add(`${key} ${id}`);
  return [...ids].filter((id) => living.has(id));
}

/** The ids of all links on this machine. */
export function linkIds(): number[] {
  return listIds('link');
}
