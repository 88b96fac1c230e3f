/** Appends numbers and bytes in either byte order to a buffer that grows. */
export class ByteWriter {
  readonly littleEndian: boolean;
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  constructor(options: { littleEndian: boolean; capacity?: number }) {
    this.littleEndian = options.littleEndian;
    this.#bytes = new Uint8Array(options.capacity ?? 256);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far; the offset of what is written next. */
  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
    return this;
  }

  u16(value: number): this {
    const at = this.#grow(2);
    this.#view.setUint16(at, value, this.littleEndian);
    return this;
  }

  /** Takes signed and unsigned 32-bit values. */
  u32(value: number): this {
    const at = this.#grow(4);
    this.#view.setUint32(at, value, this.littleEndian);
    return this;
  }

  /** Takes signed and unsigned 64-bit values. */
  u64(value: bigint): this {
    const at = this.#grow(8);
    this.#view.setBigUint64(at, BigInt.asUintN(64, value), this.littleEndian);
    return this;
  }

  append(bytes: Uint8Array): this {
    const at = this.#grow(bytes.byteLength);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Appends zeros up to a multiple of `alignment`. */
  align(alignment: number): this {
    const excess = this.#length % alignment;
    if (excess !== 0) this.#grow(alignment - excess);
    return this;
  }

  /** Overwrites a 16-bit number written before. */
  setU16(offset: number, value: number): this {
    if (offset < 0 || offset + 2 > this.#length) throw new RangeError(`offset ${offset} was not written yet`);
    this.#view.setUint16(offset, value, this.littleEndian);
    return this;
  }

  /** Overwrites a 32-bit number written before, such as a length known only later. */
  setU32(offset: number, value: number): this {
    if (offset < 0 || offset + 4 > this.#length) throw new RangeError(`offset ${offset} was not written yet`);
    this.#view.setUint32(offset, value, this.littleEndian);
    return this;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #grow(count: number): number {
    const at = this.#length;
    const needed = at + count;
    if (needed > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.byteLength * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return at;
  }
}
