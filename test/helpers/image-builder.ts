// Programs and libraries made for tests: of 32 and 64 bits, in either byte order, with what a linker would put into them.
import { ByteWriter } from '../../lib/binary/index.js';
import {
  ElfImage,
  ElfMachine,
  ElfType,
  SectionType,
  SegmentFlag,
  SegmentType,
  SymbolBinding,
  SymbolType,
  bytesInMemory,
} from '../../lib/elf/index.js';

export interface ImageSymbol {
  readonly name: string;
  readonly address: number;
  readonly size?: number;
  readonly type?: number;
  readonly binding?: number;
  /** 0 of a symbol that another file defines. */
  readonly section?: number;
  /** Index of its version, 0x8000 above for a hidden one; only of dynamic symbols. */
  readonly version?: number;
}

export interface ImageNote {
  readonly owner: string;
  readonly type: number;
  readonly description: Uint8Array;
}

export interface ImageSection {
  readonly name: string;
  readonly type?: number;
  readonly address?: number;
  readonly bytes: Uint8Array;
  readonly link?: number;
  readonly entrySize?: number;
  readonly alignment?: number;
}

export interface ImageOptions {
  readonly bits?: 32 | 64;
  readonly littleEndian?: boolean;
  readonly type?: number;
  readonly machine?: number;
  readonly symbols?: readonly ImageSymbol[];
  readonly dynamicSymbols?: readonly ImageSymbol[];
  /** Names of versions by their index, from 2 on. */
  readonly versions?: readonly string[];
  readonly buildId?: string;
  readonly debugLink?: { readonly file: string; readonly crc: number };
  /** Sections of notes: of a name, an alignment and notes. */
  readonly sections?: readonly ImageSection[];
  /** Code at address 0x1000 from file offset 0x200, and data at 0x3000 from 0x400 unless given. */
  readonly segments?: readonly (readonly [flags: number, offset: number, address: number, size: number])[];
}

const code = SegmentFlag.READ | SegmentFlag.EXECUTE;
const data = SegmentFlag.READ | SegmentFlag.WRITE;

/** Where the code of an image begins: its address less its place in the file. */
export const codeShift = 0x1000 - 0x200;

/** Writes numbers of the width of an image. */
export class ImageWriter extends ByteWriter {
  readonly #bits: 32 | 64;

  constructor({ bits = 64, littleEndian = true }: Pick<ImageOptions, 'bits' | 'littleEndian'>) {
    super({ littleEndian });
    this.#bits = bits;
  }

  word(value: number | bigint): this {
    return this.#bits === 64 ? this.u64(BigInt(value)) : this.u32(Number(value));
  }
}

/** The bytes of notes, each padded to four. */
export function notes(options: Pick<ImageOptions, 'bits' | 'littleEndian'>, entries: readonly ImageNote[]): Uint8Array {
  const writer = new ImageWriter(options);
  for (const { owner, type, description } of entries) {
    writer
      .u32(owner.length + 1)
      .u32(description.length)
      .u32(type);
    writer
      .append(Buffer.from(`${owner}\0`))
      .align(4)
      .append(description)
      .align(4);
  }
  return writer.toBytes();
}

