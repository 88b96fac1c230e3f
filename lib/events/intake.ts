import { RecordBuffer, type EventSource } from '../sys/index.js';

import type { Records } from './batch.js';

const leastBuffer = 4096;

/** Records that were taken out of the kernel's memory together. */
export interface Taken {
  readonly records: Records;
  readonly count: number;
  /** Bytes of the kernel's memory that they took. */
  readonly bytes: number;
  /** Bytes of the records themselves. */
  readonly payload: number;
}

/** Told of what a drain found beside records. */
export interface DrainListener {
  lost(records: number): void;
  overwritten(bytes: number): void;
  cpusChanged(): void;
}

/** Takes records out of the kernel's memory, into memory that is used again. */
export class Intake {
  /** Whether the last drain left something that was there as it began. */
  protected moreIsLeft = false;
  readonly #source: EventSource;
  readonly #listener: DrainListener;
  #buffer: RecordBuffer;
  #cpusChanged = false;

  /** `most` is how many bytes are taken at once, unless a single record has more. */
  constructor(source: EventSource, most: number, listener: DrainListener) {
    this.#source = source;
    this.#listener = listener;
    this.#buffer = new RecordBuffer(Math.max(most, leastBuffer));
  }

  /** Whether records were taken that are not given yet, so that more is to be had soon though the kernel tells nothing. */
  get holding(): boolean {
    return false;
  }

  /** Whether the last take got all that there was: looking again at once would bring what came meanwhile, piece by piece. */
  get exhausted(): boolean {
    return !this.moreIsLeft;
  }

  /** What the kernel has, up to a buffer full; undefined when that is nothing. The one given before is overwritten. */
  take(): Taken | undefined {
    for (;;) {
      const {
        records: count,
        bytes,
        payload,
        more,
        needed,
        lost,
        overwritten,
        cpusChanged,
      } = this.#source.drain(this.#buffer);
      if (lost > 0) this.#listener.lost(lost);
      if (overwritten > 0) this.#listener.overwritten(overwritten);
      this.moreIsLeft = more;
      this.#cpusChanged ||= cpusChanged;
      if (this.#cpusChanged && !more) {
        this.#cpusChanged = false;
        // Now that nothing is left of those that went.
        this.#listener.cpusChanged();
      }
      if (count > 0) return { records: this.#buffer, count, bytes, payload };
      if (!more) return undefined;
      // A record larger than the buffer gets the room it needs, and the buffer stays that large.
      if (needed > this.#buffer.size) this.#buffer = new RecordBuffer((needed + 4095) & ~4095);
    }
  }

  /** Everything that the kernel has now, but not more than `most` bytes, each piece in memory of its own. */
  takeAll(most: number): Taken[] {
    const all: Taken[] = [];
    // The program may go on writing: more than the kernel's memory holds is not "what is there now".
    for (let bytes = 0; bytes < most;) {
      // The buffer may hold a batch that someone still reads.
      this.#buffer = new RecordBuffer(this.#buffer.size);
      const taken = this.take();
      if (taken === undefined) break;
      all.push(taken);
      bytes += taken.bytes;
    }
    return all;
  }
}
