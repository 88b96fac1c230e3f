import { MapFlag } from '../abi/index.js';
import type { Codec } from '../codec/index.js';
import { RecordType, checkReadOptions, type EventReader, type ReadOptions } from '../events/index.js';
import { Ring } from '../sys/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { EventMap } from './event-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * A ring buffer, into which programs write events for one reader. Events are decoded by the C type of the object that
 * {@link RingBuffer.of} names, or by a declared type; without a type they are owned bytes. Least kernel: 5.8.
 *
 * With `MapFlag.RB_OVERWRITE` (Linux 6.19) newer records overwrite those that were not read: {@link ReaderStats.overwrittenBytes}.
 *
 * @example
 * ```js
 * const events = ebpf.map('events', RingBuffer.of('event'));
 * for await (const event of events.read()) console.log(event.pid, event.comm);
 * ```
 */
export class RingBuffer<Event = Uint8Array> extends EventMap {
  /**
   * A ring of events of one type: a declared one, checked against the object's type of that name, or the C type of the
   * object that has the given name: `'event'` for `struct event`.
   */
  static of<Event>(type: Codec<Event, never>): TypedMapKind<RingBuffer<Event>>;
  static of(type: string): TypedMapKind<RingBuffer<unknown>>;
  static of<Event>(type: string | Codec<Event, never>): TypedMapKind<RingBuffer<Event>> {
    return typedKind((map) => {
      const ring = RingBuffer.from(map);
      ring.declare(type);
      return ring as RingBuffer<unknown> as RingBuffer<Event>;
    });
  }

  /** `map` as a ring buffer. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): RingBuffer {
    if (map instanceof RingBuffer) return map as RingBuffer;
    throw wrongKind(map, 'RingBuffer');
  }

  /**
   * Opens the one reader of this ring.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` while there is another reader, `ERR_EBPF_CLOSED` after the map was closed.
   */
  read(options: ReadOptions = {}): EventReader<Event> {
    return this.readAs((codec) => new RecordType(this.name, this.noun, codec), options) as EventReader<Event>;
  }

  /** Opens the one reader, for records of a type of its own. @internal */
  readAs<T>(type: (codec: Codec<unknown> | undefined) => RecordType<T>, options: ReadOptions): EventReader<T> {
    const checked = checkReadOptions(options);
    this.requireFree();
    return this.open((codec) => ({
      type: type(codec),
      source: Ring.open(this.handle),
      capacity: this.maxEntries,
      total: this.maxEntries,
      options: checked,
      drops: { dropped: this.details.dropped },
      overwrites: (this.flags & MapFlag.RB_OVERWRITE) !== 0,
    }));
  }
}
