import { cString } from './attribute-writer.js';

const FIRST_SIZE = 65_536;
const LARGEST_SIZE = 16 * 1024 * 1024;
/** Kernels that do not say how long a log is verify anew for each guess: better few than close ones. */
const GROWTH = 16;
/** The statistics of one run may have more digits than those of the one before. */
const SLACK = 1024;

/** What one call that writes a log gave. */
export interface LoggedCall {
  /** What the call returned. */
  readonly result: number;
  /** `log_true_size`: the bytes that the whole log takes, with its NUL. 0 before Linux 6.4, and when nothing was logged. */
  readonly trueSize: number;
}

/** The last of the calls. */
export interface LoggedResult {
  readonly result: number;
  readonly log: string;
  /** The log was longer than may be kept: Linux 6.4 and later kept its end, older kernels its beginning. */
  readonly truncated: boolean;
}

/**
 * Calls until the log fits, or `largest` bytes of it are there. A log that does not fit makes the kernel fail with ENOSPC
 * whatever it thinks of the rest, and not every failure is told apart by it: the log itself says whether it was cut.
 */
export async function withKernelLog(
  call: (log: Uint8Array) => Promise<LoggedCall>,
  largest: number = LARGEST_SIZE,
): Promise<LoggedResult> {
  for (let size = Math.min(FIRST_SIZE, largest); ;) {
    const buffer = new Uint8Array(size);
    const { result, trueSize } = await call(buffer);
    const truncated = result < 0 && isCut(buffer, trueSize);
    if (!truncated || size >= largest) return { result, log: cString(buffer), truncated };
    size = Math.min(trueSize > 0 ? trueSize + SLACK : size * GROWTH, largest);
  }
}

/** Without a size from the kernel: it stops when one byte is left, for the NUL (bpf_verifier_log_full). */
function isCut(buffer: Uint8Array, trueSize: number): boolean {
  if (trueSize > 0) return trueSize > buffer.byteLength;
  const end = buffer.indexOf(0);
  return end < 0 || end >= buffer.byteLength - 1;
}
