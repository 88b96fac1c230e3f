import { lowerBound } from '../binary/index.js';
import { MapType } from '../abi/index.js';
import type { Btf } from '../btf/index.js';
import { SymbolType, type ElfFile, type ElfRelocation, type ElfSection } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { DataSection } from './data-section.js';
import { readMapDefinition } from './map-definition.js';
import type { MapSlot, MapSpec } from './map-spec.js';

/** Maps of one section, and which map code means by an offset into it. */
export interface SectionMaps {
  readonly section: ElfSection;
  readonly maps: readonly MapSpec[];
  readonly nameAt: ReadonlyMap<number, string>;
}

/** An entry of `values` is a pointer in the object, whatever it becomes in the map. */
const POINTER_SIZE = 8;
/** The index of a value is its key: in an array by nature, in a hash of maps because libbpf has it so. */
const SLOT_KEY_SIZE = 4;

/**
 * The maps of `.maps`, in the order of their definition.
 *
 * @throws ObjectFormatError when a definition is not one.
 */
export function readDeclaredMaps(
  elf: ElfFile,
  btf: Btf | undefined,
  dataSections: ReadonlyMap<string, DataSection>,
  warnings: string[],
): SectionMaps | undefined {
  const section = elf.section('.maps');
  if (section === undefined || section.size === 0) return undefined;
  const dataSection = dataSections.get('.maps');
  if (btf === undefined || dataSection === undefined) {
    throw new ObjectFormatError('maps are defined here but no BTF describes them: compile with -g', {
      object: elf.name,
      section: '.maps',
    });
  }
  const maps: MapSpec[] = [];
  const nameAt = new Map<number, string>();
  const slots = new InitialSlots(elf, section);
  for (const variable of dataSection.variables) {
    const { name, typeId, offset } = variable;
    if (nameAt.has(offset)) {
      throw new ObjectFormatError(`maps ${quote(nameAt.get(offset) ?? '')} and ${quote(name)} lie at the same place`, {
        object: elf.name,
        section: '.maps',
        offset,
      });
    }
    const { spec, valuesOffset, ...rest } = readMapDefinition(btf, { object: elf.name, name, typeId, offset });
    warnings.push(...rest.warnings);
    if (valuesOffset !== undefined) {
      spec.slots = slots.take(offset + valuesOffset, offset + variable.size, spec.inner === undefined);
      if (spec.slots.length > 0 && spec.type === MapType.HASH_OF_MAPS && spec.keySize !== SLOT_KEY_SIZE) {
        throw new ObjectFormatError(
          `map ${quote(name)}: the keys of its "values" are their places, so they need ${SLOT_KEY_SIZE} bytes and not ${spec.keySize}`,
          { object: elf.name, section: '.maps', offset },
        );
      }
    }
    maps.push(spec);
    nameAt.set(offset, name);
  }
  slots.requireAllTaken();
  return { section, maps, nameAt };
}

/** The relocations of `.maps`: what the elements of `values = { … }` point to. */
class InitialSlots {
  readonly #elf: ElfFile;
  readonly #section: ElfSection;
  readonly #relocations: readonly ElfRelocation[];
  readonly #taken = new Set<number>();

  constructor(elf: ElfFile, section: ElfSection) {
    this.#elf = elf;
    this.#section = section;
    this.#relocations = [...elf.relocations(section)].sort((a, b) => a.offset - b.offset);
  }

  take(start: number, end: number, ofPrograms: boolean): MapSlot[] {
    const slots: MapSlot[] = [];
    const first = lowerBound(this.#relocations.length, (index) => (this.#relocations[index]?.offset ?? 0) < start);
    for (let index = first; index < this.#relocations.length; index++) {
      const relocation = this.#relocations[index];
      if (relocation === undefined || relocation.offset + POINTER_SIZE > end) break;
      const { offset } = relocation;
      if ((offset - start) % POINTER_SIZE !== 0) throw this.#error('a value is not aligned', offset);
      const symbol = this.#elf.symbols[relocation.symbolIndex];
      const fits = ofPrograms ? symbol?.type === SymbolType.FUNC : symbol?.section === this.#section;
      if (symbol === undefined || !fits || symbol.name === '') {
        throw this.#error(`a value is not a ${ofPrograms ? 'program' : 'map'} of this object`, offset);
      }
      if (this.#taken.has(offset)) throw this.#error('two maps or relocations claim one value', offset);
      this.#taken.add(offset);
      slots.push({ index: (offset - start) / POINTER_SIZE, kind: ofPrograms ? 'program' : 'map', name: symbol.name });
    }
    return slots;
  }

  requireAllTaken(): void {
    for (const { offset } of this.#relocations) {
      if (!this.#taken.has(offset)) throw this.#error('a relocation lies outside the "values" of every map', offset);
    }
  }

  #error(problem: string, offset: number): ObjectFormatError {
    return new ObjectFormatError(problem, { object: this.#elf.name, section: this.#section.name, offset });
  }
}
