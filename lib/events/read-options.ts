import { UsageError } from '../errors/index.js';

/** How a reader reads. */
export interface ReadOptions {
  /** Aborting it ends the reader: whoever waits for events gets a rejection with `signal.reason`. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Milliseconds a wake-up may wait for more events to come, 0 to 60,000. A wake-up costs as much as hundreds of
   * events, so at moderate rates a few milliseconds save most of the work. The ring must hold what arrives meanwhile.
   * Default 0: deliver at once.
   */
  readonly maxLatencyMs?: number | undefined;
  /** The most bytes a batch holds, framing included: 4 KiB to 64 MiB. A single larger record still arrives. Default 256 KiB. */
  readonly maxBatchBytes?: number | undefined;
}

const defaultBatchBytes = 256 * 1024;
const leastBatchBytes = 4096;
const mostBatchBytes = 64 * 1024 * 1024;
const mostLatencyMs = 60_000;

export interface CheckedReadOptions {
  readonly signal: AbortSignal | undefined;
  readonly maxLatencyMs: number;
  readonly maxBatchBytes: number;
}

/** Checks what the caller gave and fills in the defaults. */
export function checkReadOptions(options: ReadOptions): CheckedReadOptions {
  const maxLatencyMs = options.maxLatencyMs ?? 0;
  if (typeof maxLatencyMs !== 'number' || !(maxLatencyMs >= 0 && maxLatencyMs <= mostLatencyMs)) {
    throw UsageError.invalidValue(
      'maxLatencyMs',
      `must be 0 to ${mostLatencyMs} milliseconds, not ${String(maxLatencyMs)}`,
    );
  }
  const maxBatchBytes = options.maxBatchBytes ?? defaultBatchBytes;
  if (!Number.isInteger(maxBatchBytes) || maxBatchBytes < leastBatchBytes || maxBatchBytes > mostBatchBytes) {
    throw UsageError.invalidValue(
      'maxBatchBytes',
      `must be a whole number from ${leastBatchBytes} to ${mostBatchBytes}, not ${String(maxBatchBytes)}`,
    );
  }
  const { signal } = options;
  if (signal !== undefined && typeof signal.addEventListener !== 'function') {
    throw UsageError.invalidValue('signal', 'must be an AbortSignal');
  }
  return { signal, maxLatencyMs, maxBatchBytes: maxBatchBytes & ~7 };
}
