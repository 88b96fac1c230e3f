import type { ByteReader } from '../binary/index.js';

/** An entry of a section or segment of notes. */
export interface ElfNote {
  /** Whose note it is: `GNU`, `stapsdt`. */
  readonly owner: string;
  /** The owner's own number. */
  readonly type: number;
  /** Where the description begins in the section. */
  readonly offset: number;
  readonly description: Uint8Array;
}

/**
 * The notes of a section. Each is a header of three 32-bit numbers, a name and a description, padded to the alignment
 * of the section: 4, or 8 where it says so (System V ABI, "Note Section").
 *
 * @throws ObjectFormatError when one leaves the section.
 */
export function* elfNotes(reader: ByteReader, alignment: number): Generator<ElfNote> {
  const unit = alignment === 8 ? 8 : 4;
  const padded = (size: number): number => Math.ceil(size / unit) * unit;
  for (let at = 0; at + 12 <= reader.length;) {
    const nameSize = reader.u32(at);
    const size = reader.u32(at + 4);
    const name = reader.slice(at + 12, nameSize);
    // The name is padded with its header, which is twelve bytes long.
    const offset = at + padded(12 + nameSize);
    const description = reader.slice(offset, size);
    const end = name.indexOf(0);
    const owner = Buffer.from(end < 0 ? name : name.subarray(0, end)).toString('latin1');
    yield { owner, type: reader.u32(at + 8), offset, description };
    at = offset + padded(size);
  }
}
