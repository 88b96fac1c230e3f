import { endsFlexibly, type Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

/** Perf samples are padded to a multiple of eight bytes, their length of four bytes included (perf_prepare_sample). */
const mostPadding = 7;

/** What the records of a map are, and how bytes become events. @internal */
export class RecordType<T> {
  /** The map the records come from. */
  readonly map: string;
  /** Whether there may be records that nobody wants. */
  readonly selective: boolean = false;
  readonly #noun: string;
  readonly #codec: Codec<T> | undefined;
  readonly #least: number;
  readonly #most: number;

  /** Without a codec events are owned copies of the records' bytes. */
  constructor(map: string, noun: 'ring buffer' | 'perf event array', codec: Codec<T> | undefined) {
    this.map = map;
    this.#noun = noun;
    this.#codec = codec;
    this.#least = codec?.size ?? 0;
    this.#most = this.#least + (noun === 'ring buffer' ? 0 : mostPadding);
    if (codec === undefined || !endsFlexibly(codec.layout)) return;
    // The codec knows how little it needs.
    this.#least = 0;
    this.#most = Infinity;
  }

  /** Whether the record of `length` bytes at `offset` is given, when {@link selective}; others are passed over. */
  wants(_records: { bytes: Uint8Array; view: DataView }, _offset: number, _length: number): boolean {
    return true;
  }

  /** The event of `length` bytes at `offset`. It shares no memory with the batch. */
  decode({ bytes, view }: { bytes: Uint8Array; view: DataView }, offset: number, length: number): T {
    const codec = this.#codec;
    // Without a codec T is Uint8Array: the map was given no type.
    if (codec === undefined) return bytes.slice(offset, offset + length) as T;
    if (length < this.#least || length > this.#most) throw this.#wrongSize(codec, length);
    return codec.decode(view, offset, length);
  }

  #wrongSize(codec: Codec<T>, length: number): UsageError {
    return new UsageError(
      `a record of ${this.#noun} ${quote(this.map)} has ${length} bytes, but ${codec.typeName} has ${codec.size}; ` +
        'read the map with the type that the program writes, or without a type to get bytes',
      { code: 'ERR_EBPF_INVALID_VALUE', path: this.map },
    );
  }
}
