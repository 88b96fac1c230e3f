import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import { EventReader, type ReaderDetails } from '../events/index.js';

import { BpfMap } from './bpf-map.js';
import { eventCodec } from './event-codec.js';
import { typesAlreadyChosen } from './map-types.js';

/** A map into which programs write events for one reader: a {@link RingBuffer} or a {@link PerfEventArray}. */
export class EventMap extends BpfMap {
  /** What errors call it. @internal */
  protected readonly noun: 'ring buffer' | 'perf event array' = 'ring buffer';
  /** The name given to `of`, or the declared codec. */
  #type: string | Codec<unknown> | undefined;
  #codec: Codec<unknown> | undefined;
  #asked = false;
  #reader: EventReader<unknown> | undefined;

  /** Ends the reader, when there is one, and lets go of the map. May be called again. */
  override close(): void {
    this.#reader?.discard();
    super.close();
  }

  /** The open reader. @internal */
  get reader(): EventReader<unknown> | undefined {
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
    throw UsageError.busy(`${this.noun} ${quote(this.name)}`, 'it has a reader; close that one first');
  }

  /** Makes the one reader; `onClose` is told of its end. @internal */
  protected open<T>(
    details: (codec: Codec<unknown> | undefined) => Omit<ReaderDetails<T>, 'onClose'>,
    onClose: () => void = () => undefined,
  ): EventReader<T> {
    const reader = new EventReader<T>({
      ...details(this.#codec),
      onClose: () => {
        this.#reader = undefined;
        onClose();
      },
    });
    if (!reader.closed) this.#reader = reader;
    this.#asked = true;
    return reader;
  }
}
