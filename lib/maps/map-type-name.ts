import { MapType } from '../abi/index.js';

const names = new Map<number, string>();

/** The kernel's name of a map type: `HASH`, `RINGBUF`. */
export function mapTypeName(type: number): string {
  if (names.size === 0) {
    // Old names of the same number come first in the enumeration; the last is the one in use.
    for (const [name, value] of Object.entries(MapType)) names.set(value, name);
  }
  return names.get(type) ?? `type ${type}`;
}
