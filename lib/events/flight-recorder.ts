import { inspect } from 'node:util';

import { UsageError, escapeControl, quote } from '../errors/index.js';
import { ProgramBarrier } from '../kernel/index.js';
import { RecordBuffer } from '../sys/index.js';

import { Batch } from './batch.js';
import { Drops, type DropCounters } from './drops.js';
import type { Taken } from './intake.js';
import type { PerfEvents } from './perf-events.js';
import type { CheckedRecordOptions } from './perf-options.js';
import type { RecordType } from './record-type.js';
import type { RecorderStats } from './recorder-stats.js';
import { byTime, gather, timed } from './time-order.js';

/** What a recorder is made from. @internal */
export interface RecorderDetails<T> {
  readonly type: RecordType<T>;
  readonly events: PerfEvents;
  readonly options: CheckedRecordOptions;
  readonly drops: DropCounters;
  readonly onClose: () => void;
}

/** The smallest record of a perf event: a header, a length, padding. */
const leastRecord = 16;

/** For a look that takes nothing. */
const nothing = new RecordBuffer(0);

/** Open recorders, which must go on recording although nothing may refer to them. */
const open = new Set<object>();

/**
 * Keeps the newest events of a perf event array in the kernel's memory, where each new one takes the place of the oldest.
 * Nobody is woken and nothing is read until {@link snapshot} asks what led to this moment. A recorder does not keep the
 * process alive. Least kernel: 4.7.
 *
 * @example
 * ```js
 * const recorder = ebpf.map('events', PerfEventArray.of('event')).record({ bytesPerCpu: 1024 * 1024, order: 'time' });
 * process.on('SIGUSR2', async () => {
 *   for (const event of await recorder.snapshot()) console.log(event.pid, event.comm);
 * });
 * ```
 */
export class FlightRecorder<T> {
  readonly #type: RecordType<T>;
  readonly #events: PerfEvents;
  readonly #options: CheckedRecordOptions;
  readonly #onClose: () => void;
  readonly #drops: Drops;
  readonly #abortListener: () => void;
  readonly #stats = { snapshots: 0, events: 0, bytes: 0, overwrittenBytes: 0n };
  /** The end of the snapshot asked for last. */
  #last: Promise<unknown> = Promise.resolve();
  #paused = false;
  #reading = false;
  #closed = false;
  #aborted: { readonly reason: unknown } | undefined;

  static {
    Object.defineProperty(FlightRecorder.prototype, inspect.custom, {
      value(this: FlightRecorder<unknown>): string {
        return this.#inspect();
      },
    });
  }

  /** @internal */
  constructor(details: RecorderDetails<T>) {
    this.#type = details.type;
    this.#events = details.events;
    this.#options = details.options;
    this.#onClose = details.onClose;
    this.#drops = new Drops(details.type.map, details.drops);
    this.#watchCpus();
    open.add(this);
    const { signal } = details.options;
    this.#abortListener = () => {
      this.#abort(signal?.reason);
    };
    if (signal?.aborted === true) this.#abort(signal.reason);
    else signal?.addEventListener('abort', this.#abortListener, { once: true });
  }

  /** True once the recorder has ended. */
  get closed(): boolean {
    return this.#closed;
  }

  /** What was given so far, and what is missing. */
  get stats(): RecorderStats {
    return { ...this.#stats, ...this.#drops.read(), paused: this.#paused };
  }

  /**
   * The events that were written since the snapshot before and are still there, oldest first: CPU by CPU, or of all CPUs with
   * `order: 'time'`. Each is in one snapshot, and whole. The batch is the caller's to keep: it never expires.
   *
   * Writing rests meanwhile, on all CPUs, until programs that write have ended: 5 to 30 milliseconds, off the event loop. What
   * a program fails to write then is counted in {@link RecorderStats.dropped}.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`; {@link KernelError}; the reason of an aborted signal.
   */
  async snapshot(): Promise<Batch<T>> {
    const snapshot = this.#last.then(async () => this.#snapshot());
    this.#last = snapshot.catch(() => undefined);
    return snapshot;
  }

  /**
   * Stops recording at once, so that nothing overwrites what is there: programs fail to write until {@link resume}. Takes a
   * microsecond for each CPU.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`; {@link KernelError}.
   */
  pause(): void {
    this.#requireOpen();
    this.#events.paused = true;
    this.#paused = true;
  }

  /** Records again after {@link FlightRecorder.pause}, if need be after the snapshot that is being taken. */
  resume(): void {
    this.#requireOpen();
    this.#paused = false;
    if (!this.#reading) this.#events.paused = false;
  }

  /** Ends the recorder; what is in the kernel's memory is gone. Snapshots not taken yet reject. May be called again. */
  async close(): Promise<void> {
    this.discard();
    return Promise.resolve();
  }

  /** {@link close} at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** {@link close}, at once. @internal */
  discard(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#drops.end();
    this.#events.close();
    this.#options.signal?.removeEventListener('abort', this.#abortListener);
    open.delete(this);
    this.#onClose();
  }

  async #snapshot(): Promise<Batch<T>> {
    this.#throwIfEnded();
    this.#followCpus();
    const barrier = new ProgramBarrier();
    this.#events.paused = true;
    this.#reading = true;
    try {
      // A program that had begun to write goes on, over the oldest there is, and tells when it is done.
      await barrier.wait();
      this.#throwIfEnded();
      const { records, count, payload } = this.#take();
      this.#stats.snapshots++;
      this.#stats.events += count;
      this.#stats.bytes += payload;
      return new Batch(this.#type, records, count);
    } finally {
      barrier.close();
      this.#reading = false;
      if (!this.#closed) this.#events.paused = this.#paused;
      this.#drops.report();
    }
  }

  /** All that is there, while nobody writes. */
  #take(): Taken {
    const { buffer } = this.#events;
    const size = buffer.pendingBytes();
    const records = new RecordBuffer(size, Math.max(1, size / leastRecord));
    const { records: count, bytes, payload, lost, overwritten } = buffer.drain(records);
    this.#drops.lost(lost);
    this.#stats.overwrittenBytes += BigInt(overwritten);
    return this.#options.byTime ? gather(timed(records, count).sort(byTime)) : { records, count, bytes, payload };
  }

  /** Records CPUs as they come. */
  #watchCpus(): void {
    if (this.#closed) return;
    this.#events.buffer.arm(() => {
      if (this.#closed) return;
      try {
        this.#followCpus();
      } catch {
        // The next snapshot tries again, and tells.
      }
      this.#watchCpus();
    });
  }

  /** Hears which CPUs came and went, and records those that are there. */
  #followCpus(): void {
    this.#events.buffer.drain(nothing);
    this.#events.refresh();
  }

  #abort(reason: unknown): void {
    this.#aborted = { reason };
    this.discard();
  }

  #throwIfEnded(): void {
    if (this.#aborted !== undefined) throw this.#aborted.reason;
    this.#requireOpen();
  }

  #requireOpen(): void {
    if (this.#closed) throw UsageError.closed(`the flight recorder of ${quote(this.#type.map)}`);
  }

  #inspect(): string {
    const { snapshots, events } = this.#stats;
    const state = this.#closed ? ', closed' : this.#paused ? ', paused' : '';
    return escapeControl(
      `FlightRecorder { of ${inspect(this.#type.map)}, ${events} events in ${snapshots} snapshots${state} }`,
    );
  }
}
