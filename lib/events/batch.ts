import { endianness } from 'node:os';
import { inspect } from 'node:util';

import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

/** Bytes before each record that the ring's drain writes: u32 length, u16 source, u16 flags. Records are 8-aligned. */
const frameBytes = 8;
const nativeLittleEndian = endianness() === 'LE';

/** Where the records of a batch lie. @internal */
export interface BatchSource<T> {
  /** The map the records come from. */
  readonly map: string;
  /** Undefined: events are owned copies of the records' bytes. */
  readonly codec: Codec<T> | undefined;
}

/**
 * Records that arrived together. It lies in a buffer that the reader uses again, so it is valid until the reader is
 * asked for the next one; after that every use throws `ERR_EBPF_BATCH_EXPIRED`. {@link copy} keeps it.
 *
 * @example
 * ```js
 * for await (const batch of reader.batches()) {
 *   for (const event of batch) sum += event.bytes;     // decoded as it is asked for
 * }
 * ```
 */
export class Batch<T> implements Iterable<T> {
  readonly #source: BatchSource<T>;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  readonly #length: number;
  #expired = false;

  static {
    Object.defineProperty(Batch.prototype, inspect.custom, {
      value(this: Batch<unknown>): string {
        return this.#inspect();
      },
    });
  }

  /** `view` shows `bytes`, of which the first `end` hold `length` framed records. @internal */
  constructor(source: BatchSource<T>, bytes: Uint8Array, view: DataView, end: number, length: number) {
    this.#source = source;
    this.#bytes = bytes;
    this.#view = view;
    this.#end = end;
    this.#length = length;
  }

  /** How many events the batch holds. */
  get length(): number {
    this.#requireValid();
    return this.#length;
  }

  /** Bytes of all records, without framing. */
  get byteLength(): number {
    this.#requireValid();
    let total = 0;
    for (let offset = frameBytes; offset < this.#end; offset = this.payloadAfter(offset))
      total += this.#lengthAt(offset);
    return total;
  }

  /** True once the reader was asked for the next batch or has ended. */
  get expired(): boolean {
    return this.#expired;
  }

  /** The events, decoded one by one. They are the caller's to keep. */
  [Symbol.iterator](): IterableIterator<T> {
    return new RecordIterator(this, (offset) => this.decodeAt(offset));
  }

  /**
   * The records as they lie in the buffer: views, not copies. A view does not notice that the batch expired; it then
   * shows the bytes of a later batch. No record is decoded or checked for its size.
   */
  get raw(): Iterable<Uint8Array> {
    this.#requireValid();
    return {
      [Symbol.iterator]: () =>
        new RecordIterator(this, (offset) => this.#bytes.subarray(offset, offset + this.#lengthAt(offset))),
    };
  }

  /** The same batch in memory of its own, which never expires. */
  copy(): Batch<T> {
    this.#requireValid();
    const bytes = this.#bytes.slice(0, this.#end);
    return new Batch(this.#source, bytes, new DataView(bytes.buffer), this.#end, this.#length);
  }

  /** Where the payload after the one at `offset` lies; of the first with -1. @internal */
  payloadAfter(offset: number): number {
    return offset < 0 ? frameBytes : offset + ((this.#lengthAt(offset) + 7) & ~7) + frameBytes;
  }

  /** Whether `offset` is that of a payload; throws when the batch has expired. @internal */
  holds(offset: number): boolean {
    this.#requireValid();
    return offset < this.#end;
  }

  /** The event whose payload lies at `offset`. @internal */
  decodeAt(offset: number): T {
    const size = this.#lengthAt(offset);
    const { codec, map } = this.#source;
    // Without a codec T is Uint8Array: the ring buffer was given no type.
    if (codec === undefined) return this.#bytes.slice(offset, offset + size) as T;
    if (codec.size !== size) throw wrongSize(map, codec, size);
    return codec.decode(this.#view, offset);
  }

  /** @internal */
  expire(): void {
    this.#expired = true;
  }

  #lengthAt(offset: number): number {
    return this.#view.getUint32(offset - frameBytes, nativeLittleEndian);
  }

  #requireValid(): void {
    if (!this.#expired) return;
    throw new UsageError(
      `this batch of ${quote(this.#source.map)} has expired: a batch is valid until the next one; ` +
        'keep it with batch.copy() before asking for the next',
      { code: 'ERR_EBPF_BATCH_EXPIRED' },
    );
  }

  #inspect(): string {
    return this.#expired
      ? `Batch { of ${inspect(this.#source.map)}, expired }`
      : `Batch { of ${inspect(this.#source.map)}, ${this.#length} events }`;
  }
}

/** Record by record. Written out: a generator costs twice as much per record. */
class RecordIterator<R> implements IterableIterator<R> {
  readonly #batch: Batch<unknown>;
  readonly #read: (offset: number) => R;
  #offset = frameBytes;

  constructor(batch: Batch<unknown>, read: (offset: number) => R) {
    this.#batch = batch;
    this.#read = read;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<R, undefined> {
    const offset = this.#offset;
    if (!this.#batch.holds(offset)) return { done: true, value: undefined };
    this.#offset = this.#batch.payloadAfter(offset);
    return { done: false, value: this.#read(offset) };
  }
}

function wrongSize(map: string, codec: Codec<unknown>, size: number): UsageError {
  return new UsageError(
    `a record of ring buffer ${quote(map)} has ${size} bytes, but ${codec.typeName} has ${codec.size}; ` +
      'read the map with the type that the program writes, or without a type to get bytes',
    { code: 'ERR_EBPF_INVALID_VALUE', path: map },
  );
}
