import { ByteReader } from '../binary/index.js';
import type { ObjectFormatError } from '../errors/index.js';
import { magicByteOrder } from './btf-header.js';
import type { Btf } from './btf.js';
import { headerSizeWithRelocations } from './core-marker.js';
import { wordsOf } from './words.js';

/** Which BTF FUNC each function of one ELF section is. */
export interface FunctionInfoSection {
  /** The ELF section's name. */
  readonly section: string;
  /** Bytes of a record in the file; the arrays hold the part that is known, 8 bytes. */
  readonly recordSize: number;
  /** Byte offsets in the section. */
  readonly offsets: Uint32Array;
  readonly typeIds: Uint32Array;
}

/** Which source line each instruction of one ELF section comes from. */
export interface LineInfoSection {
  /** The ELF section's name. */
  readonly section: string;
  /** Bytes of a record in the file; the arrays hold the part that is known, 16 bytes. */
  readonly recordSize: number;
  /** Byte offsets in the section. */
  readonly offsets: Uint32Array;
  /** String offsets, see {@link Btf.string}. */
  readonly fileNames: Uint32Array;
  /** String offsets of the lines' text. */
  readonly texts: Uint32Array;
  /** `line << 10 | column`. */
  readonly lineColumns: Uint32Array;
}

/** The CO-RE relocations of one ELF section, `struct bpf_core_relo`. */
export interface CoreRelocationSection {
  /** The ELF section's name. */
  readonly section: string;
  /** Byte offsets of the instructions in the section. */
  readonly offsets: Uint32Array;
  /** The object's own type that the access starts from. */
  readonly typeIds: Uint32Array;
  /** String offsets of the accesses: `0:1:2`. */
  readonly accessStrings: Uint32Array;
  /** `enum bpf_core_relo_kind`, as the file has it. */
  readonly kinds: Uint32Array;
}

/** One section of one of the three tables: its records' words by column. */
interface RecordSection {
  readonly section: string;
  readonly recordSize: number;
  readonly columns: readonly Uint32Array[];
}

/** What a word of a record refers to, so that it can be checked. */
type Column = 'number' | 'type' | 'string';

/** `struct btf_ext_header` before CO-RE relocations (Linux 5.4) were added. */
const headerSize = 24;
const none = new Uint32Array(0);

/**
 * An object's `.BTF.ext` section: what the instructions have to do with the types. Three tables, each by ELF section.
 *
 * @example
 * ```js
 * const ext = BtfExt.parse(elf.section('.BTF.ext').bytes, btf, { name: 'execsnoop.bpf.o' });
 * for (const { section, offsets } of ext.coreRelocations) console.log(section, offsets.length);
 * ```
 */
export class BtfExt {
  readonly functions: readonly FunctionInfoSection[];
  readonly lines: readonly LineInfoSection[];
  readonly coreRelocations: readonly CoreRelocationSection[];

  private constructor(reader: ByteReader, btf: Btf) {
    const headerLength = reader.u32(4);
    if (headerLength < headerSize || headerLength > reader.length) {
      throw reader.error(`the header claims ${headerLength} bytes, it must have ${headerSize} to ${reader.length}`, 4);
    }
    const table = (what: string, at: number, columns: readonly Column[]): RecordSection[] =>
      readTable(reader, btf, { what, at, headerLength, columns });
    this.functions = table('function infos', 8, ['number', 'type']).map(({ section, recordSize, columns }) => {
      const [offsets = none, typeIds = none] = columns;
      return { section, recordSize, offsets, typeIds };
    });
    this.lines = table('line infos', 16, ['number', 'string', 'string', 'number']).map(
      ({ section, recordSize, columns }) => {
        const [offsets = none, fileNames = none, texts = none, lineColumns = none] = columns;
        return { section, recordSize, offsets, fileNames, texts, lineColumns };
      },
    );
    this.coreRelocations =
      headerLength < headerSizeWithRelocations
        ? []
        : table('CO-RE relocations', 24, ['number', 'type', 'string', 'number']).map(({ section, columns }) => {
            const [offsets = none, typeIds = none, accessStrings = none, kinds = none] = columns;
            return { section, offsets, typeIds, accessStrings, kinds };
          });
  }

