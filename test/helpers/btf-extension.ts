import { ByteWriter } from '../../lib/binary/index.js';

/** The rows of one section: of the section's name (a string offset) the words of each record. */
export type ExtensionSection = readonly [section: number, rows: readonly (readonly number[])[]];

/** The tables of `.BTF.ext`; what is left out is empty. */
export interface ExtensionTables {
  /** Offset, type. */
  readonly functions?: readonly ExtensionSection[];
  /** Offset, file name, text, line and column. */
  readonly lines?: readonly ExtensionSection[];
  /** Offset, type, access string, kind. */
  readonly coreRelocations?: readonly ExtensionSection[];
}

const HEADER_SIZE = 32;

/** Assembles a `.BTF.ext` section. */
export function btfExtension(tables: ExtensionTables, littleEndian = true): Uint8Array {
  const parts = [
    encode(tables.functions ?? [], 2, littleEndian),
    encode(tables.lines ?? [], 4, littleEndian),
    encode(tables.coreRelocations ?? [], 4, littleEndian),
  ];
  const writer = new ByteWriter({ littleEndian }).u16(0xeb9f).u8(1).u8(0).u32(HEADER_SIZE);
  let offset = 0;
  for (const part of parts) {
    writer.u32(offset).u32(part.byteLength);
    offset += part.byteLength;
  }
  for (const part of parts) writer.append(part);
  return writer.toBytes();
}

function encode(sections: readonly ExtensionSection[], columns: number, littleEndian: boolean): Uint8Array {
  const writer = new ByteWriter({ littleEndian });
  if (sections.length === 0) return writer.toBytes();
  writer.u32(columns * 4);
  for (const [section, rows] of sections) {
    writer.u32(section).u32(rows.length);
    for (const value of rows.flat()) writer.u32(value);
  }
  return writer.toBytes();
}
