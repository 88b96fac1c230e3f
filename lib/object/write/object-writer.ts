import { ElfWriter, SymbolType, type ElfSectionFields, type ElfSymbolFields } from '../../elf/index.js';
import type { ObjectSpec } from '../object-spec.js';

/** `R_BPF_*` of LLVM; loaders go by the instruction, linkers by these. */
export const RelocationType = { LOAD_64: 1, ABSOLUTE_64: 2, CALL: 10 } as const;

/** A section of the file, and the symbols that lie in it by their offset. */
interface WrittenSection {
  readonly index: number;
  readonly symbols: Map<number, number>;
  ownSymbol: number | undefined;
}

/** The file being written: sections by name, symbols by what they stand for. */
export class ObjectWriter {
  readonly spec: ObjectSpec;
  readonly elf: ElfWriter;
  readonly #sections = new Map<string, WrittenSection>();
  readonly #externs = new Map<string, number>();

  constructor(spec: ObjectSpec) {
    this.spec = spec;
    this.elf = new ElfWriter({ littleEndian: spec.littleEndian });
  }

  section(fields: ElfSectionFields): void {
    const index = this.elf.section(fields);
    this.#sections.set(fields.name, { index, symbols: new Map(), ownSymbol: undefined });
  }

  has(section: string): boolean {
    return this.#sections.has(section);
  }

  /** A symbol in that section. What is there first at an offset is what relocations of data use. */
  symbol(section: string, fields: ElfSymbolFields): number {
    const written = this.#written(section);
    const symbol = this.elf.symbol({ ...fields, section: written.index });
    const { value = 0 } = fields;
    if (!written.symbols.has(value)) written.symbols.set(value, symbol);
    return symbol;
  }

  /** A symbol at that offset of a section, made when there is none: the section's own at its beginning. */
  symbolAt(section: string, offset: number): number {
    const known = this.#written(section).symbols.get(offset);
    if (known !== undefined) return known;
    if (offset === 0) return this.sectionSymbol(section);
    const name = `.L${section}+0x${offset.toString(16)}`;
    return this.symbol(section, { name, value: offset, type: SymbolType.OBJECT });
  }

  sectionSymbol(section: string): number {
    const written = this.#written(section);
    written.ownSymbol ??= this.elf.symbol({ section: written.index, type: SymbolType.SECTION });
    return written.ownSymbol;
  }

  extern(name: string, fields: ElfSymbolFields): void {
    this.#externs.set(name, this.elf.symbol({ ...fields, name }));
  }

  externSymbol(name: string): number | undefined {
    return this.#externs.get(name);
  }

  relocation(section: string, offset: number, symbol: number, type: number): void {
    this.elf.relocation(this.#written(section).index, offset, symbol, type);
  }

  #written(section: string): WrittenSection {
    const written = this.#sections.get(section);
    if (written === undefined) throw new RangeError(`section ${section} was not written`);
    return written;
  }
}