  /**
   * Reads a `.BTF.ext` section that belongs to `btf`, whose byte order it must have.
   *
   * @throws {ObjectFormatError} for a malformed or truncated section, and for types and strings that `btf` has not.
   */
  static parse(bytes: Uint8Array, btf: Btf, options: { readonly name: string }): BtfExt {
    const order = magicByteOrder(bytes);
    const reader = new ByteReader(bytes, {
      littleEndian: btf.littleEndian,
      object: options.name,
      section: '.BTF.ext',
    });
    if (bytes.byteLength < headerSize) {
      throw reader.error(`a BTF.ext header has ${headerSize} bytes, here are ${bytes.byteLength}`, 0);
    }
    if (order === undefined) {
      throw reader.error(`this is not BTF.ext: it starts with 0x${reader.u16(0).toString(16)}, not 0xeb9f`, 0);
    }
    if ((order === 'little') !== btf.littleEndian) throw reader.error(`its byte order is not that of .BTF`, 0);
    if (reader.u8(2) !== 1) throw reader.error(`BTF.ext version ${reader.u8(2)} is not supported, only 1 is`, 2);
    if (reader.u8(3) !== 0) throw reader.error(`BTF.ext flags 0x${reader.u8(3).toString(16)} are not supported`, 3);
    return new BtfExt(reader, btf);
  }
}

function readTable(
  reader: ByteReader,
  btf: Btf,
  table: { what: string; at: number; headerLength: number; columns: readonly Column[] },
): RecordSection[] {
  const { what, columns } = table;
  const start = table.headerLength + reader.u32(table.at);
  const length = reader.u32(table.at + 4);
  const end = start + length;
  if (length === 0) return [];
  if (end > reader.length) {
    throw reader.error(`the ${what} claim bytes ${start} to ${end}, the data ends at ${reader.length}`, table.at);
  }
  if (start % 4 !== 0) throw reader.error(`the ${what} start at ${start}, which is not a multiple of 4`, table.at);
  const take = (at: number, count: number): ObjectFormatError | undefined =>
    at + count > end ? reader.error(`the ${what} end at ${end}, ${count} bytes are needed here`, at) : undefined;
  const short = take(start, 4);
  if (short !== undefined) throw short;
  const recordSize = reader.u32(start);
  const least = columns.length * 4;
  if (recordSize < least || recordSize % 4 !== 0) {
    throw reader.error(
      `a record of ${what} has ${recordSize} bytes; it must be a multiple of 4 from ${least} up`,
      start,
    );
  }
  const sections: RecordSection[] = [];
  for (let at = start + 4; at < end;) {
    const truncated = take(at, 8);
    if (truncated !== undefined) throw truncated;
    const nameOffset = reader.u32(at);
    const count = reader.u32(at + 4);
    if (nameOffset >= btf.stringsEnd) {
      throw reader.error(`a section is named at string offset ${nameOffset}, the strings end at ${btf.stringsEnd}`, at);
    }
    if (count === 0) throw reader.error(`a section has no ${what}`, at + 4);
    const tooMany = take(at + 8, count * recordSize);
    if (tooMany !== undefined) throw tooMany;
    sections.push({
      section: btf.string(nameOffset),
      recordSize,
      columns: readRecords(reader, btf, { what, at: at + 8, count, recordSize, columns }),
    });
    at += 8 + count * recordSize;
  }
  return sections;
}

function readRecords(
  reader: ByteReader,
  btf: Btf,
  records: { what: string; at: number; count: number; recordSize: number; columns: readonly Column[] },
): Uint32Array[] {
  const words = wordsOf(reader.slice(records.at, records.count * records.recordSize), reader.littleEndian);
  const stride = records.recordSize / 4;
  return records.columns.map((column, index) => {
    const values = new Uint32Array(records.count);
    const limit = column === 'type' ? btf.endId : column === 'string' ? btf.stringsEnd : 0x1_0000_0000;
    for (let record = 0, word = index; record < records.count; record++, word += stride) {
      const value = words[word] ?? 0;
      if (value >= limit) {
        const wanted = column === 'type' ? `type ${value}; the ids` : `string offset ${value}; the strings`;
        const problem = `record ${record} of the ${records.what} refers to ${wanted} end at ${limit - 1}`;
        throw reader.error(problem, records.at + word * 4);
      }
      values[record] = value;
    }
    return values;
  });
}
