import { ByteWriter } from '../binary/index.js';
import { ElfMachine, ElfType, SectionIndex, SectionType, SymbolBinding } from './elf-constants.js';
import { StringTableWriter } from './string-table-writer.js';

const HEADER_SIZE = 64;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
const REL_SIZE = 16;

/** A section to be written. What is left out is 0, the type PROGBITS. */
export interface ElfSectionFields {
  readonly name: string;
  readonly type?: number;
  readonly flags?: number;
  readonly bytes?: Uint8Array;
  /** In bytes, for NOBITS; otherwise the length of `bytes` unless given. */
  readonly size?: number;
  readonly link?: number;
  readonly info?: number;
  readonly entrySize?: number;
  readonly alignment?: number;
}

/** A symbol to be written. What is left out is 0 or empty. */
export interface ElfSymbolFields {
  readonly name?: string;
  /** An index from {@link ElfWriter.section} or one of `SectionIndex`. */
  readonly section?: number;
  readonly value?: number;
  readonly size?: number;
  readonly type?: number;
  readonly binding?: number;
  readonly visibility?: number;
}

/** What the ELF header says. */
export interface ElfWriterOptions {
  readonly littleEndian: boolean;
  readonly type?: number;
  readonly machine?: number;
}

interface Relocation {
  readonly offset: number;
  readonly symbol: number;
  readonly type: number;
}

/**
 * Writes an ELF64 file of either byte order: sections as they come, then the symbol table, the relocations (SHT_REL) of
 * each section and the names.
 *
 * @example
 * ```ts
 * const elf = new ElfWriter({ littleEndian: true });
 * const section = elf.section({ name: 'socket', bytes: code, flags: SectionFlag.ALLOC | SectionFlag.EXECINSTR });
 * elf.symbol({ name: 'filter', section, size: code.byteLength, type: SymbolType.FUNC, binding: SymbolBinding.GLOBAL });
 * const file = elf.encode();
 * ```
 */
export class ElfWriter {
  readonly littleEndian: boolean;
  type: number;
  machine: number;
  /** Puts the counts of sections into the null section's header, as files of 65,280 sections and more must. */
  extendedNumbering = false;
  readonly #sections: ElfSectionFields[] = [{ name: '', type: SectionType.NULL, alignment: 0 }];
  readonly #symbols: ElfSymbolFields[] = [{}];
  readonly #relocations = new Map<number, Relocation[]>();

  constructor(options: ElfWriterOptions) {
    this.littleEndian = options.littleEndian;
    this.type = options.type ?? ElfType.REL;
    this.machine = options.machine ?? ElfMachine.BPF;
  }

  /** Returns the section's index. */
  section(fields: ElfSectionFields): number {
    this.#sections.push(fields);
    return this.#sections.length - 1;
  }

  /** Returns a number to name the symbol by in {@link relocation}. In the file local symbols come first, as ELF wants it. */
  symbol(fields: ElfSymbolFields): number {
    this.#symbols.push(fields);
    return this.#symbols.length - 1;
  }

  /** An SHT_REL entry for that section. */
  relocation(section: number, offset: number, symbol: number, type = 1): this {
    const entries = this.#relocations.get(section) ?? [];
    entries.push({ offset, symbol, type });
    this.#relocations.set(section, entries);
    return this;
  }

