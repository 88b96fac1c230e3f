import type { Batch } from './batch.js';
import type { EventReader } from './event-reader.js';

type Result<T> = IteratorResult<T, undefined>;

/** Events between two looks at the clock. */
const eventsPerClock = 64;

const end: Result<never> = { done: true, value: undefined };

/** Runs one asynchronous step after the other: `next()` may be called before the last one has settled. */
class Steps {
  #last: Promise<unknown> | undefined;

  get idle(): boolean {
    return this.#last === undefined;
  }

  async run<R>(step: () => Promise<R>): Promise<R> {
    const result = this.#last === undefined ? step() : this.#last.then(step);
    const settled: Promise<unknown> = result
      .catch(() => undefined)
      .then(() => {
        if (this.#last === settled) this.#last = undefined;
      });
    this.#last = settled;
    return result;
  }
}

/** Event by event. Written out: an async generator costs three times as much per event. */
export class EventIterator<T> implements AsyncIterableIterator<T> {
  readonly #reader: EventReader<T>;
  readonly #steps = new Steps();
  #batch: Batch<T> | undefined;
  #index = 0;
  #left = 0;

  constructor(reader: EventReader<T>) {
    this.#reader = reader;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result<T>> {
    if (this.#steps.idle) {
      const item = this.take();
      if (item !== undefined) return item;
    }
    return this.#steps.run(async () => this.#step());
  }

  async return(): Promise<Result<T>> {
    this.#batch = undefined;
    this.#left = 0;
    this.#reader.discard();
    return Promise.resolve(end);
  }

  /** The CPU of the event given last. */
  get cpu(): number {
    return this.#batch?.cpuAt(this.#index - 1) ?? 0;
  }

  /** The next event when it can be had without waiting, else undefined. */
  take(): Result<T> | undefined {
    const batch = this.#batch;
    if (batch === undefined || this.#left === 0 || !this.#reader.mayContinue()) return undefined;
    if (this.#left % eventsPerClock === 0 && this.#reader.turnIsOver()) return undefined;
    return this.#decode(batch);
  }

  async #step(): Promise<Result<T>> {
    try {
      while (this.#left === 0) {
        const batch = await this.#reader.nextBatch();
        if (batch === undefined) return end;
        this.#batch = batch;
        this.#index = 0;
        this.#left = batch.length;
      }
      await this.#reader.breathe();
    } catch (error) {
      this.#batch = undefined;
      this.#left = 0;
      throw error;
    }
    const batch = this.#batch;
    // The reader was left while this step waited.
    if (batch === undefined) return end;
    return this.#decode(batch);
  }

  #decode(batch: Batch<T>): Result<T> {
    try {
      this.#left--;
      return { done: false, value: batch.decodeAt(this.#index++) };
    } catch (error) {
      this.#left = 0;
      this.#reader.discard();
      throw error;
    }
  }
}

/** Batch by batch. */
export class BatchIterator<T> implements AsyncIterableIterator<Batch<T>> {
  readonly #reader: EventReader<T>;
  readonly #steps = new Steps();

  constructor(reader: EventReader<T>) {
    this.#reader = reader;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<Result<Batch<T>>> {
    if (this.#steps.idle) {
      const value = this.#reader.batchNow();
      if (value !== undefined) return { done: false, value };
    }
    return this.#steps.run(async () => {
      const batch = await this.#reader.nextBatch();
      return batch === undefined ? end : { done: false, value: batch };
    });
  }

  async return(): Promise<Result<Batch<T>>> {
    this.#reader.discard();
    return Promise.resolve(end);
  }
}
