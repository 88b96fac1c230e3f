import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';

import { UsageError, escapeControl, quote } from '../errors/index.js';
import type { EventSource } from '../sys/index.js';

import { Batch, type Records } from './batch.js';
import { Drops, type DropCounters } from './drops.js';
import { Intake, type Taken } from './intake.js';
import { BatchIterator, EventIterator } from './iterators.js';
import { OrderedIntake } from './ordered-intake.js';
import { Pace, type Wait } from './pace.js';
import type { CheckedReadOptions } from './read-options.js';
import type { ReaderStats } from './reader-stats.js';
import type { RecordType } from './record-type.js';

/** What a reader is made from. @internal */
export interface ReaderDetails<T> {
  readonly type: RecordType<T>;
  readonly source: EventSource;
  /** Bytes the kernel's memory holds; of perf buffers that of one CPU. */
  readonly capacity: number;
  /** Bytes of it in all. */
  readonly total: number;
  readonly options: CheckedReadOptions;
  /** Whether records hold their times and are to be put in the order of these. */
  readonly byTime?: boolean | undefined;
  readonly drops: DropCounters;
  /** Whether the kernel writes over what was not read. */
  readonly overwrites?: boolean | undefined;
  /** CPUs went online or offline. */
  readonly onCpusChanged?: (() => void) | undefined;
  /** Nothing more is to come: called before what is there is taken. */
  readonly onClosing?: (() => void) | undefined;
  readonly onClose: () => void;
}

/** Once events have been delivered this long without a pause, timers and sockets get their turn. */
const turnMs = 8;
/** How long after it had all a reader waits in place of looking again: a look costs as much as hundreds of events. */
const restMs = 1;

/** Open readers: what waits for events must not be collected, although nothing but the kernel may refer to it. */
const open = new Set<object>();

