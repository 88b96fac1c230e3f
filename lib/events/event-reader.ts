import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';

import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';
import type { Ring } from '../sys/index.js';

import { Batch, type BatchSource } from './batch.js';
import { BatchIterator, EventIterator } from './iterators.js';
import { lostChannel, type LostMessage } from './channels.js';
import type { CheckedReadOptions } from './read-options.js';

/** What a reader has seen so far. A snapshot. */
export interface ReaderStats {
  /** Events taken out of the ring. */
  readonly events: number;
  /** Bytes of those events. */
  readonly bytes: number;
  /** Batches the events came in. */
  readonly batches: number;
  /** How often the reader slept and was woken. */
  readonly wakeups: number;
  /**
   * Events the program could not write because the ring was full. The kernel does not count them: the program must, in
   * a global variable `__u64 <map>_dropped` (`events_dropped` for the ring `events`). Undefined without one.
   */
  readonly dropped: bigint | undefined;
  /** True while {@link EventReader.pause} holds the reader. */
  readonly paused: boolean;
}

/** What a reader is made from. @internal */
export interface ReaderDetails<T> {
  readonly map: string;
  readonly ring: Ring;
  /** Bytes the ring holds. */
  readonly capacity: number;
  readonly codec: Codec<T> | undefined;
  readonly options: CheckedReadOptions;
  readonly dropped: (() => bigint) | undefined;
  readonly onClose: () => void;
}

interface Drained {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly end: number;
  readonly count: number;
}

/** Once events have been delivered this long without a pause, timers and sockets get their turn. */
const turnMs = 8;

/** Open readers: what waits for events must not be collected, although nothing but the kernel may refer to it. */
const open = new Set<object>();

/**
 * The one reader of a ring buffer. Iterating it yields events, which are the caller's to keep; {@link batches} is the
 * fast path. Leaving the loop closes the reader; so do an abort, an error and {@link close}.
 *
 * A reader that is not asked leaves the events in the kernel's ring: nothing piles up in JavaScript, and what does not
 * fit there is for the program to count (see {@link ReaderStats.dropped}). Only a reader that is being consumed keeps
 * the process alive.
 *
 * @example
 * ```js
 * for await (const event of ebpf.map('events', RingBuffer.of('event')).read({ signal })) {
 *   console.log(event.pid, event.comm);
 * }
 * ```
 */
export class EventReader<T> implements AsyncIterable<T> {
  readonly #source: BatchSource<T>;
  readonly #options: CheckedReadOptions;
  readonly #onClose: () => void;
  readonly #abortListener: () => void;
  #ring: Ring | undefined;
  #capacity: number;
  #buffer: Uint8Array;
  #view: DataView;
  /** What close() took out of the ring and nobody has asked for yet. */
  #queue: Drained[] = [];
  #current: Batch<T> | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #claimed = false;
  #paused = false;
  #referenced = true;
  #wake: (() => void) | undefined;
  #turnStart = 0;
  #readDropped: (() => bigint) | undefined;
  #dropped: bigint | undefined;
  #reported = 0n;
  #stats = { events: 0, bytes: 0, batches: 0, wakeups: 0 };

  static {
    Object.defineProperty(EventReader.prototype, inspect.custom, {
      value(this: EventReader<unknown>): string {
        return this.#inspect();
      },
    });
  }

  /** @internal */
  constructor(details: ReaderDetails<T>) {
    this.#source = { map: details.map, codec: details.codec };
    this.#options = details.options;
    this.#onClose = details.onClose;
    this.#ring = details.ring;
    this.#capacity = details.capacity;
    // Framing takes as much room as the kernel's record header, so twice the ring is more than it can ever hold.
    const size = Math.min(details.options.maxBatchBytes, Math.max(4096, details.capacity * 2));
    this.#buffer = new Uint8Array(size);
    this.#view = new DataView(this.#buffer.buffer);
    this.#readDropped = details.dropped;
    this.#dropped = details.dropped?.();
    this.#reported = this.#dropped ?? 0n;
    open.add(this);
    const { signal } = details.options;
    this.#abortListener = () => {
      this.#abort(signal?.reason);
    };
    if (signal?.aborted === true) this.#abort(signal.reason);
    else signal?.addEventListener('abort', this.#abortListener, { once: true });
  }

