import type { ByteReader } from '../binary/index.js';
import type { ByteSource } from './byte-source.js';
import { ElfMachine, ElfType, SectionType, SegmentFlag, SegmentType } from './elf-constants.js';
import { readElfHeaders, readerOf, type ElfHeaders, type ElfSectionHeader, type ElfSegment } from './elf-headers.js';
import { elfNotes } from './elf-notes.js';
import { ElfSymbolTable, type SymbolVersions } from './elf-symbol-table.js';
import { definedVersions } from './elf-versions.js';
import type { ElfLayout } from './elf-layout.js';
import { StringTable } from './string-table.js';

/** NT_GNU_BUILD_ID of the owner `GNU` (include/uapi/linux/elf.h, glibc's elf.h). */
const NOTE_BUILD_ID = 3;

/** Which file has what was stripped from another one. */
export interface ElfDebugLink {
  /** The file's name, without a folder. */
  readonly file: string;
  /** CRC-32 of that file's bytes. */
  readonly crc: number;
}

/**
 * A program, a library or a file of debugging symbols, of 32 or 64 bits and either byte order. Only its headers are read
 * at first, then what is asked for, so that it may be large.
 */
export class ElfImage {
  /** What the file is called in errors. */
  readonly name: string;
  readonly bits: 32 | 64;
  readonly littleEndian: boolean;
  /** One of `ElfType`. */
  readonly type: number;
  /** One of `ElfMachine`, or another machine's number. */
  readonly machine: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSectionHeader[];
  readonly #source: ByteSource;
  readonly #layout: ElfLayout;
  #symbols: Promise<ElfSymbolTable> | undefined;
  #dynamicSymbols: Promise<ElfSymbolTable> | undefined;

  private constructor(source: ByteSource, { layout, littleEndian, type, machine, segments, sections }: ElfHeaders) {
    this.name = source.name;
    this.bits = layout.bits;
    this.littleEndian = littleEndian;
    this.type = type;
    this.machine = machine;
    this.segments = segments;
    this.sections = sections;
    this.#source = source;
    this.#layout = layout;
  }

  /**
   * Reads the headers.
   *
   * @throws ObjectFormatError when they are malformed.
   */
  static async open(source: ByteSource): Promise<ElfImage> {
    return new ElfImage(source, await readElfHeaders(source));
  }

  /** False for a file that can be moved in memory: a library, and most programs of today. */
  get hasFixedAddresses(): boolean {
    return this.type === ElfType.EXEC;
  }

  /** The first section of that name. */
  section(name: string): ElfSectionHeader | undefined {
    return this.sections.find((section) => section.index !== 0 && section.name === name);
  }

