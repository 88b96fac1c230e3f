import { ObjectFormatError } from '../errors/index.js';

/** What a reader's offsets are counted from, named in its errors. */
export interface ByteReaderOptions {
  readonly littleEndian: boolean;
  /** The object the bytes belong to, for errors. */
  readonly object: string;
  /** The ELF section the bytes are, for errors. */
  readonly section?: string | undefined;
}

/**
 * Reads numbers and strings out of untrusted bytes in either byte order. Every access is checked: one that leaves the
 * bytes throws {@link ObjectFormatError} with the offset.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
  readonly object: string;
  readonly section: string | undefined;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, options: ByteReaderOptions) {
    this.bytes = bytes;
    this.littleEndian = options.littleEndian;
    this.object = options.object;
    this.section = options.section;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get length(): number {
    return this.bytes.byteLength;
  }

  u8(offset: number): number {
    this.check(offset, 1);
    return this.#view.getUint8(offset);
  }

  u16(offset: number): number {
    this.check(offset, 2);
    return this.#view.getUint16(offset, this.littleEndian);
  }

  u32(offset: number): number {
    this.check(offset, 4);
    return this.#view.getUint32(offset, this.littleEndian);
  }

  i32(offset: number): number {
    this.check(offset, 4);
    return this.#view.getInt32(offset, this.littleEndian);
  }

  u64(offset: number): bigint {
    this.check(offset, 8);
    return this.#view.getBigUint64(offset, this.littleEndian);
  }

  i64(offset: number): bigint {
    this.check(offset, 8);
    return this.#view.getBigInt64(offset, this.littleEndian);
  }

  /** A 64-bit offset or size; one that no file can hold is malformed input. */
  u64AsNumber(offset: number): number {
    const value = this.u64(offset);
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw this.error(`the value 0x${value.toString(16)} is too large`, offset);
    return Number(value);
  }

  /** A view, not a copy, of `length` bytes at `offset`. */
  slice(offset: number, length: number): Uint8Array {
    this.check(offset, length);
    return this.bytes.subarray(offset, offset + length);
  }

  /** The bytes up to the next NUL as UTF-8; a string that runs into `end` without one is malformed. */
  string(offset: number, end: number = this.length): string {
    if (offset < 0 || offset >= end || end > this.length) throw this.error('a string lies outside the data', offset);
    const terminator = this.bytes.indexOf(0, offset);
    if (terminator < 0 || terminator >= end) throw this.error('a string has no terminating NUL', offset);
    return Buffer.from(this.bytes.buffer, this.bytes.byteOffset + offset, terminator - offset).toString('utf8');
  }

  /** Throws unless `length` bytes lie at `offset`. */
  check(offset: number, length: number): void {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.bytes.byteLength)) {
      throw this.error(`${length} bytes are needed here, the data ends at ${this.bytes.byteLength}`, offset);
    }
  }

  /** An error that names this reader's object, section and the offset. */
  error(problem: string, offset?: number, cause?: unknown): ObjectFormatError {
    return new ObjectFormatError(
      problem,
      { object: this.object, section: this.section, offset },
      cause === undefined ? {} : { cause },
    );
  }
}
