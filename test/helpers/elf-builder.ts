import { ByteWriter } from '../../lib/binary/index.js';
import {
  ElfMachine,
  ElfType,
  SectionFlag,
  SectionIndex,
  SectionType,
  SymbolBinding,
  SymbolType,
} from '../../lib/elf/index.js';

const HEADER_SIZE = 64;
const SECTION_HEADER_SIZE = 64;

export interface SectionFields {
  name: string;
  type?: number;
  flags?: number;
  bytes?: Uint8Array;
  /** For NOBITS; otherwise what the header claims instead of the bytes' length. */
  size?: number;
  link?: number;
  info?: number;
  entrySize?: number;
  alignment?: number;
}

export interface SymbolFields {
  name?: string;
  /** An index from {@link ElfBuilder.section} or one of `SectionIndex`. */
  section?: number;
  value?: number;
  size?: number;
  type?: number;
  binding?: number;
  visibility?: number;
}

/** Assembles small ELF64 files, well-formed or not, in either byte order. */
export class ElfBuilder {
  readonly littleEndian: boolean;
  type: number = ElfType.REL;
  machine: number = ElfMachine.BPF;
  /** Puts the numbers of sections into the null section's header, as files of over 65,279 sections do. */
  extendedNumbering = false;
  readonly #sections: SectionFields[] = [{ name: '', type: SectionType.NULL }];
  readonly #symbols: SymbolFields[] = [{}];
  readonly #relocations = new Map<number, { offset: number; symbol: number; type: number }[]>();

  constructor(options: { littleEndian?: boolean } = {}) {
    this.littleEndian = options.littleEndian ?? true;
  }

  /** Returns the section's index. */
  section(fields: SectionFields): number {
    this.#sections.push(fields);
    return this.#sections.length - 1;
  }

  /** A section of code. */
  code(name: string, bytes: Uint8Array): number {
    return this.section({ name, bytes, flags: SectionFlag.ALLOC | SectionFlag.EXECINSTR, alignment: 8 });
  }

  /** A section of global variables; zeros when `bytes` is a number. */
  data(name: string, bytes: Uint8Array | number): number {
    return typeof bytes === 'number'
      ? this.section({ name, type: SectionType.NOBITS, size: bytes, flags: SectionFlag.ALLOC | SectionFlag.WRITE })
      : this.section({ name, bytes, flags: SectionFlag.ALLOC | SectionFlag.WRITE });
  }

  /** Returns the symbol's index. */
  symbol(fields: SymbolFields): number {
    this.#symbols.push(fields);
    return this.#symbols.length - 1;
  }

  /** A global function of that section. */
  function(name: string, section: number, value: number, size: number, binding: number = SymbolBinding.GLOBAL): number {
    return this.symbol({ name, section, value, size, type: SymbolType.FUNC, binding });
  }

  /** An SHT_REL entry for that section. */
  relocation(section: number, offset: number, symbol: number, type = 1): this {
    const entries = this.#relocations.get(section) ?? [];
    entries.push({ offset, symbol, type });
    this.#relocations.set(section, entries);
    return this;
  }

  encode(): Uint8Array {
    const sections = [...this.#sections];
    const symbolTable = sections.length;
    const strings = new Strings();
    const symbolBytes = this.#encodeSymbols(strings);
    sections.push({
      name: '.symtab',
      type: SectionType.SYMTAB,
      bytes: symbolBytes,
      link: symbolTable + 1,
      entrySize: 24,
      info: 1,
    });
    sections.push({ name: '.strtab', type: SectionType.STRTAB, bytes: strings.toBytes() });
    for (const [target, entries] of this.#relocations) {
      const name = `.rel${sections[target]?.name ?? ''}`;
      const bytes = this.#encodeRelocations(entries);
      sections.push({ name, type: SectionType.REL, bytes, link: symbolTable, info: target, entrySize: 16 });
    }
    const names = new Strings();
    for (const section of sections) names.add(section.name);
    names.add('.shstrtab');
    sections.push({ name: '.shstrtab', type: SectionType.STRTAB, bytes: names.toBytes() });
    return this.#encodeFile(sections, names);
  }

  #encodeFile(sections: readonly SectionFields[], names: Strings): Uint8Array {
    const contents = new ByteWriter({ littleEndian: this.littleEndian });
    const offsets = sections.map((section) => {
      contents.align(section.alignment ?? 8);
      const offset = HEADER_SIZE + contents.length;
      contents.append(section.bytes ?? new Uint8Array(0));
      return offset;
    });
    contents.align(8);
    const file = new ByteWriter({ littleEndian: this.littleEndian });
    file.append(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, this.littleEndian ? 1 : 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    file.u16(this.type).u16(this.machine).u32(1).u64(0n).u64(0n);
    file
      .u64(BigInt(HEADER_SIZE + contents.length))
      .u32(0)
      .u16(HEADER_SIZE)
      .u16(0)
      .u16(0)
      .u16(SECTION_HEADER_SIZE);
    const namesIndex = sections.length - 1;
    if (this.extendedNumbering) file.u16(0).u16(SectionIndex.XINDEX);
    else file.u16(sections.length).u16(namesIndex);
    file.append(contents.toBytes());
    for (const [index, section] of sections.entries()) {
      const isFirst = index === 0 && this.extendedNumbering;
      file.u32(index === 0 ? 0 : names.add(section.name));
      file.u32(section.type ?? SectionType.PROGBITS);
      file.u64(BigInt(section.flags ?? 0)).u64(0n);
      file.u64(BigInt(index === 0 ? 0 : (offsets[index] ?? 0)));
      file.u64(BigInt(isFirst ? sections.length : (section.size ?? section.bytes?.byteLength ?? 0)));
      file.u32(isFirst ? namesIndex : (section.link ?? 0)).u32(section.info ?? 0);
      file.u64(BigInt(section.alignment ?? 1)).u64(BigInt(section.entrySize ?? 0));
    }
    return file.toBytes();
  }

  #encodeSymbols(strings: Strings): Uint8Array {
    const writer = new ByteWriter({ littleEndian: this.littleEndian });
    for (const symbol of this.#symbols) {
      writer.u32(strings.add(symbol.name ?? ''));
      writer.u8(((symbol.binding ?? 0) << 4) | (symbol.type ?? 0)).u8(symbol.visibility ?? 0);
      writer
        .u16(symbol.section ?? 0)
        .u64(BigInt(symbol.value ?? 0))
        .u64(BigInt(symbol.size ?? 0));
    }
    return writer.toBytes();
  }

  #encodeRelocations(entries: readonly { offset: number; symbol: number; type: number }[]): Uint8Array {
    const writer = new ByteWriter({ littleEndian: this.littleEndian });
    for (const { offset, symbol, type } of entries) {
      writer.u64(BigInt(offset)).u64((BigInt(symbol) << 32n) | BigInt(type));
    }
    return writer.toBytes();
  }
}

class Strings {
  readonly #writer = new ByteWriter({ littleEndian: true }).u8(0);
  readonly #offsets = new Map<string, number>([['', 0]]);

  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#writer.length;
    this.#writer.append(Buffer.from(text, 'utf8')).u8(0);
    this.#offsets.set(text, offset);
    return offset;
  }

  toBytes(): Uint8Array {
    return this.#writer.toBytes();
  }
}
