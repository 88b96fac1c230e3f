import { UsageError } from '../errors/index.js';

/** How a reader reads. */
export interface ReadOptions {
  /** Aborting it ends the reader: whoever waits for events gets a rejection with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds that an event may wait for others to come with it, 0 to 60,000. To be woken costs as much as hundreds of
   * events, so at moderate rates a few milliseconds save most of the work. The kernel's memory must hold what arrives
   * meanwhile. 0 delivers at once, always. By default events are delivered at once while there are few, and after up to
   * one millisecond while there are many (8 and more a millisecond).
   */
  readonly maxLatencyMs?: number | undefined;
  /**
   * Milliseconds after which to look for events though nobody wakes the reader, 1 to 60,000: for programs that write with
   * `BPF_RB_NO_WAKEUP`, and for perf buffers whose `watermark` may not be reached. By default there is no such look at
   * rings, and one each 100 ms at perf buffers with a watermark.
   */
  readonly pollMs?: number | undefined;
  /** The most bytes a batch holds, the kernel's headers included: 4 KiB to 64 MiB. A single larger record still arrives. Default 64 KiB. */
  readonly maxBatchBytes?: number | undefined;
}

const defaultBatchBytes = 64 * 1024;
const leastBatchBytes = 4096;
const mostBatchBytes = 64 * 1024 * 1024;
const mostMs = 60_000;

export interface CheckedReadOptions {
  readonly signal: AbortSignal | undefined;
  readonly maxLatencyMs: number | undefined;
  readonly pollMs: number | undefined;
  readonly maxBatchBytes: number;
}

/** Checks what the caller gave and fills in the defaults. */
export function checkReadOptions(options: ReadOptions): CheckedReadOptions {
  const maxLatencyMs = checkMs('maxLatencyMs', options.maxLatencyMs, 0);
  const pollMs = checkMs('pollMs', options.pollMs, 1);
  const maxBatchBytes = options.maxBatchBytes ?? defaultBatchBytes;
  if (!Number.isInteger(maxBatchBytes) || maxBatchBytes < leastBatchBytes || maxBatchBytes > mostBatchBytes) {
    throw UsageError.invalidValue(
      'maxBatchBytes',
      `must be a whole number from ${leastBatchBytes} to ${mostBatchBytes}, not ${String(maxBatchBytes)}`,
    );
  }
  const signal = checkSignal(options.signal);
  return { signal, maxLatencyMs, pollMs, maxBatchBytes: maxBatchBytes & ~7 };
}

export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined || typeof signal.addEventListener === 'function') return signal;
  throw UsageError.invalidValue('signal', 'must be an AbortSignal');
}

function checkMs(name: string, value: number | undefined, least: number): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(value >= least && value <= mostMs)) {
    throw UsageError.invalidValue(name, `must be ${least} to ${mostMs} milliseconds, not ${String(value)}`);
  }
  return value;
}
