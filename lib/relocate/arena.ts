import { MapType } from '../abi/index.js';
import { UsageError } from '../errors/index.js';
import type { MapSpec, ObjectSpec } from '../object/index.js';
import type { ArenaPlan, KernelFacts } from './load-plan.js';

/**
 * How an arena is laid out in memory. Global variables are at its end, as with libbpf, so that programs may give the pages
 * from the start on; at the start on kernels whose code cannot take addresses that far in.
 *
 * @throws {UsageError} when the global variables do not fit.
 */
export function planArena(spec: MapSpec, facts: KernelFacts): ArenaPlan | undefined {
  if (spec.type !== MapType.ARENA) return undefined;
  const size = spec.maxEntries * facts.pageSize;
  const globalsSize = Math.ceil(spec.globalsSize / facts.pageSize) * facts.pageSize;
  if (globalsSize > size) {
    throw UsageError.invalidValue(
      `maps.${spec.name}.maxEntries`,
      `the arena's ${spec.maxEntries} pages have ${size} bytes, its global variables ${spec.globalsSize}`,
    );
  }
  return { size, globalsOffset: facts.fullRangeOffsets === true ? size - globalsSize : 0 };
}

/** Where the global variables of an object's arena begin, in bytes from its start; 0 without an arena. */
export function arenaGlobalsOffset(object: ObjectSpec, facts: KernelFacts): number {
  const arena = [...object.maps.values()].find(({ type, autoCreate }) => type === MapType.ARENA && autoCreate);
  return arena === undefined ? 0 : (planArena(arena, facts)?.globalsOffset ?? 0);
}
