import { UsageError } from '../errors/index.js';

/** How long a measured difference between the clocks is used; within it, equal times give equal dates. */
const MEASURED_FOR_NS = 1_000_000_000n;

let wallMinusMonotonic = 0n;
let measuredAt: bigint | undefined;

/**
 * The wall-clock time of a `bpf_ktime_get_ns()` timestamp: nanoseconds of CLOCK_MONOTONIC, which starts at boot and
 * stands still while the machine sleeps. Node's `process.hrtime.bigint()` reads the same clock, and the difference to
 * the wall clock is measured now (at most once a second): a timestamp from before a suspend, or before the wall clock
 * was set, comes out as if the clocks had run alike since.
 *
 * `bpf_ktime_get_boot_ns()` counts CLOCK_BOOTTIME, which goes on during sleep: its dates come out late by the time this
 * machine has slept since boot. Only on Linux do both sides read the kernel's clock. Precise to a millisecond.
 *
 * Throws {@link UsageError} when `ns` is no bigint, or beyond what a Date holds.
 *
 * @example
 * ```js
 * console.log(bootTimeToDate(event.ts).toISOString());
 * ```
 */
export function bootTimeToDate(ns: bigint): Date {
  if (typeof ns !== 'bigint') {
    throw UsageError.invalidValue('ns', `expected nanoseconds since boot as a bigint, got a ${typeof ns}`);
  }
  const now = process.hrtime.bigint();
  if (measuredAt === undefined || now - measuredAt > MEASURED_FOR_NS) {
    measuredAt = now;
    wallMinusMonotonic = BigInt(Date.now()) * 1_000_000n - now;
  }
  const date = new Date(Number((ns + wallMinusMonotonic) / 1_000_000n));
  if (Number.isNaN(date.getTime())) throw UsageError.invalidValue('ns', `${ns} is beyond what a Date holds`);
  return date;
}
