/** Bytes of keys or values one after the other, of which it is not known how many come. @internal */
export class GrowingBuffer {
  readonly #size: number;
  #bytes: Uint8Array;
  #view: DataView;

  /** For values of `size` bytes, at first `room` of them. */
  constructor(size: number, room: number) {
    this.#size = size;
    this.#bytes = new Uint8Array(size * room);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** May be longer than what was written. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  /** A view of all, in which there is room for the value of that index, the next one at most. */
  viewFor(index: number): DataView {
    if ((index + 1) * this.#size > this.#bytes.length) {
      const longer = new Uint8Array(Math.max(index + 1, 2 * index) * this.#size);
      longer.set(this.#bytes);
      this.#bytes = longer;
      this.#view = new DataView(longer.buffer);
    }
    return this.#view;
  }
}
