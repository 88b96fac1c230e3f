import { endianness } from 'node:os';

import { RecordBuffer } from '../sys/index.js';

import type { Records } from './batch.js';
import type { Taken } from './intake.js';

/** Before the payload of a sample with its time: u64 time, u32 length (perf_output_sample). */
const timeBeforePayload = 12;
const littleEndian = endianness() === 'LE';

/** One of the records of perf events that note the time (PERF_SAMPLE_TIME). */
export interface TimedRecord {
  readonly time: bigint;
  readonly records: Records;
  readonly index: number;
}

/** The records with their times. `records` must not be used again. */
export function timed(records: Records, count: number): TimedRecord[] {
  return Array.from({ length: count }, (_, index) => {
    const time = records.view.getBigUint64((records.offsets[index] ?? 0) - timeBeforePayload, littleEndian);
    return { time, records, index };
  });
}

/** The order of what is compared, for sort(). */
export function byTime(a: TimedRecord, b: TimedRecord): number {
  return a.time < b.time ? -1 : a.time > b.time ? 1 : 0;
}

/** Copies records into memory of their own, in their order. */
export function gather(list: readonly TimedRecord[]): Taken {
  let bytes = 0;
  for (const record of list) bytes += sizeOf(record);
  const given = new RecordBuffer(bytes, list.length);
  let at = 0;
  let payload = 0;
  for (const [place, { records, index }] of list.entries()) {
    const offset = records.offsets[index] ?? 0;
    const length = records.lengths[index] ?? 0;
    given.bytes.set(records.bytes.subarray(offset, offset + length), at);
    given.offsets[place] = at;
    given.lengths[place] = length;
    given.cpus[place] = records.cpus[index] ?? 0;
    at += aligned(length);
    payload += length;
  }
  return { records: given, count: list.length, bytes, payload };
}

/** Bytes that a record takes in what {@link gather} makes. */
export function sizeOf({ records, index }: TimedRecord): number {
  return aligned(records.lengths[index] ?? 0);
}

function aligned(length: number): number {
  return (length + 7) & ~7;
}
