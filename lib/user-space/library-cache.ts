import { ByteReader, hostIsLittleEndian } from '../binary/index.js';

/** A library that the cache of the C library's loader knows. */
export interface CachedLibrary {
  /** `libc.so.6` */
  readonly name: string;
  readonly path: string;
  /** Only for processors that can do more than the least of their kind. */
  readonly special: boolean;
}

const oldMagic = 'ld.so-1.7.0';
const newMagic = 'glibc-ld.so.cache1.1';
const oldHeader = { bytes: 16, count: 12, entry: 12 };
const newHeader = { bytes: 48, count: 20, entry: 24 };

/**
 * What `/etc/ld.so.cache` says, of every architecture, in the order that the loader searches. It has one table or two, the
 * newer one after the older (glibc's sysdeps/generic/dl-cache.h).
 *
 * @throws ObjectFormatError when it is malformed.
 */
export function readLibraryCache(bytes: Uint8Array, name: string): CachedLibrary[] {
  const whole = new ByteReader(bytes, { littleEndian: hostIsLittleEndian, object: name });
  let at = 0;
  if (startsWith(whole, 0, oldMagic)) {
    const count = whole.u32(oldHeader.count);
    const end = oldHeader.bytes + count * oldHeader.entry;
    whole.check(0, end);
    at = Math.ceil(end / 8) * 8;
    if (!startsWith(whole, at, newMagic)) return oldEntries(whole, count, end);
  }
  if (!startsWith(whole, at, newMagic)) throw whole.error('it is no cache of libraries that is known', at);
  // Places are counted from the header of the newer table.
  const table = new ByteReader(bytes.subarray(at), { littleEndian: hostIsLittleEndian, object: name });
  const count = table.u32(newHeader.count);
  table.check(newHeader.bytes, count * newHeader.entry);
  const libraries = Array.from({ length: count }, (_, index) => {
    const entry = newHeader.bytes + index * newHeader.entry;
    const [key, value] = [table.string(table.u32(entry + 4)), table.string(table.u32(entry + 8))];
    return { name: key, path: value, special: table.u64(entry + 16) !== 0n };
  });
  return [...libraries.filter(({ special }) => !special), ...libraries.filter(({ special }) => special)];
}

function oldEntries(reader: ByteReader, count: number, strings: number): CachedLibrary[] {
  return Array.from({ length: count }, (_, index) => {
    const entry = oldHeader.bytes + index * oldHeader.entry;
    const text = (field: number): string => reader.string(strings + reader.u32(entry + field));
    return { name: text(4), path: text(8), special: false };
  });
}

function startsWith(reader: ByteReader, at: number, text: string): boolean {
  return Buffer.from(reader.bytes.subarray(at, at + text.length)).toString('latin1') === text;
}
