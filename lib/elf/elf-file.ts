import { ByteReader } from '../binary/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import { SectionIndex, SectionType } from './elf-constants.js';
import type { ElfRelocation } from './elf-relocation.js';
import type { ElfSection } from './elf-section.js';
import type { ElfSymbol } from './elf-symbol.js';
import { StringTable } from './string-table.js';

const HEADER_SIZE = 64;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
const REL_SIZE = 16;
const RELA_SIZE = 24;

const CLASS_64 = 2;
const DATA_LITTLE_ENDIAN = 1;
const DATA_BIG_ENDIAN = 2;

/** An ELF64 file of either byte order: sections at once, symbols and relocations when asked for. Nothing is copied. */
export class ElfFile {
  /** What the file is called in errors. */
  readonly name: string;
  readonly littleEndian: boolean;
  /** One of `ElfType`. */
  readonly type: number;
  /** One of `ElfMachine`, or another machine's number. */
  readonly machine: number;
  /** By index; the first is the null section. Empty when the file has no section headers. */
  readonly sections: readonly ElfSection[];
  readonly #byName = new Map<string, ElfSection>();
  #symbols: readonly ElfSymbol[] | undefined;
  #relocationSections: Map<number, ElfSection[]> | undefined;

  private constructor(reader: ByteReader) {
    this.name = reader.object;
    this.littleEndian = reader.littleEndian;
    this.type = reader.u16(16);
    this.machine = reader.u16(18);
    this.sections = readSections(reader);
    for (const section of this.sections) {
      if (section.index !== 0 && !this.#byName.has(section.name)) this.#byName.set(section.name, section);
    }
  }

  /**
   * Reads headers and sections.
   *
   * @throws ObjectFormatError when the bytes are not a well-formed ELF64 file.
   */
  static parse(bytes: Uint8Array, options: { name: string }): ElfFile {
    const fail = (problem: string, offset: number): ObjectFormatError =>
      new ObjectFormatError(problem, { object: options.name, offset });
    const [m0, m1, m2, m3, fileClass, encoding, version] = bytes;
    if (m0 !== 0x7f || m1 !== 0x45 || m2 !== 0x4c || m3 !== 0x46) {
      throw fail(bytes.byteLength === 0 ? 'the file is empty' : 'not an ELF file: the magic number is missing', 0);
    }
    if (bytes.byteLength < HEADER_SIZE) throw fail('the file ends inside the ELF header', bytes.byteLength);
    if (fileClass !== CLASS_64) throw fail(`ELF class ${String(fileClass)}: only 64-bit ELF is read`, 4);
    if (encoding !== DATA_LITTLE_ENDIAN && encoding !== DATA_BIG_ENDIAN) {
      throw fail(`ELF data encoding ${String(encoding)} is neither little- nor big-endian`, 5);
    }
    if (version !== 1) throw fail(`ELF version ${String(version)} is unknown`, 6);
    return new ElfFile(new ByteReader(bytes, { littleEndian: encoding === DATA_LITTLE_ENDIAN, object: options.name }));
  }

  /** The first section of that name. */
  section(name: string): ElfSection | undefined {
    return this.#byName.get(name);
  }

  /**
   * The entries of SHT_SYMTAB by index; empty for a stripped file.
   *
   * @throws ObjectFormatError when there are two tables or the table is malformed.
   */
  get symbols(): readonly ElfSymbol[] {
    this.#symbols ??= this.#readSymbols();
    return this.#symbols;
  }

  /**
   * Every relocation of `target`, in the file's order.
   *
   * @throws ObjectFormatError when a relocation section is malformed or names a symbol that does not exist.
   */
  relocations(target: ElfSection): readonly ElfRelocation[] {
    this.#relocationSections ??= relocationSections(this.sections);
    const relocations: ElfRelocation[] = [];
    for (const section of this.#relocationSections.get(target.index) ?? []) {
      this.#readRelocations(section, relocations);
    }
    return relocations;
  }

  /** A reader over a section's bytes, whose errors name the section. */
  reader(section: ElfSection): ByteReader {
    return new ByteReader(section.bytes, {
      littleEndian: this.littleEndian,
      object: this.name,
      section: section.name,
    });
  }

  #readSymbols(): readonly ElfSymbol[] {
    const tables = this.sections.filter((section) => section.type === SectionType.SYMTAB);
    const [table, second] = tables;
    if (table === undefined) return [];
    const reader = this.reader(table);
    if (second !== undefined) throw reader.error(`a second symbol table, ${quote(second.name)}; one is allowed`);
    if (table.entrySize !== SYMBOL_SIZE || table.bytes.byteLength % SYMBOL_SIZE !== 0) {
      throw reader.error(
        `a symbol table of ${table.bytes.byteLength} bytes with entries of ${table.entrySize}; entries have ${SYMBOL_SIZE}`,
      );
    }
    const strings = this.#stringTable(table);
    const extended = this.#extendedIndices(table);
    const symbols: ElfSymbol[] = [];
    for (let index = 0, at = 0; at < table.bytes.byteLength; index++, at += SYMBOL_SIZE) {
      const information = reader.u8(at + 4);
      const written = reader.u16(at + 6);
      let sectionIndex = written;
      if (written === SectionIndex.XINDEX) {
        if (extended === undefined) throw reader.error(`symbol ${index} needs an SHT_SYMTAB_SHNDX section`, at + 6);
        sectionIndex = extended.u32(index * 4);
      }
      const reserved = written >= SectionIndex.LORESERVE && written !== SectionIndex.XINDEX;
      const section = reserved || sectionIndex === SectionIndex.UNDEF ? undefined : this.sections[sectionIndex];
      if (section === undefined && !reserved && sectionIndex !== SectionIndex.UNDEF) {
        throw reader.error(`symbol ${index} lies in section ${sectionIndex} of ${this.sections.length}`, at + 6);
      }
      symbols.push({
        index,
        name: strings.at(reader.u32(at)),
        value: addressAsNumber(reader, at + 8),
        size: reader.u64AsNumber(at + 16),
        type: information & 0xf,
        binding: information >> 4,
        visibility: reader.u8(at + 5) & 3,
        sectionIndex,
        section,
      });
    }
    return symbols;
  }

