import { lowerBound } from '../binary/index.js';
import { MapFlag, MapType } from '../abi/index.js';
import { BtfKind, typeName, type Btf } from '../btf/index.js';
import { SymbolType, type ElfFile, type ElfRelocation } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { DataSection, SectionVariable } from './data-section.js';
import type { FunctionRanges } from './function-ranges.js';
import { MapSpec } from './map-spec.js';

/** The key of the only entry is a number. */
const KEY_SIZE = 4;
/** Relocations of a structure are for its members that are pointers. */
const POINTER_SIZE = 8;

/** Reads the structures of operations of one section. */
export class StructureReader {
  readonly #elf: ElfFile;
  readonly #btf: Btf;
  readonly #data: DataSection;
  readonly #functions: FunctionRanges;
  readonly #relocations: readonly ElfRelocation[];
  readonly #taken = new Set<ElfRelocation>();

  constructor(elf: ElfFile, btf: Btf, data: DataSection, functions: FunctionRanges) {
    this.#elf = elf;
    this.#btf = btf;
    this.#data = data;
    this.#functions = functions;
    this.#relocations = [...elf.relocations(data.section)].sort((a, b) => a.offset - b.offset);
  }

  read(variable: SectionVariable): MapSpec {
    const { name, offset } = variable;
    const typeId = this.#btf.skipModifiers(variable.typeId);
    const type = this.#btf.type(typeId);
    if (type.kind !== BtfKind.STRUCT || type.name === '') {
      const found = quote(typeName(this.#btf, variable.typeId));
      throw this.#error(`variable ${quote(name)} is of type ${found}, which is no struct with a name`, offset);
    }
    if (offset + type.size > this.#data.section.bytes.byteLength) {
      throw this.#error(`variable ${quote(name)} of ${type.size} bytes exceeds the section`, offset);
    }
    const section = this.#data.name;
    return new MapSpec({
      name,
      kind: 'struct-ops',
      type: MapType.STRUCT_OPS,
      keySize: KEY_SIZE,
      valueSize: type.size,
      maxEntries: 1,
      flags: section.endsWith('.link') ? MapFlag.LINK : 0,
      autoCreate: !section.startsWith('?'),
      btf: this.#btf,
      valueType: typeId,
      initialValue: this.#data.section.bytes.subarray(offset, offset + type.size),
      operations: this.#operations(name, offset, offset + type.size, type.members),
    });
  }

  requireAllTaken(): void {
    for (const relocation of this.#relocations) {
      if (this.#taken.has(relocation)) continue;
      throw this.#error('a relocation lies outside every variable', relocation.offset);
    }
  }

  #operations(
    variable: string,
    start: number,
    end: number,
    members: readonly { readonly name: string; readonly bitOffset: number }[],
  ): Map<string, string> {
    const operations = new Map<string, string>();
    const names = new Map(members.map(({ name, bitOffset }) => [bitOffset / 8, name]));
    const first = lowerBound(this.#relocations.length, (index) => (this.#relocations[index]?.offset ?? 0) < start);
    for (const relocation of this.#relocations.slice(first)) {
      const { offset } = relocation;
      if (offset + POINTER_SIZE > end) break;
      const member = names.get(offset - start);
      if (member === undefined) throw this.#error(`no member of variable ${quote(variable)} begins there`, offset);
      if (this.#taken.has(relocation) || operations.has(member)) {
        throw this.#error(`two variables or relocations claim member ${quote(`${variable}.${member}`)}`, offset);
      }
      this.#taken.add(relocation);
      operations.set(member, this.#program(`${variable}.${member}`, relocation));
    }
    return operations;
  }

  #program(member: string, { offset, symbolIndex }: ElfRelocation): string {
    const symbol = this.#elf.symbols[symbolIndex];
    const section = symbol?.section;
    // A static function may be named by its section, with its place where the address is to be.
    const addend = Number(this.#elf.reader(this.#data.section).u64(offset));
    const found =
      symbol === undefined || section === undefined
        ? undefined
        : this.#functions.at(section, symbol.value + addend, symbol.type === SymbolType.FUNC ? symbol : undefined);
    if (found === undefined) throw this.#error(`member ${quote(member)} is not a program of this object`, offset);
    return found.symbol.name;
  }

  #error(problem: string, offset: number): ObjectFormatError {
    return new ObjectFormatError(problem, { object: this.#elf.name, section: this.#data.name, offset });
  }
}
