import { ByteReader } from '../binary/index.js';

/** Where the parts of a BTF lie, offsets from its first byte. */
export interface BtfHeader {
  readonly littleEndian: boolean;
  readonly typesOffset: number;
  readonly typesLength: number;
  readonly stringsOffset: number;
  readonly stringsLength: number;
}

export const btfMagic = 0xeb9f;
export const btfVersion = 1;
/** `sizeof(struct btf_header)` up to Linux 7.0; later ones append the layout section's place (hdr_len tells). */
export const btfHeaderSize = 24;

/** The byte order that the magic number shows; undefined when it is none. */
export function magicByteOrder(bytes: Uint8Array): 'little' | 'big' | undefined {
  if (bytes[0] === 0x9f && bytes[1] === 0xeb) return 'little';
  if (bytes[0] === 0xeb && bytes[1] === 0x9f) return 'big';
  return undefined;
}

/** Reads and checks `struct btf_header`; `split` BTF may have no strings of its own. */
export function readBtfHeader(bytes: Uint8Array, name: string, split: boolean): BtfHeader {
  const order = magicByteOrder(bytes);
  const reader = new ByteReader(bytes, { littleEndian: order !== 'big', object: name, section: '.BTF' });
  if (bytes.byteLength < btfHeaderSize) {
    throw reader.error(`a BTF header has ${btfHeaderSize} bytes, here are ${bytes.byteLength}`, 0);
  }
  if (order === undefined) {
    throw reader.error(`this is not BTF: it starts with 0x${reader.u16(0).toString(16)}, not 0xeb9f`, 0);
  }
  if (reader.u8(2) !== btfVersion) throw reader.error(`BTF version ${reader.u8(2)} is not supported, only 1 is`, 2);
  if (reader.u8(3) !== 0) throw reader.error(`BTF flags 0x${reader.u8(3).toString(16)} are not supported`, 3);
  const headerLength = reader.u32(4);
  if (headerLength < btfHeaderSize || headerLength > bytes.byteLength) {
    throw reader.error(
      `the header claims ${headerLength} bytes, it must have ${btfHeaderSize} to ${bytes.byteLength}`,
      4,
    );
  }
  const part = (what: string, at: number): { offset: number; length: number } => {
    const offset = headerLength + reader.u32(at);
    const length = reader.u32(at + 4);
    if (offset + length > bytes.byteLength) {
      throw reader.error(
        `the ${what} claim bytes ${offset} to ${offset + length}, the data ends at ${bytes.byteLength}`,
        at,
      );
    }
    return { offset, length };
  };
  const types = part('types', 8);
  const strings = part('strings', 16);
  if (types.offset % 4 !== 0) throw reader.error(`the types start at ${types.offset}, which is not a multiple of 4`, 8);
  if (types.offset < strings.offset + strings.length && strings.offset < types.offset + types.length) {
    throw reader.error('types and strings overlap', 16);
  }
  if (strings.length === 0) {
    if (!split) throw reader.error('there are no strings, not even the empty one', 20);
  } else {
    if (!split && reader.u8(strings.offset) !== 0) throw reader.error('the first string is not empty', strings.offset);
    const last = strings.offset + strings.length - 1;
    if (reader.u8(last) !== 0) throw reader.error('the last string has no terminating NUL', last);
  }
  return {
    littleEndian: order === 'little',
    typesOffset: types.offset,
    typesLength: types.length,
    stringsOffset: strings.offset,
    stringsLength: strings.length,
  };
}