  #stringTable(table: ElfSection): StringTable {
    const strings = this.sections[table.link];
    if (strings?.type !== SectionType.STRTAB) {
      throw this.reader(table).error(`its string table, section ${table.link}, is not a string table`);
    }
    return new StringTable(strings.bytes, { object: this.name, section: strings.name });
  }

  #extendedIndices(table: ElfSection): ByteReader | undefined {
    const section = this.sections.find(
      (candidate) => candidate.type === SectionType.SYMTAB_SHNDX && candidate.link === table.index,
    );
    return section === undefined ? undefined : this.reader(section);
  }

  #readRelocations(section: ElfSection, relocations: ElfRelocation[]): void {
    const reader = this.reader(section);
    const withAddend = section.type === SectionType.RELA;
    const size = withAddend ? RELA_SIZE : REL_SIZE;
    if (section.entrySize !== size || section.bytes.byteLength % size !== 0) {
      throw reader.error(
        `a relocation section of ${section.bytes.byteLength} bytes with entries of ${section.entrySize}; entries have ${size}`,
      );
    }
    const symbolTable = this.sections[section.link];
    if (symbolTable?.type !== SectionType.SYMTAB) {
      throw reader.error(`its symbol table, section ${section.link}, is not the symbol table`);
    }
    const symbolCount = this.symbols.length;
    for (let at = 0; at < section.bytes.byteLength; at += size) {
      // r_info is one 64-bit number, symbol index above type, so its halves swap with the byte order.
      const symbolIndex = reader.u32(at + (this.littleEndian ? 12 : 8));
      if (symbolIndex >= symbolCount) throw reader.error(`symbol ${symbolIndex} of ${symbolCount} is named`, at + 8);
      relocations.push({
        offset: reader.u64AsNumber(at),
        symbolIndex,
        type: reader.u32(at + (this.littleEndian ? 8 : 12)),
        addend: withAddend ? Number(reader.i64(at + 16)) : undefined,
      });
    }
  }
}

