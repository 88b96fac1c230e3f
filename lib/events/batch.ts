import { inspect } from 'node:util';

import { UsageError, escapeControl, quote } from '../errors/index.js';

import type { RecordType } from './record-type.js';

/** Where the payloads of a batch lie: `RecordBuffer` of lib/sys, or what was put together from several. @internal */
export interface Records {
  readonly bytes: Uint8Array;
  /** Shows `bytes`. */
  readonly view: DataView;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly cpus: Uint32Array;
}

/**
 * Records that arrived together. It lies in memory that the reader uses again, so it is valid until the reader is
 * asked for the next one; after that every use throws `ERR_EBPF_BATCH_EXPIRED`. {@link copy} keeps it.
 *
 * @example
 * ```js
 * for await (const batch of reader.batches()) {
 *   for (const event of batch) sum += event.bytes;     // decoded as it is asked for
 * }
 * ```
 *
 * The fastest way takes fields out of the bytes, and makes no object per event:
 *
 * ```js
 * for await (const { length, view, offsets } of reader.batches()) {
 *   for (let index = 0; index < length; index++) sum += view.getUint32(offsets[index] + 8, true);
 * }
 * ```
 */
export class Batch<T> implements Iterable<T> {
  readonly #type: RecordType<T>;
  readonly #records: Records;
  readonly #length: number;
  #expired = false;

  static {
    Object.defineProperty(Batch.prototype, inspect.custom, {
      value(this: Batch<unknown>): string {
        return this.#inspect();
      },
    });
  }

  /** The first `length` of `records`. @internal */
  constructor(type: RecordType<T>, records: Records, length: number) {
    this.#type = type;
    this.#records = records;
    this.#length = length;
  }

  /** How many events the batch holds. */
  get length(): number {
    this.#requireValid();
    return this.#length;
  }

  /** Bytes of all records, without the kernel's headers. */
  get byteLength(): number {
    this.#requireValid();
    const { lengths } = this.#records;
    let total = 0;
    for (let index = 0; index < this.#length; index++) total += lengths[index] ?? 0;
    return total;
  }

  /** True once the reader was asked for the next batch or has ended. */
  get expired(): boolean {
    return this.#expired;
  }

  /**
   * The memory in which the records lie, with what is between them. A view does not notice that the batch expired; it
   * then shows a later batch. The same holds for {@link offsets}, {@link lengths} and {@link cpus}.
   */
  get view(): DataView {
    this.#requireValid();
    return this.#records.view;
  }

  /** Where in {@link view} each record begins: the first {@link length} of these numbers; there may be more. */
  get offsets(): Uint32Array {
    this.#requireValid();
    return this.#records.offsets;
  }

  /** How many bytes each record has: the first {@link length} of these numbers. Perf buffers count padding, up to 7 bytes. */
  get lengths(): Uint32Array {
    this.#requireValid();
    return this.#records.lengths;
  }

  /** The CPU that each record of a perf buffer was written on: the first {@link length} of these numbers. Of a ring zeros. */
  get cpus(): Uint32Array {
    this.#requireValid();
    return this.#records.cpus;
  }

  /** The events, decoded one by one. They are the caller's to keep. */
  [Symbol.iterator](): IterableIterator<T> {
    return new RecordIterator(this, (index) => this.decodeAt(index));
  }

  /**
   * The records as they lie in the buffer: views, not copies. A view does not notice that the batch expired; it then
   * shows the bytes of a later batch. No record is decoded or checked for its size.
   */
  get raw(): Iterable<Uint8Array> {
    this.#requireValid();
    const { bytes, offsets, lengths } = this.#records;
    return {
      [Symbol.iterator]: () =>
        new RecordIterator(this, (index) => {
          const offset = offsets[index] ?? 0;
          return bytes.subarray(offset, offset + (lengths[index] ?? 0));
        }),
    };
  }

  /** The same batch in memory of its own, which never expires. */
  copy(): Batch<T> {
    this.#requireValid();
    const { bytes, offsets, lengths, cpus } = this.#records;
    const length = this.#length;
    const last = length - 1;
    const end = length === 0 ? 0 : (offsets[last] ?? 0) + (lengths[last] ?? 0);
    const own = bytes.slice(0, end);
    const records = {
      bytes: own,
      view: new DataView(own.buffer),
      offsets: offsets.slice(0, length),
      lengths: lengths.slice(0, length),
      cpus: cpus.slice(0, length),
    };
    return new Batch(this.#type, records, length);
  }

  /** Whether there is a record of that number; throws when the batch has expired. @internal */
  holds(index: number): boolean {
    this.#requireValid();
    return index < this.#length;
  }

  /** @internal */
  decodeAt(index: number): T {
    const { offsets, lengths } = this.#records;
    return this.#type.decode(this.#records, offsets[index] ?? 0, lengths[index] ?? 0);
  }

  /** @internal */
  cpuAt(index: number): number {
    return this.#records.cpus[index] ?? 0;
  }

  /** @internal */
  expire(): void {
    this.#expired = true;
  }

  #requireValid(): void {
    if (!this.#expired) return;
    throw new UsageError(
      `this batch of ${quote(this.#type.map)} has expired: a batch is valid until the next one; ` +
        'keep it with batch.copy() before asking for the next',
      { code: 'ERR_EBPF_BATCH_EXPIRED' },
    );
  }

  #inspect(): string {
    const of = `Batch { of ${escapeControl(inspect(this.#type.map))}`;
    return this.#expired ? `${of}, expired }` : `${of}, ${this.#length} events }`;
  }
}

/** Record by record. Written out: a generator costs twice as much per record. */
class RecordIterator<R> implements IterableIterator<R> {
  readonly #batch: Batch<unknown>;
  readonly #read: (index: number) => R;
  #index = 0;

  constructor(batch: Batch<unknown>, read: (index: number) => R) {
    this.#batch = batch;
    this.#read = read;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<R, undefined> {
    if (!this.#batch.holds(this.#index)) return { done: true, value: undefined };
    return { done: false, value: this.#read(this.#index++) };
  }
}
