import { ByteWriter } from '../binary/index.js';
import type { BtfExt } from './btf-ext.js';
import { btfMagic, btfVersion } from './btf-header.js';

/** `struct btf_ext_header` with CO-RE relocations (Linux 5.4). */
const headerSize = 32;

/** One ELF section's records: what stands before them, and their words by column. */
interface RecordSection {
  readonly section: string;
  readonly columns: readonly Uint32Array[];
}

/** The tables of a `.BTF.ext` section. */
export type BtfExtTables = {
  readonly [table in 'functions' | 'lines' | 'coreRelocations']: readonly Omit<BtfExt[table][number], 'recordSize'>[];
};

/**
 * Writes a `.BTF.ext` section. `stringOffset` places the sections' names among the strings of the BTF it belongs to, where
 * all other strings are already.
 */
export function encodeBtfExt(
  tables: BtfExtTables,
  options: { readonly littleEndian: boolean; readonly stringOffset: (string: string) => number },
): Uint8Array {
  const { littleEndian, stringOffset } = options;
  const encode = (columns: number, sections: readonly RecordSection[]): Uint8Array =>
    encodeTable({ columns, sections, littleEndian, stringOffset });
  const encoded = [
    encode(
      2,
      tables.functions.map(({ section, offsets, typeIds }) => ({ section, columns: [offsets, typeIds] })),
    ),
    encode(
      4,
      tables.lines.map(({ section, offsets, fileNames, texts, lineColumns }) => ({
        section,
        columns: [offsets, fileNames, texts, lineColumns],
      })),
    ),
    encode(
      4,
      tables.coreRelocations.map(({ section, offsets, typeIds, accessStrings, kinds }) => ({
        section,
        columns: [offsets, typeIds, accessStrings, kinds],
      })),
    ),
  ];
  const writer = new ByteWriter({ littleEndian });
  writer.u16(btfMagic).u8(btfVersion).u8(0).u32(headerSize);
  let at = 0;
  for (const { byteLength } of encoded) {
    writer.u32(at).u32(byteLength);
    at += byteLength;
  }
  for (const table of encoded) writer.append(table);
  return writer.toBytes();
}

/** Sections without records are left out: readers take an empty list for damage. */
function encodeTable(table: {
  readonly columns: number;
  readonly sections: readonly RecordSection[];
  readonly littleEndian: boolean;
  readonly stringOffset: (string: string) => number;
}): Uint8Array {
  const writer = new ByteWriter({ littleEndian: table.littleEndian });
  for (const { section, columns } of table.sections) {
    const count = columns[0]?.length ?? 0;
    if (count === 0) continue;
    if (writer.length === 0) writer.u32(table.columns * 4);
    writer.u32(table.stringOffset(section)).u32(count);
    for (let row = 0; row < count; row++) for (const column of columns) writer.u32(column[row] ?? 0);
  }
  return writer.toBytes();
}
