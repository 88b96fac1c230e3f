import { inspect } from 'node:util';

import { UsageError, quote } from '../errors/index.js';
import { mostSamplesPerSecond } from '../kernel/index.js';

import type { PerfEventKind } from './perf-event-source.js';

/** How many events make the program run once. One of both; a breakpoint runs it each time by default. */
export interface PerfSampling {
  /** It runs each time that so many events were counted, from 1 on. Of `cpu-clock` and `task-clock` they are nanoseconds. */
  readonly period?: number | bigint | undefined;
  /**
   * It runs so many times a second on each CPU that is busy with what is counted, at most
   * `/proc/sys/kernel/perf_event_max_sample_rate`: the kernel adapts the period.
   */
  readonly frequency?: number | undefined;
}

/** What of `struct perf_event_attr` says how often. */
export function samplingFields(
  { period, frequency }: PerfSampling,
  kind: PerfEventKind,
): { sample_period: bigint } | { sample_freq: number } {
  if (period !== undefined && frequency !== undefined) {
    throw UsageError.invalidValue('frequency', 'is given beside a period; give one of both');
  }
  if (frequency !== undefined) return { sample_freq: checkedFrequency(frequency) };
  if (period !== undefined) return { sample_period: checkedPeriod(period) };
  if (kind.each) return { sample_period: 1n };
  throw UsageError.invalidValue(
    'period',
    `how often ${quote(kind.words)} is to run the program is missing; give { frequency: 99 } (times a second) or { period } (events)`,
  );
}

function checkedFrequency(frequency: unknown): number {
  const most = mostSamplesPerSecond() ?? 0xffff_ffff;
  if (Number.isInteger(frequency) && Number(frequency) >= 1 && Number(frequency) <= most) return Number(frequency);
  throw UsageError.invalidValue(
    'frequency',
    `must be a whole number from 1 to ${most} (kernel.perf_event_max_sample_rate), not ${inspect(frequency)}`,
  );
}

function checkedPeriod(period: unknown): bigint {
  const whole = typeof period === 'bigint' || Number.isSafeInteger(period) ? BigInt(period as bigint | number) : 0n;
  // The highest bit is refused by perf_event_open.
  if (whole >= 1n && whole < 1n << 63n) return whole;
  throw UsageError.invalidValue('period', `must be a whole number from 1, not ${inspect(period)}`);
}
