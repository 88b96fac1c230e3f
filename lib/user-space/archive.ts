import { ByteReader } from '../binary/index.js';
import type { ByteSource } from '../elf/index.js';
import { ObjectFormatError, UsageError, quote } from '../errors/index.js';

// PKWARE's APPNOTE.TXT 4.3. All numbers are little-endian.
const END_SIGNATURE = 0x0605_4b50;
const ENTRY_SIGNATURE = 0x0201_4b50;
const MEMBER_SIGNATURE = 0x0403_4b50;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const MEMBER_BYTES = 30;
const LONGEST_COMMENT = 0xffff;
/** In fields that are too small: the number stands elsewhere, in an extension that files of 4 GiB need. */
const ELSEWHERE = 0xffff_ffff;

/** A member of an archive, as it lies there. */
export interface ArchiveMember {
  readonly offset: number;
  readonly size: number;
}

/**
 * Where a member of a ZIP archive is that is stored as it is, as Android maps libraries out of packages without unpacking.
 *
 * @throws {@link UsageError} when there is no such member, with the nearest names, or it is compressed;
 * {@link ObjectFormatError} when the file is no ZIP archive.
 */
export async function archiveMember(source: ByteSource, name: string): Promise<ArchiveMember> {
  const directory = await centralDirectory(source);
  const names: string[] = [];
  for (let at = 0; at + ENTRY_BYTES <= directory.length;) {
    if (directory.u32(at) !== ENTRY_SIGNATURE)
      throw directory.error('an entry of the directory does not begin as one', at);
    const nameBytes = directory.u16(at + 28);
    const member = Buffer.from(directory.slice(at + ENTRY_BYTES, nameBytes)).toString('utf8');
    if (member === name) return placeOf(source, directory, at, name);
    names.push(member);
    at += ENTRY_BYTES + nameBytes + directory.u16(at + 30) + directory.u16(at + 32);
  }
  throw UsageError.notFound(`member of ${quote(source.name)}`, name, names);
}

/** A part of a source, as a source of its own. */
export function partOf(source: ByteSource, { offset, size }: ArchiveMember, name: string): ByteSource {
  return { name, size, read: async (at, length) => source.read(offset + at, length) };
}

async function readerAt(source: ByteSource, offset: number, length: number): Promise<ByteReader> {
  if (offset + length > source.size) {
    const problem = `${length} bytes are needed there, the file ends at ${source.size}`;
    throw new ObjectFormatError(problem, { object: source.name, offset });
  }
  return new ByteReader(await source.read(offset, length), { littleEndian: true, object: source.name });
}

async function centralDirectory(source: ByteSource): Promise<ByteReader> {
  const length = Math.min(source.size, END_BYTES + LONGEST_COMMENT);
  const start = source.size - length;
  const tail = await readerAt(source, start, length);
  for (let at = length - END_BYTES; at >= 0; at--) {
    // A comment may follow, which may contain anything.
    if (tail.u32(at) !== END_SIGNATURE || at + END_BYTES + tail.u16(at + 20) !== length) continue;
    const [size, offset] = [tail.u32(at + 12), tail.u32(at + 16)];
    if (size === ELSEWHERE || offset === ELSEWHERE)
      throw tail.error('archives of 4 GiB and more are not read', start + at);
    return readerAt(source, offset, size);
  }
  throw new ObjectFormatError('not a ZIP archive: the end of its directory is missing', { object: source.name });
}

async function placeOf(source: ByteSource, directory: ByteReader, at: number, name: string): Promise<ArchiveMember> {
  const [flags, method] = [directory.u16(at + 8), directory.u16(at + 10)];
  const [packed, size, header] = [directory.u32(at + 20), directory.u32(at + 24), directory.u32(at + 42)];
  if (method !== 0 || packed !== size || (flags & 1) !== 0) {
    throw UsageError.invalidValue(
      'target',
      `${quote(name)} is compressed in ${quote(source.name)}: no process runs it from there`,
    );
  }
  if (header === ELSEWHERE || size === ELSEWHERE) throw directory.error('archives of 4 GiB and more are not read', at);
  const member = await readerAt(source, header, MEMBER_BYTES);
  if (member.u32(0) !== MEMBER_SIGNATURE) throw member.error('a member does not begin as one', header);
  const offset = header + MEMBER_BYTES + member.u16(26) + member.u16(28);
  if (offset + size > source.size) throw member.error(`a member of ${size} bytes exceeds the file`, offset);
  return { offset, size };
}