/**
 * The one reader of a ring buffer or perf event array. Iterating it yields events, which are the caller's to keep; {@link batches} is the
 * fast path. Leaving the loop closes the reader; so do an abort, an error and {@link close}.
 *
 * A reader that is not asked leaves the events in the kernel's memory: nothing piles up in JavaScript, and what does not
 * fit there is counted (see {@link ReaderStats.dropped}). Only a reader that is being consumed keeps
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
  readonly #type: RecordType<T>;
  readonly #options: CheckedReadOptions;
  readonly #onClosing: (() => void) | undefined;
  readonly #onClose: () => void;
  readonly #abortListener: () => void;
  readonly #intake: Intake;
  readonly #pace: Pace;
  readonly #drops: Drops;
  readonly #total: number;
  #source: EventSource | undefined;
  /** What close() took out of the kernel's memory and nobody has asked for yet. */
  #queue: Taken[] = [];
  #current: Batch<T> | undefined;
  /** When a batch was all that there was: looking again sooner than {@link restMs} later would bring little. */
  #exhausted = -Infinity;
  #aborted: { readonly reason: unknown } | undefined;
  #claimed = false;
  #paused = false;
  #referenced = true;
  #wake: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;
  #turnStart = 0;
  /** Milliseconds that the event loop had waited then. */
  #turnIdle = 0;
  #stats = { events: 0, bytes: 0, batches: 0, wakeups: 0 };
  #overwrittenBytes: bigint | undefined;

  static {
    Object.defineProperty(EventReader.prototype, inspect.custom, {
      value(this: EventReader<unknown>): string {
        return this.#inspect();
      },
    });
  }

  /** @internal */
  constructor(details: ReaderDetails<T>) {
    const { source, capacity, total, options } = details;
    this.#type = details.type;
    this.#options = options;
    this.#onClosing = details.onClosing;
    this.#onClose = details.onClose;
    if (details.overwrites === true) this.#overwrittenBytes = 0n;
    this.#source = source;
    this.#total = total;
    this.#pace = new Pace(source, capacity, options);
    this.#drops = new Drops(details.type.map, details.drops);
    const kind = details.byTime === true ? OrderedIntake : Intake;
    this.#intake = new kind(source, Math.min(options.maxBatchBytes, total), {
      lost: (records) => {
        this.#drops.lost(records);
      },
      overwritten: (bytes) => {
        this.#overwrittenBytes = (this.#overwrittenBytes ?? 0n) + BigInt(bytes);
      },
      cpusChanged: () => details.onCpusChanged?.(),
    });
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
    return this.#source === undefined;
  }

  /** What was read so far, and what the program lost. */
  get stats(): ReaderStats {
    const overwrittenBytes = this.#overwrittenBytes;
    return { ...this.#stats, ...this.#drops.read(), overwrittenBytes, paused: this.#paused };
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
   * Calls `handle` with each event, and the CPU that it was written on where that is known (of a ring buffer 0), and
   * awaits what it returns. Resolves when the reader is closed; rejects when
   * `handle` throws, or with the reason of an aborted signal. The reader is closed afterwards.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` when the reader is being consumed already.
   */
  async forEach(
    handle: (event: T, cpu: number) => unknown,
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
        const result = handle(item.value, events.cpu);
        if (isThenable(result)) await result;
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.discard();
    }
  }

  /** Stops delivering until {@link resume}; events stay in the kernel's memory. A paused reader does not keep the process alive. */
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
    if (this.#wake !== undefined && !this.#paused) this.#source?.ref();
    this.#timer?.ref();
    return this;
  }

  /** Lets the process end although the reader is being consumed. */
  unref(): this {
    this.#referenced = false;
    this.#source?.unref();
    this.#timer?.unref();
    return this;
  }

  /**
   * Ends the reader. What is in the kernel's memory at this moment is still delivered to whoever consumes the reader, then its
   * loop ends. May be called again.
   */
  async close(): Promise<void> {
    if (this.#source !== undefined) {
      try {
        this.#onClosing?.();
        this.#queue.push(...this.#intake.takeAll(this.#total));
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

  /** The next batch when it can be had without waiting, else undefined. The one given before expires. @internal */
  batchNow(): Batch<T> | undefined {
    if (this.#source === undefined || this.#queue.length > 0 || !this.mayContinue() || this.turnIsOver())
      return undefined;
    this.#current?.expire();
    this.#current = undefined;
    const taken = this.#take();
    return taken === undefined ? undefined : this.#batch(taken);
  }

  /** The next batch, or undefined at the end. The one given before expires. @internal */
  async nextBatch(): Promise<Batch<T> | undefined> {
    this.#current?.expire();
    this.#current = undefined;
    for (;;) {
      this.throwIfAborted();
      if (this.#isHeld()) {
        await this.#sleep();
      } else if (this.turnIsOver()) {
        await nextTurn();
        this.#startTurn();
      } else {
        const taken = this.#queue.shift() ?? this.#take();
        if (taken !== undefined) {
          const batch = this.#batch(taken);
          if (batch !== undefined) return batch;
        } else if (this.#source === undefined) return undefined;
        else await this.#waitForEvents(this.#source);
      }
    }
  }

  /** True when nothing stands between the caller and the next event of the batch it has. @internal */
  mayContinue(): boolean {
    return this.#aborted === undefined && !this.#isHeld();
  }

  /** True when other work of this thread should get its turn. @internal */
  turnIsOver(): boolean {
    if (performance.now() - this.#turnStart <= turnMs) return false;
    // A loop that has waited for something meanwhile has given everybody a turn.
    if (idleTime() === this.#turnIdle) return true;
    this.#startTurn();
    return false;
  }

  /** Waits until the reader may deliver again: not paused, and the event loop had its turn. @internal */
  async breathe(): Promise<void> {
    for (;;) {
      this.throwIfAborted();
      if (this.#isHeld()) await this.#sleep();
      else if (this.turnIsOver()) {
        await nextTurn();
        this.#startTurn();
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
        `the reader of ${quote(this.#type.map)}`,
        'something consumes it already; a reader has one consumer',
      );
    }
    this.#claimed = true;
    this.#startTurn();
  }

  #startTurn(): void {
    this.#turnStart = performance.now();
    this.#turnIdle = idleTime();
  }

  #abort(reason: unknown): void {
    if (this.#source === undefined && this.#queue.length === 0) return;
    this.#aborted = { reason };
    this.#queue = [];
    this.#end();
  }

  #end(): void {
    const source = this.#source;
    if (source === undefined) return;
    this.#drops.end();
    this.#source = undefined;
    source.unref();
    source.close();
    this.#options.signal?.removeEventListener('abort', this.#abortListener);
    open.delete(this);
    this.#onClose();
    this.#notify();
  }

  /** Whether pause() keeps events back; what was queued at the end is given all the same. */
  #isHeld(): boolean {
    return this.#paused && this.#source !== undefined;
  }

  #take(): Taken | undefined {
    if (this.#source === undefined || performance.now() - this.#exhausted < restMs) return undefined;
    const taken = this.#intake.take();
    if (taken !== undefined && this.#intake.exhausted) this.#exhausted = performance.now();
    return taken;
  }

  /** Undefined when nobody wants any of it. */
  #batch({ records, count, bytes, payload }: Taken): Batch<T> | undefined {
    this.#stats.events += count;
    this.#stats.bytes += payload;
    this.#stats.batches++;
    this.#pace.took(count, bytes);
    this.#drops.report();
    const wanted = this.#type.selective ? select(this.#type, records, count) : count;
    if (wanted === 0) return undefined;
    this.#current = new Batch(this.#type, records, wanted);
    return this.#current;
  }

  async #waitForEvents(source: EventSource): Promise<void> {
    const wait: Wait = this.#intake.holding ? { kind: 'time', ms: 1 } : this.#pace.next();
    if (wait.kind === 'turn') {
      await nextTurn();
    } else if (wait.kind === 'time') {
      await this.#sleep(wait.ms);
      this.#stats.wakeups++;
    } else {
      await this.#sleep(wait.atMostMs, source);
      this.#stats.wakeups++;
      const more = this.#source === undefined || this.#paused ? 0 : this.#pace.afterWake();
      if (more > 0) await this.#sleep(more);
    }
    this.#exhausted = -Infinity;
    this.#startTurn();
  }

  /** Sleeps until the given milliseconds have passed, there are events in the source given, or something changes. */
  async #sleep(ms?: number, source?: EventSource): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      if (ms !== undefined) {
        this.#timer = setTimeout(resolve, ms);
        if (!this.#referenced) this.#timer.unref();
      }
      if (source !== undefined) {
        if (this.#referenced) source.ref();
        source.arm(resolve);
      }
    });
    this.#wake = undefined;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#source?.unref();
  }

  #notify(): void {
    this.#wake?.();
  }

  #inspect(): string {
    const { events, batches } = this.#stats;
    const state = this.closed ? ', closed' : this.#paused ? ', paused' : '';
    return escapeControl(
      `EventReader { of ${inspect(this.#type.map)}, ${events} events in ${batches} batches${state} }`,
    );
  }
}

/** Moves the records that are wanted to the front; returns how many there are. */
function select(type: RecordType<unknown>, records: Records, count: number): number {
  const { offsets, lengths, cpus } = records;
  let wanted = 0;
  for (let index = 0; index < count; index++) {
    const [offset = 0, length = 0] = [offsets[index], lengths[index]];
    if (!type.wants(records, offset, length)) continue;
    offsets[wanted] = offset;
    lengths[wanted] = length;
    cpus[wanted] = cpus[index] ?? 0;
    wanted++;
  }
  return wanted;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** How long this thread's event loop has waited; runtimes other than Node do not tell, and are given more turns. */
function idleTime(): number {
  const { nodeTiming } = performance as { readonly nodeTiming?: { readonly idleTime: number } };
  return nodeTiming?.idleTime ?? 0;
}
