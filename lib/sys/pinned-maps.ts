import { existsSync } from 'node:fs';

/** Where maps are pinned, by id, as far as this process made the pins or opened maps by them: the kernel does not tell. */
const pins = new Map<number, Set<string>>();

/** Takes note of a map's pin. */
export function notePinnedMap(id: number, path: string): void {
  const known = pins.get(id);
  if (known === undefined) pins.set(id, new Set([path]));
  else known.add(path);
}

/** Whether a map is known to be pinned, and still is. */
export function isPinnedMap(id: number): boolean {
  return [...(pins.get(id) ?? [])].some((path) => existsSync(path));
}
