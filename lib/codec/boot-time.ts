import { uptime } from 'node:os';

import { UsageError } from '../errors/index.js';

/** How long a measured difference between the clocks is used; within it, equal times give equal dates. */
const MEASURED_FOR_NS = 1_000_000_000n;

/** The system tells its uptime in hundredths of a second: a smaller difference of the clocks is no sleep. */
const LEAST_SLEEP_NS = 100_000_000n;

interface Measured {
  readonly at: bigint;
  readonly wallMinusMonotonic: bigint;
  /** How long the machine has been suspended since boot. */
  readonly slept: bigint;
}

let measured: Measured | undefined;

/**
 * The wall-clock time of a timestamp that a program took: nanoseconds since boot by `bpf_ktime_get_boot_ns()`
 * (CLOCK_BOOTTIME, the default), or by `bpf_ktime_get_ns()` with `clock` `'monotonic'` (CLOCK_MONOTONIC, which stands still
 * while the machine sleeps). The two are the same on a machine that never slept.
 *
 * The difference to the wall clock is measured now, at most once a second: a timestamp from before the wall clock was
 * set, or with `'monotonic'` from before a sleep, comes out as if the clocks had run alike since. Precise to a
 * millisecond, on a machine that has slept to a hundredth of a second. Meaningful on the machine that took it only.
 *
 * @throws {@link UsageError} when `ns` is no bigint, or beyond what a Date holds.
 *
 * @example
 * ```js
 * console.log(bootTimeToDate(event.ts).toISOString());
 * ```
 */
export function bootTimeToDate(ns: bigint, clock: 'boottime' | 'monotonic' = 'boottime'): Date {
  if (typeof ns !== 'bigint') {
    throw UsageError.invalidValue('ns', `expected nanoseconds since boot as a bigint, got a ${typeof ns}`);
  }
  const { wallMinusMonotonic, slept } = measure();
  const monotonic = clock === 'boottime' ? ns - slept : ns;
  const date = new Date(Number((monotonic + wallMinusMonotonic) / 1_000_000n));
  if (Number.isNaN(date.getTime())) throw UsageError.invalidValue('ns', `${ns} is beyond what a Date holds`);
  return date;
}

function measure(): Measured {
  const at = process.hrtime.bigint();
  if (measured !== undefined && at - measured.at <= MEASURED_FOR_NS) return measured;
  const wallMinusMonotonic = BigInt(Date.now()) * 1_000_000n - at;
  // Node reads CLOCK_MONOTONIC as its high-resolution time, and CLOCK_BOOTTIME as the system's uptime.
  const ahead = BigInt(Math.round(uptime() * 1e9)) - at;
  measured = { at, wallMinusMonotonic, slept: ahead > LEAST_SLEEP_NS ? ahead : 0n };
  return measured;
}
