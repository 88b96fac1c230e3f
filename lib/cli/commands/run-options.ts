import { parseArgs } from 'node:util';

import type { LogLevel } from '../../index.js';
import { CommandLineError } from '../command-error.js';

export interface RunOptions {
  /** The object's path. */
  readonly object: string;
  /** `--set`: texts by variable, the last one given counts. */
  readonly variables: ReadonlyMap<string, string>;
  /** `--events`: the C type of each ring's records by map, undefined for raw bytes. Empty: every ring, raw. */
  readonly events: ReadonlyMap<string, string | undefined>;
  readonly count: number | undefined;
  readonly milliseconds: number | undefined;
  readonly json: boolean;
  /** `--logs`, `--log-level`: whether logs are printed. */
  readonly logs: boolean;
  /** Up to which level the programs log; undefined: as the object says. */
  readonly logLevel: LogLevel | undefined;
}

const LOG_LEVELS: readonly LogLevel[] = ['error', 'warn', 'info', 'debug', 'trace'];

/** The longest delay a Node timer takes. */
const LONGEST_DELAY = 2 ** 31 - 1;

export function parseRunOptions(args: readonly string[]): RunOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      set: { type: 'string', multiple: true, default: [] },
      events: { type: 'string', multiple: true, default: [] },
      count: { type: 'string' },
      duration: { type: 'string' },
      json: { type: 'boolean', default: false },
      logs: { type: 'boolean', default: false },
      'log-level': { type: 'string' },
    },
  });
  const [object, ...rest] = positionals;
  if (object === undefined) throw new CommandLineError('no object given: node-ebpf run <object>');
  if (rest.length > 0) throw new CommandLineError(`one object at a time; ${rest.join(' ')} is too much`);

  const variables = new Map<string, string>();
  for (const text of values.set) {
    const [name, value] = splitOnce(text);
    if (name === '' || value === undefined) throw new CommandLineError(`--set ${text}: expected name=value`);
    variables.set(name, value);
  }
  const events = new Map<string, string | undefined>();
  for (const text of values.events) {
    const [map, type] = splitOnce(text);
    if (map === '' || type === '') throw new CommandLineError(`--events ${text}: expected map=type, or map alone`);
    if (events.has(map)) throw new CommandLineError(`--events ${text}: ${map} is named twice`);
    events.set(map, type?.replace(/^struct\s+/, ''));
  }
  return {
    object,
    variables,
    events,
    count: values.count === undefined ? undefined : parseCount(values.count),
    milliseconds: values.duration === undefined ? undefined : parseDuration(values.duration),
    json: values.json,
    logs: values.logs || values['log-level'] !== undefined,
    logLevel: values['log-level'] === undefined ? undefined : parseLevel(values['log-level']),
  };
}

function parseLevel(text: string): LogLevel {
  const level = LOG_LEVELS.find((each) => each === text);
  if (level === undefined) throw new CommandLineError(`--log-level ${text}: expected ${LOG_LEVELS.join(', ')}`);
  return level;
}

function parseCount(text: string): number {
  const count = Number(text);
  if (!/^\d+$/.test(text) || count < 1 || !Number.isSafeInteger(count)) {
    throw new CommandLineError(`--count ${text}: expected a number of events, at least 1`);
  }
  return count;
}

function parseDuration(text: string): number {
  const seconds = Number(text);
  if (!/^(\d+\.?\d*|\.\d+)$/.test(text) || seconds <= 0) {
    throw new CommandLineError(`--duration ${text}: expected seconds, such as 10 or 0.5`);
  }
  const milliseconds = Math.ceil(seconds * 1000);
  if (milliseconds > LONGEST_DELAY) throw new CommandLineError(`--duration ${text}: at most 24 days`);
  return milliseconds;
}

function splitOnce(text: string): [string, string | undefined] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}
