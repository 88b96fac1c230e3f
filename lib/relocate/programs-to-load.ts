import { ProgramType } from '../abi/index.js';
import type { ObjectSpec, ProgramSpec } from '../object/index.js';

/**
 * The programs that a load includes: those of `autoload`, except that programs which maps of type STRUCT_OPS name go with
 * the maps. Those are included when one of the maps is to be created.
 */
export function programsToLoad(object: ObjectSpec): ProgramSpec[] {
  const byMaps = new Map<string, boolean>();
  for (const { operations, autoCreate } of object.maps.values()) {
    for (const program of operations.values()) byMaps.set(program, autoCreate || byMaps.get(program) === true);
  }
  return [...object.programs.values()].filter(({ name, type, autoload }) =>
    type === ProgramType.STRUCT_OPS ? (byMaps.get(name) ?? autoload) : autoload,
  );
}