  /** The file. The writer can be added to afterwards. */
  encode(): Uint8Array {
    const sections = [...this.#sections];
    const order = this.#symbolOrder();
    const numbers = new Map(order.map((symbol, number) => [symbol, number]));
    const symbolTable = sections.length;
    const strings = new StringTableWriter();
    sections.push({
      name: '.symtab',
      type: SectionType.SYMTAB,
      bytes: this.#encodeSymbols(order, strings),
      link: symbolTable + 1,
      entrySize: SYMBOL_SIZE,
      info: order.filter((symbol) => isLocal(this.#symbols[symbol])).length,
      alignment: 8,
    });
    sections.push({ name: '.strtab', type: SectionType.STRTAB, bytes: strings.toBytes() });
    if (this.#needsExtendedIndices()) sections.push(this.#extendedIndices(order, symbolTable));
    for (const [target, entries] of this.#relocations) {
      const name = `.rel${sections[target]?.name ?? ''}`;
      const bytes = this.#encodeRelocations(entries, numbers);
      const rest = { link: symbolTable, info: target, entrySize: REL_SIZE, alignment: 8 };
      sections.push({ name, type: SectionType.REL, bytes, ...rest });
    }
    const names = new StringTableWriter();
    for (const section of sections) names.add(section.name);
    names.add('.shstrtab');
    sections.push({ name: '.shstrtab', type: SectionType.STRTAB, bytes: names.toBytes() });
    return this.#encodeFile(sections, names);
  }

  #encodeFile(sections: readonly ElfSectionFields[], names: StringTableWriter): Uint8Array {
    const contents = new ByteWriter({ littleEndian: this.littleEndian });
    const offsets = sections.map((section) => {
      contents.align(Math.max(section.alignment ?? 8, 1));
      const offset = HEADER_SIZE + contents.length;
      contents.append(section.bytes ?? new Uint8Array(0));
      return offset;
    });
    contents.align(8);
    const extended = this.extendedNumbering || sections.length >= SectionIndex.LORESERVE;
    const namesIndex = sections.length - 1;
    const capacity = HEADER_SIZE + contents.length + sections.length * SECTION_HEADER_SIZE;
    const file = new ByteWriter({ littleEndian: this.littleEndian, capacity });
    file.append(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, this.littleEndian ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    file.u16(this.type).u16(this.machine).u32(1).u64(0n).u64(0n);
    file.u64(BigInt(HEADER_SIZE + contents.length)).u32(0);
    file.u16(HEADER_SIZE).u16(0).u16(0).u16(SECTION_HEADER_SIZE);
    if (extended) file.u16(0).u16(SectionIndex.XINDEX);
    else file.u16(sections.length).u16(namesIndex);
    file.append(contents.toBytes());
    for (const [index, section] of sections.entries()) {
      const counts = index === 0 && extended;
      file.u32(index === 0 ? 0 : names.add(section.name));
      file.u32(section.type ?? SectionType.PROGBITS);
      file.u64(BigInt(section.flags ?? 0)).u64(0n);
      file.u64(BigInt(index === 0 ? 0 : (offsets[index] ?? 0)));
      file.u64(BigInt(counts ? sections.length : (section.size ?? section.bytes?.byteLength ?? 0)));
      file.u32(counts ? namesIndex : (section.link ?? 0)).u32(section.info ?? 0);
      file.u64(BigInt(section.alignment ?? 1)).u64(BigInt(section.entrySize ?? 0));
    }
    return file.toBytes();
  }

  #symbolOrder(): number[] {
    const all = [...this.#symbols.keys()];
    const local = all.filter((symbol) => isLocal(this.#symbols[symbol]));
    return [...local, ...all.filter((symbol) => !isLocal(this.#symbols[symbol]))];
  }

  #encodeSymbols(order: readonly number[], strings: StringTableWriter): Uint8Array {
    const writer = new ByteWriter({ littleEndian: this.littleEndian, capacity: order.length * SYMBOL_SIZE });
    for (const index of order) {
      const {
        name = '',
        section = 0,
        value = 0,
        size = 0,
        type = 0,
        binding = 0,
        visibility = 0,
      } = this.#symbols[index] ?? {};
      writer.u32(strings.add(name));
      writer.u8((binding << 4) | type).u8(visibility);
      writer.u16(this.#isExtended(section) ? SectionIndex.XINDEX : section);
      writer.u64(BigInt(value)).u64(BigInt(size));
    }
    return writer.toBytes();
  }

  /** A section's own index that is among those which mean something else. */
  #isExtended(section: number): boolean {
    const special = section === SectionIndex.ABS || section === SectionIndex.COMMON;
    return section >= SectionIndex.LORESERVE && section < this.#sections.length && !special;
  }

  #needsExtendedIndices(): boolean {
    return this.#symbols.some(({ section = 0 }) => this.#isExtended(section));
  }

  #extendedIndices(order: readonly number[], symbolTable: number): ElfSectionFields {
    const writer = new ByteWriter({ littleEndian: this.littleEndian, capacity: order.length * 4 });
    for (const index of order) {
      const section = this.#symbols[index]?.section ?? 0;
      writer.u32(this.#isExtended(section) ? section : 0);
    }
    const rest = { link: symbolTable, entrySize: 4, alignment: 4 };
    return { name: '.symtab_shndx', type: SectionType.SYMTAB_SHNDX, bytes: writer.toBytes(), ...rest };
  }

  #encodeRelocations(entries: readonly Relocation[], numbers: ReadonlyMap<number, number>): Uint8Array {
    const writer = new ByteWriter({ littleEndian: this.littleEndian, capacity: entries.length * REL_SIZE });
    for (const { offset, symbol, type } of entries) {
      // A number that is no symbol's is written as it is: the file is as malformed as what was asked for.
      const number = numbers.get(symbol) ?? symbol;
      writer.u64(BigInt(offset)).u64((BigInt(number) << 32n) | BigInt(type));
    }
    return writer.toBytes();
  }
}

function isLocal(symbol: ElfSymbolFields | undefined): boolean {
  return (symbol?.binding ?? SymbolBinding.LOCAL) === SymbolBinding.LOCAL;
}
