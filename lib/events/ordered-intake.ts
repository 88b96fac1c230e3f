import type { EventSource } from '../sys/index.js';

import type { Records } from './batch.js';
import { Intake, type DrainListener, type Taken } from './intake.js';
import { byTime, gather, sizeOf, timed, type TimedRecord } from './time-order.js';

/**
 * Takes the records of all CPUs in the order of their times. A look takes all that the kernel had as it began. What was
 * written before the look before began has then been seen by two, and is given; later records wait for the next look: one
 * that another CPU is about to finish may be older.
 */
export class OrderedIntake extends Intake {
  readonly #most: number;
  #held: TimedRecord[] = [];
  #ready: TimedRecord[] = [];
  #lastLook = 0n;

  constructor(source: EventSource, most: number, listener: DrainListener) {
    super(source, most, listener);
    this.#most = most;
  }

  override get holding(): boolean {
    return this.#held.length + this.#ready.length > 0;
  }

  /** What was taken is not given yet. */
  override get exhausted(): boolean {
    return false;
  }

  override take(): Taken | undefined {
    if (this.#ready.length === 0) {
      const now = process.hrtime.bigint();
      this.#look();
      const later = this.#held.findIndex(({ time }) => time > this.#lastLook);
      this.#ready = this.#held.splice(0, later < 0 ? this.#held.length : later);
      this.#lastLook = now;
    }
    return this.#give();
  }

  override takeAll(most: number): Taken[] {
    for (let bytes = 0; bytes < most;) {
      const taken = this.#look();
      if (taken === 0) break;
      bytes += taken;
    }
    this.#ready = this.#ready.concat(this.#held.splice(0));
    const all: Taken[] = [];
    for (let given = this.#give(); given !== undefined; given = this.#give()) all.push(given);
    return all;
  }

  /** Takes over what the kernel has; returns how many bytes that were. */
  #look(): number {
    let total = 0;
    // The source ends a round of drains where it stood as the round began.
    for (let taken = super.take(); taken !== undefined; taken = super.take()) {
      for (const record of timed(ownRecords(taken), taken.count)) this.#held.push(record);
      total += taken.bytes;
      if (!this.moreIsLeft) break;
    }
    if (total > 0) this.#held.sort(byTime);
    return total;
  }

  /** The first of what is ready, up to a batch full. */
  #give(): Taken | undefined {
    let bytes = 0;
    let count = 0;
    for (const record of this.#ready) {
      const size = sizeOf(record);
      if (count > 0 && bytes + size > this.#most) break;
      bytes += size;
      count++;
    }
    return count === 0 ? undefined : gather(this.#ready.splice(0, count));
  }
}

/** A copy of what the next drain overwrites. */
function ownRecords({ records, count, bytes: end }: Taken): Records {
  const bytes = records.bytes.slice(0, end);
  return {
    bytes,
    view: new DataView(bytes.buffer),
    offsets: records.offsets.slice(0, count),
    lengths: records.lengths.slice(0, count),
    cpus: records.cpus.slice(0, count),
  };
}
