import type { Btf } from '../btf/index.js';
import { SectionType, type ElfFile } from '../elf/index.js';
import { ObjectFormatError } from '../errors/index.js';
import type { DataSection } from './data-section.js';
import type { FunctionRanges } from './function-ranges.js';
import type { MapSpec } from './map-spec.js';
import { StructureReader } from './structure-reader.js';

/** Whether a section's variables are structures of operations. `?` keeps its maps from being created unless asked for. */
export function isStructOpsSection(name: string): boolean {
  return /^\??\.struct_ops(\.link)?$/.test(name);
}

/**
 * A map for each variable of the sections `.struct_ops` and `.struct_ops.link`.
 *
 * @throws ObjectFormatError when a variable is no named struct, or something else than a program is put into a member.
 */
export function readStructOpsMaps(
  elf: ElfFile,
  btf: Btf | undefined,
  dataSections: ReadonlyMap<string, DataSection>,
  functions: FunctionRanges,
): MapSpec[] {
  const maps: MapSpec[] = [];
  for (const section of elf.sections) {
    if (!isStructOpsSection(section.name) || section.size === 0) continue;
    const described = dataSections.get(section.name);
    if (btf === undefined || described?.section !== section) {
      throw new ObjectFormatError('structures are defined here but no BTF describes them: compile with -g', {
        object: elf.name,
        section: section.name,
      });
    }
    if (section.type !== SectionType.PROGBITS) {
      throw new ObjectFormatError(`section type ${section.type} holds no contents`, {
        object: elf.name,
        section: section.name,
      });
    }
    const reader = new StructureReader(elf, btf, described, functions);
    maps.push(...described.variables.map((variable) => reader.read(variable)));
    reader.requireAllTaken();
  }
  return maps;
}
