import { UsageError, quote } from './errors/index.js';
import {
  LogRecordType,
  logLevelNumber,
  logLevelOfNumber,
  logSites,
  type EventReader,
  type LogLevel,
  type LogRecord,
  type ReadOptions,
} from './events/index.js';
import type { LoadedParts } from './load-parts.js';
import type { KernelSymbols } from './kernel/index.js';
import { RingBuffer, type BpfMap } from './maps/index.js';
import { LOG_LEVEL } from './object/index.js';

/** How logs are read. */
export interface LogOptions extends ReadOptions {
  /** Passes over what is above this level. Default: everything that the object logs. */
  readonly level?: LogLevel | undefined;
  /** Names of the kernel's addresses, for `{:sym}`. Default: addresses are printed as numbers. */
  readonly symbols?: KernelSymbols | undefined;
}

/** Opens the reader of an object's logs. */
export function openLogs(
  { spec, logs }: LoadedParts,
  map: BpfMap | undefined,
  options: LogOptions,
): EventReader<LogRecord> {
  if (map === undefined || !spec.variables.has(LOG_LEVEL)) {
    throw new UsageError(`${quote(spec.name)} has no logs: no source of it includes node_ebpf_log.h`, {
      code: 'ERR_EBPF_NOT_FOUND',
    });
  }
  const { level, symbols, ...read } = options;
  const loaded = Number(spec.variable(LOG_LEVEL).value);
  const mostLevel = level === undefined ? loaded : logLevelNumber('level', level);
  if (mostLevel > loaded) {
    const least = logLevelOfNumber(loaded) ?? 'off';
    throw UsageError.invalidValue(
      'level',
      `${quote(spec.name)} logs up to ${quote(least)}, what is above was taken out as it was loaded; load it with logLevel: '${level}'`,
    );
  }
  const { littleEndian } = spec;
  const type = new LogRecordType(logs, logSites(spec), { littleEndian, symbols: symbolNames(symbols), mostLevel });
  return RingBuffer.from(map).readAs(() => type, read);
}

/** `do_exit+0x1c`, as the kernel itself prints addresses. */
function symbolNames(symbols: KernelSymbols | undefined): (address: bigint) => string | undefined {
  return (address) => {
    const found = symbols?.resolve(address);
    return found === undefined ? undefined : `${found.name}+0x${found.offset.toString(16)}`;
  };
}
