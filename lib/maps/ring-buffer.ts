import { BtfKind, type Btf } from '../btf/index.js';
import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import { EventReader, RecordType, checkReadOptions, type ReadOptions } from '../events/index.js';
import { Ring } from '../sys/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { typesAlreadyChosen } from './map-types.js';
import { codecByBtf } from './value-types.js';
import { requireLayout } from './value-types.js';

/**
 * A ring buffer, into which programs write events for one reader. Events are decoded by the C type of the object that
 * {@link RingBuffer.of} names, or by a declared type; without a type they are owned bytes. Least kernel: 5.8.
 *
 * @example
 * ```js
 * const events = ebpf.map('events', RingBuffer.of('event'));
 * for await (const event of events.read()) console.log(event.pid, event.comm);
 * ```
 */
export class RingBuffer<Event = Uint8Array> extends BpfMap {
  /** The name given to `of`, or the declared codec. */
  #type: string | Codec<unknown> | undefined;
  #codec: Codec<unknown> | undefined;
  #asked = false;
  #reader: EventReader<unknown> | undefined;

  /**
   * A ring of events of one type: a declared one, checked against the object's type of that name, or the C type of the
   * object that has the given name: `'event'` for `struct event`.
   */
  static of<Event>(type: Codec<Event, never>): TypedMapKind<RingBuffer<Event>>;
  static of(type: string): TypedMapKind<RingBuffer<unknown>>;
  static of<Event>(type: string | Codec<Event, never>): TypedMapKind<RingBuffer<Event>> {
    return typedKind((map) => {
      const ring = RingBuffer.from(map);
      ring.#declare(type);
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
    const checked = checkReadOptions(options);
    this.requireOpen();
    if (this.#reader !== undefined) {
      throw UsageError.busy(`ring buffer ${quote(this.name)}`, 'it has a reader; close that one first');
    }
    const reader = new EventReader<unknown>({
      type: new RecordType(this.name, 'ring buffer', this.#codec),
      source: Ring.open(this.handle),
      capacity: this.maxEntries,
      total: this.maxEntries,
      options: checked,
      drops: { dropped: this.details.dropped },
      onCpusChanged: undefined,
      onClose: () => {
        this.#reader = undefined;
      },
    });
    if (!reader.closed) this.#reader = reader;
    this.#asked = true;
    return reader as EventReader<Event>;
  }

  /** Ends the reader, when there is one, and lets go of the map. May be called again. */
  override close(): void {
    this.#reader?.discard();
    super.close();
  }

  /** The open reader. @internal */
  get reader(): EventReader<unknown> | undefined {
    return this.#reader;
  }

  #declare(type: string | Codec<unknown>): void {
    if (this.#type === type) return;
    const codec = typeof type === 'string' ? this.#codecOfName(type) : this.#checkedCodec(type);
    if (this.#type !== undefined || this.#asked) throw typesAlreadyChosen(this.name, this.#type !== undefined);
    this.#type = type;
    this.#codec = codec;
  }

  #codecOfName(name: string): Codec<unknown> {
    const { types } = this.details;
    if (types.btf === undefined) {
      throw UsageError.invalidValue(
        `map ${quote(this.name)}`,
        `the object has no BTF in which to find ${quote(name)}; compile it with -g, or declare the type with struct()`,
      );
    }
    const typeId = findType(types.btf, name);
    if (typeId === undefined) throw unknownType(types.btf, name);
    return codecByBtf(types, typeId, 0);
  }

  #checkedCodec(codec: Codec<unknown>): Codec<unknown> {
    const { types } = this.details;
    const name = structName(codec);
    if (types.btf === undefined || name === undefined) return codec;
    const typeId = findType(types.btf, name);
    if (typeId === undefined) throw unknownType(types.btf, name);
    requireLayout(`events of ring buffer ${quote(this.name)}`, codec, types, typeId, codec.size);
    return codec;
  }
}

/** `event` of `struct event`; other types have no name that the object must know. */
function structName(codec: Codec<unknown>): string | undefined {
  return /^(?:struct|union) (.+)$/.exec(codec.typeName)?.[1];
}

function findType(btf: Btf, name: string): number | undefined {
  const bare = /^(?:struct|union|enum) (.+)$/.exec(name)?.[1] ?? name;
  for (const kind of [BtfKind.STRUCT, BtfKind.UNION, BtfKind.TYPEDEF, BtfKind.ENUM, BtfKind.ENUM64, BtfKind.INT]) {
    const id = btf.find(bare, kind);
    if (id !== undefined) return id;
  }
  return undefined;
}

function unknownType(btf: Btf, name: string): UsageError {
  const names = new Set<string>();
  for (let id = btf.startId; id < btf.endId; id++) {
    const kind = btf.kind(id);
    if (kind === BtfKind.STRUCT || kind === BtfKind.UNION || kind === BtfKind.TYPEDEF) names.add(btf.nameOf(id));
  }
  names.delete('');
  return UsageError.notFound(`type of object ${quote(btf.name)}`, name, names);
}
