import { bootTimeToDate } from '../../codec/index.js';
import { escapeControl } from '../../errors/index.js';

import type { LogLevel } from './log-level.js';

/** What a program logged. */
export interface LogRecord {
  readonly level: LogLevel;
  /** The format with its arguments put in. Control characters are escaped: it can be printed. */
  readonly message: string;
  /**
   * The arguments as values: numbers, of 64 bits and pointers bigints; booleans; strings of char arrays, addresses and
   * enums; `Uint8Array`s; arrays and objects.
   */
  readonly args: readonly unknown[];
  /** The format as in the source: `opened {} of {:ip}`. */
  readonly format: string;
  /** The source file, as the compiler was given it. */
  readonly file: string;
  readonly line: number;
  /** Nanoseconds since boot, time asleep included: `bootTimeToDate(timestamp)`. */
  readonly timestamp: bigint;
  /** The CPU that the program ran on. */
  readonly cpu: number;
  /** The program's name. */
  readonly program: string;
}

/**
 * A record as a line for people, without the newline: time, level, program, source, message. Fit for terminals.
 *
 * @example
 * ```js
 * for await (const record of ebpf.logs()) console.error(formatLog(record));
 * // 2026-03-01T12:00:00.123Z INFO  exec execsnoop.bpf.c:42 ls executed by user 1000
 * ```
 */
export function formatLog({ timestamp, level, program, file, line, message }: LogRecord): string {
  const name = file.slice(file.lastIndexOf('/') + 1);
  const time = bootTimeToDate(timestamp).toISOString();
  return `${time} ${level.toUpperCase().padEnd(5)} ${escapeControl(program)} ${escapeControl(name)}:${line} ${message}`;
}