  /** True once the reader has ended; events that were queued may still be delivered. */
  get closed(): boolean {
    return this.#ring === undefined;
  }

  /** What was read so far, and what the program lost. */
  get stats(): ReaderStats {
    if (this.#ring !== undefined && this.#readDropped !== undefined) this.#dropped = this.#readDropped();
    return { ...this.#stats, dropped: this.#dropped, paused: this.#paused };
  }

  /**
   * Events one by one, decoded, the caller's to keep.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` when the reader is being consumed already.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    this.#claim();
    return new EventIterator(this);
  }

  /**
   * Events as they arrive together, in memory that is used again: a batch is valid until the next is asked for. About
   * ten times cheaper per event than {@link Symbol.asyncIterator} at high rates.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` when the reader is being consumed already.
   */
  batches(): AsyncIterableIterator<Batch<T>> {
    this.#claim();
    return new BatchIterator(this);
  }

  /**
   * Calls `handle` with each event and awaits what it returns. Resolves when the reader is closed; rejects when
   * `handle` throws, or with the reason of an aborted signal. The reader is closed afterwards.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` when the reader is being consumed already.
   */
  async forEach(
    handle: (event: T) => unknown,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    this.#claim();
    const { signal } = options;
    const onAbort = (): void => {
      this.#abort(signal?.reason);
    };
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
    const events = new EventIterator(this);
    try {
      for (;;) {
        const item = events.take() ?? (await events.next());
        if (item.done === true) return;
        const result = handle(item.value);
        if (isThenable(result)) await result;
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.discard();
    }
  }

  /** Stops delivering until {@link resume}; events stay in the kernel's ring. A paused reader does not keep the process alive. */
  pause(): void {
    this.#paused = true;
    this.#notify();
  }

  /** Delivers again after {@link EventReader.pause}. */
  resume(): void {
    this.#paused = false;
    this.#notify();
  }

  /** Lets the reader keep the process alive while it is being consumed. The default. */
  ref(): this {
    this.#referenced = true;
    if (this.#wake !== undefined && !this.#paused) this.#ring?.ref();
    return this;
  }

  /** Lets the process end although the reader is being consumed. */
  unref(): this {
    this.#referenced = false;
    this.#ring?.unref();
    return this;
  }

  /**
   * Ends the reader. What is in the ring at this moment is still delivered to whoever consumes the reader, then its
   * loop ends. May be called again.
   */
  async close(): Promise<void> {
    const ring = this.#ring;
    if (ring !== undefined) {
      try {
        this.#takeQueued(ring);
      } finally {
        this.#end();
      }
    }
    return Promise.resolve();
  }

  /** {@link close} at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The next batch, or undefined at the end. The one given before expires. @internal */
  async nextBatch(): Promise<Batch<T> | undefined> {
    this.#current?.expire();
    this.#current = undefined;
    for (;;) {
      this.throwIfAborted();
      if (this.#paused && this.#ring !== undefined) {
        await this.#sleep(undefined);
      } else if (performance.now() - this.#turnStart > turnMs) {
        await nextTurn();
        this.#turnStart = performance.now();
      } else {
        const queued = this.#queue.shift();
        if (queued !== undefined) return this.#batch(queued);
        if (this.#ring === undefined) return undefined;
        const drained = this.#drain(this.#ring);
        if (drained !== undefined) return this.#batch(drained);
        await this.#waitForEvents(this.#ring);
      }
    }
  }

  /** True when nothing stands between the caller and the next event of the batch it has. @internal */
  mayContinue(): boolean {
    return this.#aborted === undefined && !(this.#paused && this.#ring !== undefined);
  }

  /** True when other work of this thread should get its turn. @internal */
  turnIsOver(): boolean {
    return performance.now() - this.#turnStart > turnMs;
  }

  /** Waits until the reader may deliver again: not paused, and the event loop had its turn. @internal */
  async breathe(): Promise<void> {
    for (;;) {
      this.throwIfAborted();
      if (this.#paused && this.#ring !== undefined) await this.#sleep(undefined);
      else if (this.turnIsOver()) {
        await nextTurn();
        this.#turnStart = performance.now();
      } else return;
    }
  }

  /** Rejects the consumer of an aborted reader, once; after that the reader has simply ended. @internal */
  throwIfAborted(): void {
    const aborted = this.#aborted;
    if (aborted === undefined) return;
    this.#aborted = undefined;
    throw aborted.reason;
  }

  /** Ends the reader and forgets what is queued: its consumer wants no more. @internal */
  discard(): void {
    this.#queue = [];
    this.#current?.expire();
    this.#current = undefined;
    this.#end();
  }

  #claim(): void {
    if (this.#claimed) {
      throw UsageError.busy(
        `the reader of ${quote(this.#source.map)}`,
        'something consumes it already; a reader has one consumer',
      );
    }
    this.#claimed = true;
  }

  #abort(reason: unknown): void {
    if (this.#ring === undefined && this.#queue.length === 0) return;
    this.#aborted = { reason };
    this.#queue = [];
    this.#end();
  }

  #end(): void {
    const ring = this.#ring;
    if (ring === undefined) return;
    if (this.#readDropped !== undefined) this.#dropped = this.#readDropped();
    this.#readDropped = undefined;
    this.#ring = undefined;
    ring.unref();
    ring.close();
    this.#options.signal?.removeEventListener('abort', this.#abortListener);
    open.delete(this);
    this.#onClose();
    this.#notify();
  }

  /** Moves what the ring holds now into memory of its own, so that the ring can be closed at once. */
  #takeQueued(ring: Ring): void {
    // The program may go on writing: more than one ring full is not "what is queued now".
    for (let taken = 0; taken < this.#capacity;) {
      // The buffer may hold a batch that someone still reads: drain into a new one.
      this.#buffer = new Uint8Array(this.#buffer.length);
      this.#view = new DataView(this.#buffer.buffer);
      const drained = this.#drain(ring);
      if (drained === undefined) return;
      this.#queue.push(drained);
      taken += drained.end;
    }
  }

  #drain(ring: Ring): Drained | undefined {
    for (;;) {
      const result = ring.drain(this.#buffer);
      if (result.records > 0) {
        return { bytes: this.#buffer, view: this.#view, end: result.bytes, count: result.records };
      }
      if (result.needed <= this.#buffer.length) return undefined;
      // A record larger than the buffer: it gets the room it needs, and the buffer stays that large.
      this.#buffer = new Uint8Array((result.needed + 4095) & ~4095);
      this.#view = new DataView(this.#buffer.buffer);
    }
  }

  #batch(drained: Drained): Batch<T> {
    const batch = new Batch(this.#source, drained.bytes, drained.view, drained.end, drained.count);
    this.#stats.events += drained.count;
    this.#stats.bytes += batch.byteLength;
    this.#stats.batches++;
    this.#current = batch;
    if (lostChannel.hasSubscribers) this.#reportLost();
    return batch;
  }

  #reportLost(): void {
    const { dropped } = this.stats;
    if (dropped === undefined || dropped === this.#reported) return;
    const message: LostMessage = { map: this.#source.map, lost: dropped - this.#reported, total: dropped };
    this.#reported = dropped;
    lostChannel.publish(message);
  }

  async #waitForEvents(ring: Ring): Promise<void> {
    await this.#sleep(ring);
    this.#turnStart = performance.now();
    this.#stats.wakeups++;
    const { maxLatencyMs } = this.#options;
    // Waiting longer than the ring has room would lose events to save work.
    if (maxLatencyMs > 0 && this.#ring !== undefined && !this.#paused && ring.pendingBytes() * 2 < this.#capacity) {
      await this.#sleep(maxLatencyMs);
    }
  }

  /** Sleeps until there are events in the given ring or the given milliseconds have passed, or something changes. */
  async #sleep(until: Ring | number | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (typeof until === 'number') timer = setTimeout(resolve, until);
      else if (until !== undefined) {
        if (this.#referenced) until.ref();
        until.arm(resolve);
      }
    });
    this.#wake = undefined;
    clearTimeout(timer);
    this.#ring?.unref();
  }

  #notify(): void {
    this.#wake?.();
  }

  #inspect(): string {
    const { events, batches } = this.#stats;
    const state = this.closed ? ', closed' : this.#paused ? ', paused' : '';
    return `EventReader { of ${inspect(this.#source.map)}, ${events} events in ${batches} batches${state} }`;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
