import { MapFlag, MapType } from '../abi/index.js';
import type { Btf } from '../btf/index.js';
import { SectionFlag, SectionType, type ElfFile, type ElfSection } from '../elf/index.js';
import { ObjectFormatError } from '../errors/index.js';
import type { DataSection } from './data-section.js';
import { dataMapKernelName, MapSpec } from './map-spec.js';

/** A data section becomes an array of one value, which code addresses directly. */
const KEY_SIZE = 4;
const MAXIMUM_VALUE_SIZE = 0xffff_ffff;

/** Whether a section's name is that of global variables: `.data`, `.rodata`, `.bss` and what begins so with a dot. */
export function isDataSection(section: ElfSection): boolean {
  if (!/^\.(data|rodata|bss)($|\.)/.test(section.name)) return false;
  if (section.type !== SectionType.PROGBITS && section.type !== SectionType.NOBITS) return false;
  return section.size > 0 && (section.flags & SectionFlag.EXECINSTR) === 0;
}

/**
 * A map for each section of global variables that is not empty.
 *
 * @throws ObjectFormatError when two have one name or a section has no bytes where it must.
 */
export function readDataMaps(
  elf: ElfFile,
  objectName: string,
  dataSections: ReadonlyMap<string, DataSection>,
  btf: Btf | undefined,
): MapSpec[] {
  const maps: MapSpec[] = [];
  for (const section of elf.sections) {
    if (!isDataSection(section)) continue;
    const fail = (problem: string): ObjectFormatError =>
      new ObjectFormatError(problem, { object: elf.name, section: section.name });
    if (elf.section(section.name) !== section) throw fail('a second section of that name');
    const zeroed = section.name === '.bss' || section.name.startsWith('.bss.');
    if (section.size > MAXIMUM_VALUE_SIZE) throw fail(`${section.size} bytes are more than a map's value can have`);
    if (section.type === SectionType.NOBITS && !zeroed) throw fail('its contents are missing: the file was stripped');
    const dataSection = dataSections.get(section.name);
    const readOnly = section.name === '.rodata' || section.name.startsWith('.rodata.');
    // Only variables that user space can name are worth mapping; a section of nothing but statics stays private.
    const mappable = dataSection?.variables.some((variable) => !variable.static && !variable.hidden) === true;
    maps.push(
      new MapSpec({
        name: section.name,
        kernelName: dataMapKernelName(objectName, section.name),
        kind: 'data',
        type: MapType.ARRAY,
        keySize: KEY_SIZE,
        valueSize: section.size,
        maxEntries: 1,
        flags: (mappable ? MapFlag.MMAPABLE : 0) | (readOnly ? MapFlag.RDONLY_PROG : 0),
        btf,
        valueType: dataSection?.typeId ?? 0,
        initialValue: section.type === SectionType.NOBITS ? undefined : section.bytes,
        readOnly,
      }),
    );
  }
  return maps;
}