/** The bytes of an image. */
export function imageBytes(options: ImageOptions = {}): Uint8Array {
  const {
    bits = 64,
    buildId,
    debugLink,
    segments = [[code, 0x200, 0x1000, 0x200] as const, [data, 0x400, 0x3000, 0x200] as const],
  } = options;
  const make = (): ImageWriter => new ImageWriter(options);
  const sections: ImageSection[] = [{ name: '', type: SectionType.NULL, bytes: new Uint8Array(0) }];
  sections.push(...(options.sections ?? []));
  if (buildId !== undefined) {
    const bytes = notes(options, [{ owner: 'GNU', type: 3, description: Buffer.from(buildId, 'hex') }]);
    sections.push({ name: '.note.gnu.build-id', type: SectionType.NOTE, bytes, alignment: 4 });
  }
  if (debugLink !== undefined) {
    const bytes = make()
      .append(Buffer.from(`${debugLink.file}\0`))
      .align(4)
      .u32(debugLink.crc)
      .toBytes();
    sections.push({ name: '.gnu_debuglink', bytes });
  }
  if (options.symbols !== undefined) addSymbols(sections, options, options.symbols, 'symtab');
  if (options.dynamicSymbols !== undefined) addSymbols(sections, options, options.dynamicSymbols, 'dynsym');
  const names = new Strings();
  for (const { name } of sections) names.add(name);
  names.add('.shstrtab');
  sections.push({ name: '.shstrtab', type: SectionType.STRTAB, bytes: names.bytes() });

  const headerSize = bits === 64 ? 64 : 52;
  const segmentSize = bits === 64 ? 56 : 32;
  const contents = make();
  // After the code and data that the segments are about.
  const start = Math.max(0x600, ...segments.map(([, offset, , size]) => offset + size));
  const offsets = sections.map(({ bytes }) => {
    contents.align(8);
    const at = start + contents.length;
    contents.append(bytes);
    return at;
  });
  contents.align(8);
  const file = make();
  file.append(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, file.littleEndian ? 1 : 2, 1)).align(16);
  file
    .u16(options.type ?? ElfType.DYN)
    .u16(options.machine ?? ElfMachine.X86_64)
    .u32(1);
  file
    .word(0)
    .word(headerSize)
    .word(start + contents.length)
    .u32(0);
  file.u16(headerSize).u16(segmentSize).u16(segments.length);
  file
    .u16(bits === 64 ? 64 : 40)
    .u16(sections.length)
    .u16(sections.length - 1);
  for (const [flags, offset, address, size] of segments) {
    file.u32(SegmentType.LOAD);
    if (bits === 64) file.u32(flags);
    file.word(offset).word(address).word(address).word(size).word(size);
    if (bits === 32) file.u32(flags);
    file.word(0x1000);
  }
  file.append(new Uint8Array(start - file.length)).append(contents.toBytes());
  for (const [index, section] of sections.entries()) {
    file
      .u32(names.add(section.name))
      .u32(section.type ?? SectionType.PROGBITS)
      .word(0);
    file
      .word(section.address ?? 0)
      .word(offsets[index] ?? 0)
      .word(section.bytes.length);
    file
      .u32(section.link ?? 0)
      .u32(0)
      .word(section.alignment ?? 1)
      .word(section.entrySize ?? 0);
  }
  return file.toBytes();
}

/** An image made for a test, open. */
export async function image(options: ImageOptions = {}, name = 'made.so'): Promise<ElfImage> {
  return ElfImage.open(bytesInMemory(imageBytes(options), name));
}

function addSymbols(
  sections: ImageSection[],
  options: ImageOptions,
  symbols: readonly ImageSymbol[],
  kind: 'symtab' | 'dynsym',
): void {
  const { bits = 64, versions } = options;
  const strings = new Strings();
  const writer = new ImageWriter(options);
  writer.append(new Uint8Array(bits === 64 ? 24 : 16));
  for (const {
    name,
    address,
    size = 0,
    type = SymbolType.FUNC,
    binding = SymbolBinding.GLOBAL,
    section = 1,
  } of symbols) {
    writer.u32(strings.add(name));
    if (bits === 32) writer.u32(address).u32(size);
    writer
      .u8((binding << 4) | type)
      .u8(0)
      .u16(section);
    if (bits === 64) writer.word(address).word(size);
  }
  const table = sections.length;
  const dynamic = kind === 'dynsym';
  if (dynamic && versions !== undefined) for (const name of versions) strings.add(name);
  sections.push({
    name: `.${kind}`,
    type: dynamic ? SectionType.DYNSYM : SectionType.SYMTAB,
    bytes: writer.toBytes(),
    link: table + 1,
    entrySize: bits === 64 ? 24 : 16,
  });
  sections.push({ name: dynamic ? '.dynstr' : '.strtab', type: SectionType.STRTAB, bytes: strings.bytes() });
  if (!dynamic || versions === undefined) return;
  const numbers = new ImageWriter(options).u16(0);
  for (const { version = 1 } of symbols) numbers.u16(version);
  const definitions = new ImageWriter(options);
  for (const [index, name] of versions.entries()) {
    const last = index === versions.length - 1;
    definitions
      .u16(1)
      .u16(0)
      .u16(index + 2)
      .u16(1)
      .u32(0)
      .u32(20)
      .u32(last ? 0 : 28);
    definitions.u32(strings.add(name)).u32(0);
  }
  sections.push({ name: '.gnu.version', type: SectionType.GNU_VERSYM, bytes: numbers.toBytes(), link: table });
  sections.push({
    name: '.gnu.version_d',
    type: SectionType.GNU_VERDEF,
    bytes: definitions.toBytes(),
    link: table + 1,
  });
}

/** A table of strings. */
class Strings {
  #text = '\0';

  add(name: string): number {
    if (name === '') return 0;
    const known = this.#text.indexOf(`\0${name}\0`);
    if (known >= 0) return known + 1;
    const at = this.#text.length;
    this.#text += `${name}\0`;
    return at;
  }

  bytes(): Uint8Array {
    return Buffer.from(this.#text, 'latin1');
  }
}
