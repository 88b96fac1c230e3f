import { ByteReader } from '../binary/index.js';

/**
 * Strings of an SHT_STRTAB section, each decoded once. Tables of real files share suffixes, so decoded strings may
 * exceed the table; a hostile table of overlapping strings could decode to its size squared, which the budget ends.
 */
export class StringTable {
  readonly #reader: ByteReader;
  readonly #decoded = new Map<number, string>();
  #budget: number;

  constructor(bytes: Uint8Array, location: { object: string; section: string | undefined }) {
    this.#reader = new ByteReader(bytes, { littleEndian: true, ...location });
    this.#budget = bytes.byteLength * 16 + 65_536;
  }

  /** The string at `offset`. */
  at(offset: number): string {
    const known = this.#decoded.get(offset);
    if (known !== undefined) return known;
    // Offset 0 is the empty string by definition, also of a table that was left empty.
    const text = offset === 0 && this.#reader.length === 0 ? '' : this.#reader.string(offset);
    this.#budget -= text.length;
    if (this.#budget < 0) throw this.#reader.error('its strings overlap beyond what any compiler writes', offset);
    this.#decoded.set(offset, text);
    return text;
  }
}
