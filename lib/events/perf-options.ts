import { inspect } from 'node:util';

import { UsageError } from '../errors/index.js';
import { pageSize } from '../kernel/index.js';

import { checkReadOptions, checkSignal, type CheckedReadOptions, type ReadOptions } from './read-options.js';

/** How a reader of a perf event array reads. */
export interface PerfReadOptions extends ReadOptions {
  /**
   * The CPUs to read, of those that the machine can have and the map has slots for. Default: all. Programs on other CPUs
   * fail to write. CPUs that are offline are read once they are online.
   */
  readonly cpus?: readonly number[] | undefined;
  /** Bytes that the kernel keeps for each CPU until they are read, rounded up to a power of two of pages. Default 256 KiB. */
  readonly bytesPerCpu?: number | undefined;
  /**
   * Bytes that a CPU writes before it wakes the reader, up to half of `bytesPerCpu`. By default each record wakes, which
   * costs the program as much as hundreds of records. What stays below is read every `pollMs`, which then is 100 by default.
   */
  readonly watermark?: number | undefined;
  /**
   * `'time'`: events come in the order in which they were written, whatever the CPU; the kernel then notes the time of each.
   * They are held back until no CPU can have an earlier one, which takes one to two milliseconds. By default they come
   * in order of each CPU only.
   */
  readonly order?: 'cpu' | 'time' | undefined;
}

/** How the newest events of a perf event array are kept. */
export interface RecordOptions {
  /** Aborting it ends the recorder: who waits for a snapshot gets a rejection with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /** The CPUs to record, as {@link PerfReadOptions.cpus}. Default: all. */
  readonly cpus?: readonly number[] | undefined;
  /**
   * Bytes of newest events that the kernel keeps for each CPU, rounded up to a power of two of pages; at most 1 GiB of all
   * CPUs together. Default 256 KiB.
   */
  readonly bytesPerCpu?: number | undefined;
  /**
   * `'time'`: a snapshot has the events of all CPUs in the order in which they were written; the kernel then notes the time
   * of each. By default they come CPU by CPU.
   */
  readonly order?: 'cpu' | 'time' | undefined;
}

/** What is said of the kernel's memory. */
export interface PerfMemoryOptions {
  readonly cpus: readonly number[] | undefined;
  readonly bytesPerCpu: number;
  readonly watermark: number | undefined;
  readonly byTime: boolean;
  /** Whether what was not read is overwritten. */
  readonly newest: boolean;
}

export interface CheckedPerfOptions extends CheckedReadOptions, PerfMemoryOptions {}

export interface CheckedRecordOptions extends PerfMemoryOptions {
  readonly signal: AbortSignal | undefined;
}

const defaultBytes = 256 * 1024;
const mostBytes = 1024 * 1024 * 1024;
const defaultPollMs = 100;

/** Checks what the caller gave and fills in the defaults. */
export function checkPerfOptions(options: PerfReadOptions): CheckedPerfOptions {
  const checked = checkReadOptions(options);
  const memory = checkMemory(options);
  const { watermark } = options;
  const most = memory.bytesPerCpu / 2;
  if (watermark !== undefined && !isWhole(watermark, 1, most)) {
    const range = `from 1 to ${most}, half of bytesPerCpu`;
    throw UsageError.invalidValue('watermark', `must be a whole number ${range}, not ${inspect(watermark)}`);
  }
  const pollMs = checked.pollMs ?? (watermark === undefined ? undefined : defaultPollMs);
  return { ...checked, ...memory, pollMs, watermark, newest: false };
}

/** As {@link checkPerfOptions}, of a recorder. */
export function checkRecordOptions(options: RecordOptions): CheckedRecordOptions {
  return { ...checkMemory(options), signal: checkSignal(options.signal), watermark: undefined, newest: true };
}

/** A snapshot has in one piece what all CPUs have. */
export function checkSnapshotSize({ bytesPerCpu }: PerfMemoryOptions, cpus: number): void {
  if (bytesPerCpu * cpus <= mostBytes) return;
  const problem = `${bytesPerCpu} for each of ${cpus} CPUs are more than the ${mostBytes} that a snapshot may have`;
  throw UsageError.invalidValue('bytesPerCpu', `${problem}; say less, or record fewer cpus`);
}

function checkMemory(
  options: Pick<RecordOptions, 'cpus' | 'bytesPerCpu' | 'order'>,
): Pick<PerfMemoryOptions, 'cpus' | 'bytesPerCpu' | 'byTime'> {
  const { cpus, bytesPerCpu = defaultBytes } = options;
  const order: unknown = options.order ?? 'cpu';
  if (cpus !== undefined && !(Array.isArray(cpus) && cpus.length > 0 && cpus.every((cpu) => isWhole(cpu, 0, 65_535)))) {
    throw UsageError.invalidValue('cpus', `must be an array of CPU numbers, not ${inspect(cpus)}`);
  }
  if (!isWhole(bytesPerCpu, 1, mostBytes)) {
    throw UsageError.invalidValue(
      'bytesPerCpu',
      `must be a whole number up to ${mostBytes}, not ${inspect(bytesPerCpu)}`,
    );
  }
  if (order !== 'cpu' && order !== 'time') {
    throw UsageError.invalidValue('order', `must be 'cpu' or 'time', not ${inspect(order)}`);
  }
  const size = pageSize() * 2 ** Math.ceil(Math.log2(Math.max(1, bytesPerCpu / pageSize())));
  return { cpus, bytesPerCpu: size, byTime: order === 'time' };
}

function isWhole(value: unknown, least: number, most: number): boolean {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}
