import { endianness } from 'node:os';

import { RecordBuffer, type EventSource } from '../sys/index.js';

import type { Records } from './batch.js';
import { Intake, type DrainListener, type Taken } from './intake.js';

/** Before the payload of a sample with its time: u64 time, u32 length (perf_output_sample). */
const timeBeforePayload = 12;
const littleEndian = endianness() === 'LE';

interface Held {
  readonly time: bigint;
  readonly records: Records;
  readonly index: number;
}

/**
 * Takes the records of all CPUs in the order of their times. A look takes all that the kernel had as it began. What was
 * written before the look before began has then been seen by two, and is given; later records wait for the next look: one
 * that another CPU is about to finish may be older.
 */
export class OrderedIntake extends Intake {
  readonly #most: number;
  #held: Held[] = [];
  #ready: Held[] = [];
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
      const records = ownRecords(taken);
      for (let index = 0; index < taken.count; index++) {
        const time = records.view.getBigUint64((records.offsets[index] ?? 0) - timeBeforePayload, littleEndian);
        this.#held.push({ time, records, index });
      }
      total += taken.bytes;
      if (!this.moreIsLeft) break;
    }
    if (total > 0) this.#held.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : 0));
    return total;
  }

  /** The first of what is ready, up to a batch full. */
  #give(): Taken | undefined {
    let bytes = 0;
    let count = 0;
    for (const { records, index } of this.#ready) {
      const size = aligned(records.lengths[index] ?? 0);
      if (count > 0 && bytes + size > this.#most) break;
      bytes += size;
      count++;
    }
    if (count === 0) return undefined;
    const given = new RecordBuffer(bytes, count);
    let at = 0;
    let payload = 0;
    for (const [place, { records, index }] of this.#ready.splice(0, count).entries()) {
      const offset = records.offsets[index] ?? 0;
      const length = records.lengths[index] ?? 0;
      given.bytes.set(records.bytes.subarray(offset, offset + length), at);
      given.offsets[place] = at;
      given.lengths[place] = length;
      given.cpus[place] = records.cpus[index] ?? 0;
      at += aligned(length);
      payload += length;
    }
    return { records: given, count, bytes, payload };
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

function aligned(length: number): number {
  return (length + 7) & ~7;
}
