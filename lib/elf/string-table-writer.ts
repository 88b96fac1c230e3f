import { ByteWriter } from '../binary/index.js';

/** Makes the bytes of an SHT_STRTAB section: each string once. */
export class StringTableWriter {
  readonly #writer = new ByteWriter({ littleEndian: true }).u8(0);
  readonly #offsets = new Map<string, number>([['', 0]]);

  /** The offset of `text`, appended when it is not there yet. */
  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    const offset = this.#writer.length;
    this.#writer.append(Buffer.from(text, 'utf8')).u8(0);
    this.#offsets.set(text, offset);
    return offset;
  }

  toBytes(): Uint8Array {
    return this.#writer.toBytes();
  }
}