/** The sections that hold relocations, by the index of the section they relocate. */
function relocationSections(sections: readonly ElfSection[]): Map<number, ElfSection[]> {
  const byTarget = new Map<number, ElfSection[]>();
  for (const section of sections) {
    if (section.type !== SectionType.REL && section.type !== SectionType.RELA) continue;
    const others = byTarget.get(section.info);
    if (others === undefined) byTarget.set(section.info, [section]);
    else others.push(section);
  }
  return byTarget;
}

function readSections(reader: ByteReader): ElfSection[] {
  const tableOffset = reader.u64AsNumber(40);
  if (tableOffset === 0) return [];
  const entrySize = reader.u16(58);
  if (entrySize !== SECTION_HEADER_SIZE) {
    throw reader.error(`section headers of ${entrySize} bytes; ELF64 has ${SECTION_HEADER_SIZE}`, 58);
  }
  // System V ABI, "ELF header": counts that do not fit 16 bits stand in the null section's header.
  const count = reader.u16(60) || reader.u64AsNumber(tableOffset + 32);
  const namesIndex = reader.u16(62) === SectionIndex.XINDEX ? reader.u32(tableOffset + 40) : reader.u16(62);
  reader.check(tableOffset, count * SECTION_HEADER_SIZE);
  if (namesIndex >= count) throw reader.error(`section names stand in section ${namesIndex} of ${count}`, 62);

  const headerAt = (index: number): number => tableOffset + index * SECTION_HEADER_SIZE;
  const names = sectionNames(reader, headerAt(namesIndex));
  const sections: ElfSection[] = [];
  for (let index = 0; index < count; index++) {
    const at = headerAt(index);
    const name = index === 0 ? '' : (names?.at(reader.u32(at)) ?? '');
    sections.push({
      index,
      name,
      type: reader.u32(at + 4),
      flags: Number(reader.u64(at + 8) & 0xffff_ffffn),
      offset: reader.u64AsNumber(at + 24),
      size: reader.u64AsNumber(at + 32),
      link: reader.u32(at + 40),
      info: reader.u32(at + 44),
      alignment: reader.u64AsNumber(at + 48),
      entrySize: reader.u64AsNumber(at + 56),
      bytes: sectionBytes(reader, at, name),
    });
  }
  return sections;
}

/** Undefined when the file says that its sections have no names (e_shstrndx is SHN_UNDEF). */
function sectionNames(reader: ByteReader, at: number): StringTable | undefined {
  const type = reader.u32(at + 4);
  if (type === SectionType.NULL) return undefined;
  if (type !== SectionType.STRTAB) throw reader.error('the section of section names is not a string table', 62);
  return new StringTable(sectionBytes(reader, at, '.shstrtab'), { object: reader.object, section: '.shstrtab' });
}

function sectionBytes(reader: ByteReader, at: number, name: string): Uint8Array {
  const type = reader.u32(at + 4);
  if (type === SectionType.NULL || type === SectionType.NOBITS) return new Uint8Array(0);
  const offset = reader.u64AsNumber(at + 24);
  const size = reader.u64AsNumber(at + 32);
  if (offset + size > reader.length) {
    throw new ObjectFormatError(`its ${size} bytes at file offset ${offset} exceed the file's ${reader.length} bytes`, {
      object: reader.object,
      section: name,
    });
  }
  return reader.slice(offset, size);
}

/** Addresses of kernel images are above 2^53; nobody computes with those, so they may round rather than be refused. */
function addressAsNumber(reader: ByteReader, at: number): number {
  return Number(reader.u64(at));
}
