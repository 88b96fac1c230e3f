import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import { EventReader, type ReaderDetails } from '../events/index.js';

import { BpfMap } from './bpf-map.js';
import { eventCodec } from './event-codec.js';
import { typesAlreadyChosen } from './map-types.js';

/** What reads a map of events. */
interface Occupant {
  readonly closed: boolean;
  close(): Promise<void>;
  discard(): void;
}

/** A map into which programs write events for one reader: a {@link RingBuffer} or a {@link PerfEventArray}. */
export class EventMap extends BpfMap {
  /** What errors call it. @internal */
  protected readonly noun: 'ring buffer' | 'perf event array' = 'ring buffer';
  /** The name given to `of`, or the declared codec. */
  #type: string | Codec<unknown> | undefined;
  #codec: Codec<unknown> | undefined;
  #asked = false;
  #reader: Occupant | undefined;
  #readerNoun = 'reader';

  /** Ends the reader or recorder, when there is one, and lets go of the map. May be called again. */
  override close(): void {
    this.#reader?.discard();
    super.close();
  }

  /** The open reader or recorder. @internal */
  get reader(): Occupant | undefined {
    return this.#reader;
  }

  /** Declares what the events are, once. @internal */
  declare(type: string | Codec<unknown>): void {
    if (this.#type === type) return;
    const codec = eventCodec(this, this.noun, type);
    if (this.#type !== undefined || this.#asked) throw typesAlreadyChosen(this.name, this.#type !== undefined);
    this.#type = type;
    this.#codec = codec;
  }

  /** Throws while there is a reader, or when the map is closed. @internal */
  protected requireFree(): void {
    this.requireOpen();
    if (this.#reader === undefined) return;
    throw UsageError.busy(`${this.noun} ${quote(this.name)}`, `it has a ${this.#readerNoun}; close that one first`);
  }

  /** Makes the one reader; `onClose` is told of its end. @internal */
  protected open<T>(
    details: (codec: Codec<unknown> | undefined) => Omit<ReaderDetails<T>, 'onClose'>,
    onClose: () => void = () => undefined,
  ): EventReader<T> {
    return this.occupy('reader', (codec, onEnd) => {
      const ended = (): void => {
        onEnd();
        onClose();
      };
      return new EventReader<T>({ ...details(codec), onClose: ended });
    });
  }

  /** Makes what reads the map, `noun`, and is to tell of its end. @internal */
  protected occupy<Reader extends Occupant>(
    noun: string,
    make: (codec: Codec<unknown> | undefined, onEnd: () => void) => Reader,
  ): Reader {
    const reader = make(this.#codec, () => {
      this.#reader = undefined;
    });
    if (!reader.closed) this.#reader = reader;
    this.#readerNoun = noun;
    this.#asked = true;
    return reader;
  }
}