  /** The bytes of a section; none of one that is only in memory. */
  async read({ type, offset, size, name }: ElfSectionHeader): Promise<ByteReader> {
    const length = type === SectionType.NOBITS || type === SectionType.NULL ? 0 : size;
    return readerOf(this.#source, { offset, length, littleEndian: this.littleEndian, section: name });
  }

  /** The bytes of a part of the file. */
  async readAt(offset: number, length: number): Promise<ByteReader> {
    return readerOf(this.#source, { offset, length, littleEndian: this.littleEndian });
  }

  /** The symbols of `.symtab`, all of them; none in a stripped file. Read once. */
  async symbols(): Promise<ElfSymbolTable> {
    this.#symbols ??= this.#readSymbols(SectionType.SYMTAB);
    return this.#symbols;
  }

  /** The symbols of `.dynsym`, by which files are linked at run time, with their versions. Read once. */
  async dynamicSymbols(): Promise<ElfSymbolTable> {
    this.#dynamicSymbols ??= this.#readSymbols(SectionType.DYNSYM);
    return this.#dynamicSymbols;
  }

  /** What tells this build of the file from others, in hexadecimal; undefined when the linker wrote none. */
  async buildId(): Promise<string | undefined> {
    const notes = [
      ...this.sections.filter(({ type }) => type === SectionType.NOTE),
      // Files without section headers; in one of debugging symbols, the segments' bytes are not there.
      ...(this.sections.length > 0 ? [] : this.segments.filter(({ type }) => type === SegmentType.NOTE)),
    ];
    for (const part of notes) {
      const alignment = 'alignment' in part ? part.alignment : 4;
      const reader = 'index' in part ? await this.read(part) : await this.readAt(part.offset, part.fileSize);
      for (const { owner, type, description } of elfNotes(reader, alignment)) {
        if (owner === 'GNU' && type === NOTE_BUILD_ID) return Buffer.from(description).toString('hex');
      }
    }
    return undefined;
  }

  /** Which file has the symbols that were stripped (section `.gnu_debuglink`); undefined when this one does not say. */
  async debugLink(): Promise<ElfDebugLink | undefined> {
    const section = this.section('.gnu_debuglink');
    if (section === undefined) return undefined;
    const reader = await this.read(section);
    const file = reader.string(0);
    // The checksum is the last four bytes, after padding.
    return { file, crc: reader.u32(Math.ceil((Buffer.byteLength(file) + 1) / 4) * 4) };
  }

  /**
   * Where in the file the byte at an address is, as the file was linked; undefined for an address that is not in the
   * file. Code is preferred where segments overlap.
   */
  fileOffset(address: number): number | undefined {
    const segment = this.segmentOf(address);
    return segment && address - segment.address + segment.offset;
  }

  /** The reverse of {@link fileOffset}. */
  address(fileOffset: number): number | undefined {
    const holds = ({ offset, fileSize }: ElfSegment): boolean => fileOffset >= offset && fileOffset < offset + fileSize;
    const segment = preferCode(this.segments.filter((each) => each.type === SegmentType.LOAD && holds(each)));
    return segment && fileOffset - segment.offset + segment.address;
  }

  /** The loaded segment that has the byte at an address. */
  segmentOf(address: number): ElfSegment | undefined {
    const holds = (segment: ElfSegment): boolean =>
      address >= segment.address && address < segment.address + segment.fileSize;
    return preferCode(this.segments.filter((each) => each.type === SegmentType.LOAD && holds(each)));
  }

  async #readSymbols(type: number): Promise<ElfSymbolTable> {
    const section = this.sections.find((each) => each.type === type);
    if (section === undefined) {
      const nothing = await this.readAt(0, 0);
      return new ElfSymbolTable(nothing, nothing, this.#layout);
    }
    const table = await this.read(section);
    if (section.entrySize !== this.#layout.symbol.bytes) {
      throw table.error(`symbols of ${section.entrySize} bytes; there ${this.#layout.symbol.bytes} belong`);
    }
    const strings = await this.#stringsOf(section, table);
    const versions = type === SectionType.DYNSYM ? await this.#versions() : undefined;
    return new ElfSymbolTable(table, strings, this.#layout, versions);
  }

  async #stringsOf(section: ElfSectionHeader, reader: ByteReader): Promise<ByteReader> {
    const strings = this.sections[section.link];
    if (strings?.type !== SectionType.STRTAB) {
      throw reader.error(`its string table, section ${section.link}, is not a string table`);
    }
    return this.read(strings);
  }

  async #versions(): Promise<SymbolVersions | undefined> {
    const indices = this.sections.find(({ type }) => type === SectionType.GNU_VERSYM);
    const section = this.sections.find(({ type }) => type === SectionType.GNU_VERDEF);
    if (indices === undefined || section === undefined) return undefined;
    const definitions = await this.read(section);
    const { bytes } = await this.#stringsOf(section, definitions);
    const strings = new StringTable(bytes, { object: this.name, section: section.name });
    return { indices: await this.read(indices), names: definedVersions(definitions, (offset) => strings.at(offset)) };
  }
}

function preferCode(segments: readonly ElfSegment[]): ElfSegment | undefined {
  return segments.find(({ flags }) => (flags & SegmentFlag.EXECUTE) !== 0) ?? segments[0];
}

/** The number in ELF files of the processor that this process runs on; undefined for one that is not known here. */
export function elfMachineOf(architecture: string): number | undefined {
  return machines.get(architecture);
}

const machines = new Map<string, number>([
  ['x64', ElfMachine.X86_64],
  ['arm64', ElfMachine.AARCH64],
  ['s390x', ElfMachine.S390],
  ['riscv64', ElfMachine.RISCV],
  ['loong64', ElfMachine.LOONGARCH],
  ['ppc64', ElfMachine.PPC64],
]);
