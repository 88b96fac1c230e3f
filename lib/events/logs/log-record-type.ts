import { UsageError, escapeControl, quote } from '../../errors/index.js';
import { LOG_RING, type ProgramLog } from '../../object/index.js';
import { RecordType } from '../record-type.js';

import { logArgument, type LogArgument, type SymbolNames } from './log-argument.js';
import type { LogRecord } from './log-record.js';
import type { LogSite } from './log-site.js';
import { logLevelNumber } from './log-level.js';

/** A log of a program, made ready for its records. */
interface ReadyLog {
  readonly program: string;
  readonly site: LogSite;
  readonly level: number;
  readonly args: readonly LogArgument[];
}

/** u64 time, u16 number, u16 cpu. */
const numberOffset = 8;
const headerSize = 12;

export interface LogRecordOptions {
  readonly littleEndian: boolean;
  readonly symbols: SymbolNames;
  /** Records of a greater number are passed over. */
  readonly mostLevel: number;
}

/** The records of the ring that node_ebpf_log.h writes: a time, the number of the log, a CPU, the arguments. */
export class LogRecordType extends RecordType<LogRecord> {
  override readonly selective: boolean;
  readonly #logs: readonly ReadyLog[];
  readonly #littleEndian: boolean;
  readonly #mostLevel: number;

  /** `logs` are those of the load's plan, in order of their numbers. */
  constructor(logs: readonly ProgramLog[], sites: ReadonlyMap<number, LogSite>, options: LogRecordOptions) {
    super(LOG_RING, 'ring buffer', undefined);
    this.#littleEndian = options.littleEndian;
    this.#mostLevel = options.mostLevel;
    this.selective = logs.some(({ offset }) => levelOf(sites.get(offset)) > options.mostLevel);
    this.#logs = logs.map(({ program, offset }) => {
      const site = sites.get(offset);
      if (site === undefined) throw unknownMessage(program, offset);
      const args = site.fields.map((field, index) => logArgument(field, site.parsed.hints[index] ?? '', options));
      return { program, site, level: levelOf(site), args };
    });
  }

  override wants(records: { view: DataView }, offset: number, length: number): boolean {
    const log = length < headerSize ? undefined : this.#logs[this.#numberAt(records.view, offset) - 1];
    // What is malformed is wanted: it has to be told of.
    return log === undefined || log.level <= this.#mostLevel;
  }

  override decode({ bytes, view }: { bytes: Uint8Array; view: DataView }, offset: number, length: number): LogRecord {
    if (length < headerSize) throw malformed(`${length} bytes, less than the ${headerSize} of a log`);
    const number = this.#numberAt(view, offset);
    const log = this.#logs[number - 1];
    if (log === undefined) throw malformed(`the number ${number}, and the object has logs 1 to ${this.#logs.length}`);
    const { program, site, args } = log;
    const { codec, fields, parsed, level, format, file, line } = site;
    if (length !== codec.size) {
      throw malformed(`${length} bytes, and those of ${quote(`${file}:${line}`)} have ${codec.size}`);
    }
    const decoded = codec.decode(view, offset, length);
    const values: unknown[] = [];
    let message = parsed.texts[0] ?? '';
    for (const [index, { name, offset: place, layout }] of fields.entries()) {
      const own = bytes.subarray(offset + place, offset + place + layout.size);
      const argument = args[index];
      if (argument === undefined) continue;
      values.push(argument.value(decoded[name], own));
      message += argument.text(decoded[name], own) + (parsed.texts[index + 1] ?? '');
    }
    const { time, cpu } = decoded as { time: bigint; cpu: number };
    return { level, message: escapeControl(message), args: values, format, file, line, timestamp: time, cpu, program };
  }

  #numberAt(view: DataView, offset: number): number {
    return view.getUint16(offset + numberOffset, this.#littleEndian);
  }
}

function levelOf(site: LogSite | undefined): number {
  return site === undefined ? 0 : logLevelNumber('level', site.level);
}

function malformed(problem: string): UsageError {
  return new UsageError(
    `a record of ring buffer ${quote(LOG_RING)} has ${problem}; only the macros of node_ebpf_log.h may write there`,
    { code: 'ERR_EBPF_INVALID_VALUE', path: LOG_RING },
  );
}

function unknownMessage(program: string, offset: number): UsageError {
  return new UsageError(
    `program ${quote(program)} logs a message ${offset} bytes into a section where there is none of that place`,
    { code: 'ERR_EBPF_INVALID_VALUE', path: LOG_RING },
  );
}
