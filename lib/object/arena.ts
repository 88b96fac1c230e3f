import { MapType } from '../abi/index.js';
import { SectionType, type ElfFile, type ElfSection } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { MapSpec } from './map-spec.js';

/** Where clang puts global variables of the address space that arenas are. */
export const ARENA_SECTION = '.addr_space.1';

/** The arena of an object, with the section of its global variables. */
export interface Arena {
  readonly map: MapSpec;
  readonly section: ElfSection;
}

/**
 * Gives the only arena of an object its global variables.
 *
 * @throws ObjectFormatError when there are two arenas, or global variables of an arena and none to hold them.
 */
export function readArena(elf: ElfFile, maps: Iterable<MapSpec>): Arena | undefined {
  const [map, second] = [...maps].filter(({ type }) => type === MapType.ARENA);
  if (map !== undefined && second !== undefined) {
    throw new ObjectFormatError(`maps ${quote(map.name)} and ${quote(second.name)} are arenas; there can be one`, {
      object: elf.name,
      section: '.maps',
    });
  }
  const section = elf.section(ARENA_SECTION);
  if (section === undefined || section.size === 0) return undefined;
  const fail = (problem: string): ObjectFormatError =>
    new ObjectFormatError(problem, { object: elf.name, section: section.name });
  if (map === undefined) throw fail('global variables of an arena, and no map of type ARENA that they could be in');
  if (section.type !== SectionType.PROGBITS) throw fail('its contents are missing: the file was stripped');
  map.globalsSize = section.size;
  map.initialValue = section.bytes;
  return { map, section };
}
