import { ByteReader } from '../binary/index.js';
import { ObjectFormatError } from '../errors/index.js';
import type { ByteSource } from './byte-source.js';
import { SectionIndex, SectionType } from './elf-constants.js';
import { elfLayout, readWord, type ElfLayout } from './elf-layout.js';
import { StringTable } from './string-table.js';

/** A program header: a part of the file and where it lies in memory. */
export interface ElfSegment {
  /** One of `SegmentType`, or another number. */
  readonly type: number;
  /** `SegmentFlag` bits. */
  readonly flags: number;
  /** Where the bytes begin in the file. */
  readonly offset: number;
  /** As the file was linked. */
  readonly address: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

/** A section header of a file whose bytes are not in memory. */
export interface ElfSectionHeader {
  readonly index: number;
  readonly name: string;
  /** One of `SectionType`, or another number. */
  readonly type: number;
  /** `SectionFlag` bits; the low 32. */
  readonly flags: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly alignment: number;
  readonly entrySize: number;
}

/** What the headers of an ELF file say. */
export interface ElfHeaders {
  readonly layout: ElfLayout;
  readonly littleEndian: boolean;
  /** One of `ElfType`. */
  readonly type: number;
  /** One of `ElfMachine`, or another machine's number. */
  readonly machine: number;
  readonly segments: readonly ElfSegment[];
  readonly sections: readonly ElfSectionHeader[];
}

/** More than any file has in headers or symbols: what is larger is not read. */
const LARGEST_READ = 1 << 29;

/** PN_XNUM: the count of program headers stands in the first section header. */
const MANY_SEGMENTS = 0xffff;

/** Bytes of a source as a reader, whose offsets are the file's section's. */
export async function readerOf(
  source: ByteSource,
  {
    offset,
    length,
    littleEndian,
    section,
  }: { offset: number; length: number; littleEndian: boolean; section?: string },
): Promise<ByteReader> {
  if (offset + length > source.size || length > LARGEST_READ) {
    throw new ObjectFormatError(
      length > LARGEST_READ && offset + length <= source.size
        ? `its ${length} bytes are more than the ${LARGEST_READ} that are read`
        : `its ${length} bytes at file offset ${offset} exceed the file's ${source.size} bytes`,
      { object: source.name, section },
    );
  }
  const bytes = length === 0 ? new Uint8Array(0) : await source.read(offset, length);
  return new ByteReader(bytes, { littleEndian, object: source.name, section });
}

/**
 * Reads the headers of an ELF file of either width and byte order.
 *
 * @throws ObjectFormatError when they are malformed.
 */
export async function readElfHeaders(source: ByteSource): Promise<ElfHeaders> {
  const start = await source.read(0, Math.min(source.size, 64));
  const { layout, littleEndian } = identify(start, source.name);
  const header = new ByteReader(start, { littleEndian, object: source.name });
  header.check(0, layout.header.size);
  const table = { source, layout, littleEndian };

  const sectionTable = readWord(header, layout, layout.header.sections);
  let sectionCount = header.u16(layout.header.flags + 12);
  let namesIndex = header.u16(layout.header.flags + 14);
  let segmentCount = header.u16(layout.header.flags + 8);
  if (sectionTable !== 0) {
    requireEntrySize(header, layout.header.flags + 10, layout.section.bytes, 'section headers');
    // System V ABI, "ELF header": counts that do not fit 16 bits stand in the null section's header.
    if (sectionCount === 0 || namesIndex === SectionIndex.XINDEX || segmentCount === MANY_SEGMENTS) {
      const first = await readTable({ ...table, offset: sectionTable, count: 1, entry: layout.section.bytes });
      if (sectionCount === 0) sectionCount = readWord(first, layout, layout.section.size);
      if (namesIndex === SectionIndex.XINDEX) namesIndex = first.u32(layout.section.link);
      if (segmentCount === MANY_SEGMENTS) segmentCount = first.u32(layout.section.info);
    }
  } else {
    sectionCount = 0;
  }
  const segmentTable = readWord(header, layout, layout.header.segments);
  if (segmentTable === 0) segmentCount = 0;
  if (segmentCount > 0) {
    requireEntrySize(header, layout.header.flags + 6, layout.segment.bytes, 'program headers');
  }
  const [segments, sections] = await Promise.all([
    readTable({ ...table, offset: segmentTable, count: segmentCount, entry: layout.segment.bytes }),
    readTable({ ...table, offset: sectionTable, count: sectionCount, entry: layout.section.bytes }),
  ]);
  return {
    layout,
    littleEndian,
    type: header.u16(16),
    machine: header.u16(18),
    segments: Array.from({ length: segmentCount }, (_, index) => segmentAt(segments, layout, index)),
    sections: await namedSections({ ...table, table: sections, count: sectionCount, namesIndex }),
  };
}

function identify(bytes: Uint8Array, name: string): { layout: ElfLayout; littleEndian: boolean } {
  const fail = (problem: string, offset: number): ObjectFormatError =>
    new ObjectFormatError(problem, { object: name, offset });
  const [m0, m1, m2, m3, fileClass, encoding, version] = bytes;
  if (m0 !== 0x7f || m1 !== 0x45 || m2 !== 0x4c || m3 !== 0x46) {
    throw fail(bytes.byteLength === 0 ? 'the file is empty' : 'not an ELF file: the magic number is missing', 0);
  }
  const layout = elfLayout(fileClass);
  if (layout === undefined) throw fail(`ELF class ${String(fileClass)} is unknown`, 4);
  if (encoding !== 1 && encoding !== 2) {
    throw fail(`ELF data encoding ${String(encoding)} is neither little- nor big-endian`, 5);
  }
  if (version !== 1) throw fail(`ELF version ${String(version)} is unknown`, 6);
  return { layout, littleEndian: encoding === 1 };
}

function requireEntrySize(header: ByteReader, at: number, wanted: number, what: string): void {
  const size = header.u16(at);
  if (size !== wanted) throw header.error(`${what} of ${size} bytes; there ${wanted} belong`, at);
}

interface Table {
  readonly source: ByteSource;
  readonly layout: ElfLayout;
  readonly littleEndian: boolean;
  readonly offset: number;
  readonly count: number;
  readonly entry: number;
}

async function readTable({ source, littleEndian, offset, count, entry }: Table): Promise<ByteReader> {
  return readerOf(source, { offset, length: count * entry, littleEndian });
}

function segmentAt(table: ByteReader, layout: ElfLayout, index: number): ElfSegment {
  const fields = layout.segment;
  const at = index * fields.bytes;
  return {
    type: table.u32(at),
    flags: table.u32(at + fields.flags),
    offset: readWord(table, layout, at + fields.offset),
    address: addressAt(table, layout, at + fields.address),
    fileSize: readWord(table, layout, at + fields.fileSize),
    memorySize: readWord(table, layout, at + fields.memorySize),
  };
}

interface SectionTable {
  readonly source: ByteSource;
  readonly layout: ElfLayout;
  readonly littleEndian: boolean;
  readonly table: ByteReader;
  readonly count: number;
  readonly namesIndex: number;
}

async function namedSections(options: SectionTable): Promise<ElfSectionHeader[]> {
  const { source, layout, littleEndian, table, count, namesIndex } = options;
  const fields = layout.section;
  if (count === 0) return [];
  if (namesIndex >= count) throw table.error(`section names stand in section ${namesIndex} of ${count}`);
  const namesAt = namesIndex * fields.bytes;
  let names: StringTable | undefined;
  // Undefined when the file says that its sections have no names (e_shstrndx is SHN_UNDEF).
  if (namesIndex !== 0) {
    if (table.u32(namesAt + fields.type) !== SectionType.STRTAB) {
      throw table.error('the section of section names is not a string table', namesAt);
    }
    const offset = readWord(table, layout, namesAt + fields.offset);
    const length = readWord(table, layout, namesAt + fields.size);
    const { bytes } = await readerOf(source, { offset, length, littleEndian, section: '.shstrtab' });
    names = new StringTable(bytes, { object: source.name, section: '.shstrtab' });
  }
  return Array.from({ length: count }, (_, index) => {
    const at = index * fields.bytes;
    const flags =
      layout.word === 8 ? Number(table.u64(at + fields.flags) & 0xffff_ffffn) : table.u32(at + fields.flags);
    return {
      index,
      name: index === 0 ? '' : (names?.at(table.u32(at + fields.name)) ?? ''),
      type: table.u32(at + fields.type),
      flags,
      address: addressAt(table, layout, at + fields.address),
      offset: readWord(table, layout, at + fields.offset),
      size: readWord(table, layout, at + fields.size),
      link: table.u32(at + fields.link),
      info: table.u32(at + fields.info),
      alignment: readWord(table, layout, at + fields.alignment),
      entrySize: readWord(table, layout, at + fields.entrySize),
    };
  });
}

/** Addresses of kernel images are above 2^53; nobody computes with those, so they may round rather than be refused. */
export function addressAt(reader: ByteReader, layout: ElfLayout, offset: number): number {
  return layout.word === 8 ? Number(reader.u64(offset)) : reader.u32(offset);
}
