import { inspect } from 'node:util';

import { PerfType } from '../abi/index.js';
import { UsageError, quote } from '../errors/index.js';
import { pmuEvent } from '../kernel/index.js';
import type { PerfEventField } from '../sys/index.js';

import { namedPerfEvents, type PerfEventNumbers } from './perf-event-names.js';

/** A place in memory that the processor watches. */
export interface PerfBreakpoint {
  /** Of the kernel's memory (needs CAP_SYS_ADMIN), or of that of the process which is watched. */
  readonly address: number | bigint;
  /** What is watched for: reads, writes, both, or execution. Processors of x86 cannot watch for reads alone. */
  readonly access: 'r' | 'w' | 'rw' | 'x';
  /** Bytes from the address on: 1, 2, 4 or 8. Default: 4; of execution what the kernel wants. */
  readonly length?: 1 | 2 | 4 | 8 | undefined;
}

/**
 * Which events run a program. As text it is in the words of `perf list`: an event of the kernel or the processor (`'cpu-clock'`,
 * `'page-faults'`, `'cycles'`, `'LLC-load-misses'`), a raw one of the processor (`'r1a8'`), or one of a PMU with its terms
 * (`'cpu/event=0x3c,umask=0x0/'`); else a place that is watched, or the kernel's numbers.
 */
export type PerfEventSource = string | PerfBreakpoint | PerfEventNumbers;

/** An event that was understood. */
export interface PerfEventKind {
  readonly fields: Readonly<Partial<Record<PerfEventField, number | bigint>>>;
  /** In words: `cpu-clock`. */
  readonly words: string;
  /** Whether each event counts when nothing is said about how many. */
  readonly each: boolean;
  /** The CPUs that count for all. */
  readonly cpus?: readonly number[] | undefined;
}

/** HW_BREAKPOINT_* of include/uapi/linux/hw_breakpoint.h. */
const accesses: Readonly<Record<PerfBreakpoint['access'], number>> = { r: 1, w: 2, rw: 3, x: 4 };

/** What of an execution is watched: sizeof(long). */
const executionLength = 8;

/** Understands what the caller gave. UsageError for what is no event, with the nearest names. */
export async function perfEventKind(event: unknown): Promise<PerfEventKind> {
  if (typeof event === 'string') return namedEvent(event);
  if (typeof event === 'object' && event !== null) {
    if ('address' in event) return breakpoint(event as PerfBreakpoint);
    if ('type' in event) return byNumbers(event as PerfEventNumbers);
  }
  throw UsageError.invalidValue(
    'event',
    `must be a name such as 'cpu-clock', { address, access } or { type, config }, not ${inspect(event, { depth: 0 })}`,
  );
}

async function namedEvent(text: string): Promise<PerfEventKind> {
  const numbers = namedPerfEvents().get(text);
  if (numbers !== undefined) return { fields: { ...numbers }, words: text, each: false };
  const [, raw] = /^r([0-9a-f]{1,16})$/i.exec(text) ?? [];
  if (raw !== undefined) {
    return { fields: { type: PerfType.RAW, config: BigInt(`0x${raw}`) }, words: text, each: false };
  }
  const [, pmu, terms] = /^([^/]+)\/([^/]*)\/?$/.exec(text) ?? [];
  if (pmu !== undefined && terms !== undefined) {
    const { cpus, ...fields } = await pmuEvent(pmu, terms);
    return { fields, words: text, each: false, cpus };
  }
  if (/^[A-Za-z0-9_]+:[A-Za-z0-9_]+$/.test(text)) throw tracepointRefused(quote(text));
  throw UsageError.notFound('perf event', text, namedPerfEvents().keys());
}

function byNumbers(event: PerfEventNumbers): PerfEventKind {
  const { type, config, config1, config2, config3 } = event;
  if (!Number.isInteger(type) || type < 0 || type > 0xffff_ffff) {
    throw UsageError.invalidValue('event.type', `must be a whole number from 0, not ${inspect(type)}`);
  }
  if (type === PerfType.TRACEPOINT) throw tracepointRefused(`tracepoint ${inspect(config)}`);
  const words = `event ${type}:${String(config)}`;
  const fields = {
    type,
    config: unsigned64('event.config', config),
    config1: unsigned64('event.config1', config1 ?? 0),
    config2: unsigned64('event.config2', config2 ?? 0),
    config3: unsigned64('event.config3', config3 ?? 0),
  };
  return { fields, words, each: false };
}

function breakpoint({ address, access, length }: PerfBreakpoint): PerfEventKind {
  if (!Object.hasOwn(accesses, access)) {
    throw UsageError.invalidValue('event.access', `must be 'r', 'w', 'rw' or 'x', not ${inspect(access)}`);
  }
  if (length !== undefined && ![1, 2, 4, 8].includes(length)) {
    throw UsageError.invalidValue('event.length', `must be 1, 2, 4 or 8, not ${inspect(length)}`);
  }
  const place = unsigned64('event.address', address);
  return {
    fields: {
      type: PerfType.BREAKPOINT,
      bp_type: accesses[access],
      bp_addr: place,
      bp_len: length ?? (access === 'x' ? executionLength : 4),
    },
    words: `breakpoint 0x${place.toString(16)}:${access}`,
    each: true,
  };
}

/** A number of 64 bits without a sign. */
function unsigned64(path: string, value: unknown): bigint {
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value as bigint | number) : -1n;
  if (whole >= 0n && whole < 1n << 64n) return whole;
  throw UsageError.invalidValue(path, `must be a whole number of 64 bits, not ${inspect(value)}`);
}

/** perf_event_set_bpf_prog of kernel/events/core.c: tracepoints run programs of type TRACEPOINT only. */
function tracepointRefused(what: string): UsageError {
  return UsageError.invalidValue(
    'event',
    `${what}: the kernel runs no perf_event program at a tracepoint; give the program a section "tracepoint/<category>/<name>"`,
  );
}
