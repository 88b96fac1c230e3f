import { inspect } from 'node:util';

import { UsageError, quote } from '../../errors/index.js';

/** How much a log matters, most first. */
export type LogLevel = 'error' | 'warn' | 'info' | 'debug' | 'trace';

/** By the numbers of node_ebpf_log.h, of which 0 is none. */
const levels: readonly LogLevel[] = ['error', 'warn', 'info', 'debug', 'trace'];

/** The header's number of a level. Throws {@link UsageError} for what is none; `none` is one more name, for 0. */
export function logLevelNumber(path: string, level: unknown, none?: 'off'): number {
  const names: readonly string[] = none === undefined ? levels : [none, ...levels];
  const place = typeof level === 'string' ? names.indexOf(level) : -1;
  if (place < 0) {
    throw UsageError.invalidValue(path, `must be one of ${names.map(quote).join(', ')}, not ${inspect(level)}`);
  }
  return none === undefined ? place + 1 : place;
}

/** The level of a number of the header; undefined for other numbers. */
export function logLevelOfNumber(number: number): LogLevel | undefined {
  return levels[number - 1];
}
