import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import { UserRing } from '../sys/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';
import { eventCodec } from './event-codec.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import { typesAlreadyChosen } from './map-types.js';
import { UserRecord } from './user-record.js';

interface Waiting {
  readonly payload: Uint8Array;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

/**
 * A user ring buffer: this process writes records, programs drain them with `bpf_user_ringbuf_drain()`. Records are
 * encoded by the C type of the object that {@link UserRingBuffer.of} names, or by a declared type; without a type they are
 * bytes. One process, and one `UserRingBuffer` in it, may write. Least kernel: 6.1.
 *
 * @example
 * ```js
 * const commands = ebpf.map('commands', UserRingBuffer.of('command'));
 * if (!commands.send({ kind: 1, pid: 42 })) await commands.sendWhenFree({ kind: 1, pid: 42 }, { signal });
 * ```
 */
export class UserRingBuffer<Input = Uint8Array> extends BpfMap {
  #type: string | Codec<unknown, unknown> | undefined;
  #codec: Codec<unknown> | undefined;
  #ring: UserRing | undefined;
  #waiting: Waiting[] = [];

  /** A ring for records of one type, as {@link RingBuffer.of} takes it. */
  static of<Input>(type: Codec<unknown, Input>): TypedMapKind<UserRingBuffer<Input>>;
  static of(type: string): TypedMapKind<UserRingBuffer<unknown>>;
  static of<Input>(type: string | Codec<unknown, Input>): TypedMapKind<UserRingBuffer<Input>> {
    return typedKind<UserRingBuffer<Input>>((map) => {
      const ring: UserRingBuffer<unknown> = UserRingBuffer.from(map);
      ring.#declare(type);
      return ring;
    });
  }

  /** `map` as a user ring buffer. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): UserRingBuffer {
    if (map instanceof UserRingBuffer) return map as UserRingBuffer;
    throw wrongKind(map, 'UserRingBuffer');
  }

  /** Bytes that no program has drained yet, 8 for each record and padding to multiples of 8 included. */
  get pendingBytes(): number {
    return this.#open().pendingBytes();
  }

  /**
   * Writes a record; false when there is no room for it now, or when records of {@link sendWhenFree} wait.
   *
   * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when the value is not of the type, or larger than the ring;
   * `ERR_EBPF_CLOSED`.
   */
  send(value: Input): boolean {
    const payload = this.#encode(value);
    return this.#waiting.length === 0 && this.#open().send(payload);
  }

  /**
   * Writes a record as soon as there is room for it, in the order of the calls. An abort rejects with `signal.reason`; the
   * record is then not written.
   *
   * @throws as {@link send}.
   */
  async sendWhenFree(value: Input, options: { readonly signal?: AbortSignal | undefined } = {}): Promise<void> {
    const { signal } = options;
    signal?.throwIfAborted();
    const payload = this.#encode(value);
    const ring = this.#open();
    if (this.#waiting.length === 0 && ring.send(payload)) return;
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
        if (this.#waiting.length === 0) this.#ring?.relax();
        waiting.reject(signal?.reason as Error);
      };
      const waiting: Waiting = {
        payload,
        resolve: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
        reject: (reason) => {
          signal?.removeEventListener('abort', onAbort);
          reject(reason);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      if (this.#waiting.length === 1) {
        ring.watch(() => {
          this.#sendWaiting();
        });
      }
    });
  }

  /**
   * Reserves room for a record of `size` bytes, by default those of the declared type; undefined when there is none now.
   * Programs see no later record before this one is submitted or discarded.
   *
   * @throws {@link UsageError} when the record is larger than the ring, or without a size and a type.
   */
  reserve(size: number | undefined = this.#codec?.size): UserRecord | undefined {
    const ring = this.#open();
    if (size === undefined || !Number.isInteger(size) || size < 0) {
      throw UsageError.invalidValue('size', `must be a whole number of bytes, not ${String(size)}`);
    }
    this.#requireFit(size);
    const position = this.#waiting.length === 0 ? ring.reserve(size) : undefined;
    return position === undefined ? undefined : new UserRecord(ring, position, size);
  }

  /** Rejects who waits, discards what is reserved, and lets go of the map. May be called again. */
  override close(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#ring?.close();
    this.#ring = undefined;
    super.close();
    for (const { reject } of waiting) reject(UsageError.closed(`map ${quote(this.name)}`));
  }

  #open(): UserRing {
    this.requireOpen();
    this.#ring ??= UserRing.open(this.handle);
    return this.#ring;
  }

  #sendWaiting(): void {
    for (;;) {
      const first = this.#waiting[0];
      if (first === undefined) break;
      if (this.#ring?.send(first.payload) !== true) return;
      this.#waiting.shift();
      first.resolve();
    }
    this.#ring?.relax();
  }

  #encode(value: Input): Uint8Array {
    const codec = this.#codec;
    if (codec === undefined) {
      if (!(value instanceof Uint8Array)) {
        throw UsageError.invalidValue('value', 'must be a Uint8Array; UserRingBuffer.of(type) takes other values');
      }
      this.#requireFit(value.length);
      return value;
    }
    const payload = new Uint8Array(codec.size);
    codec.encode(value, new DataView(payload.buffer), 0);
    this.#requireFit(payload.length);
    return payload;
  }

  #requireFit(size: number): void {
    const taken = 8 + Math.ceil(size / 8) * 8;
    if (taken <= this.maxEntries) return;
    throw UsageError.invalidValue('value', `a record of ${size} bytes takes ${taken}, the ring has ${this.maxEntries}`);
  }

  #declare(type: string | Codec<unknown>): void {
    if (this.#type === type) return;
    const codec = eventCodec(this, 'user ring buffer', type);
    if (this.#type !== undefined || this.#ring !== undefined)
      throw typesAlreadyChosen(this.name, this.#type !== undefined);
    this.#type = type;
    this.#codec = codec;
  }
}
