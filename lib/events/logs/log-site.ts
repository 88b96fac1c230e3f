import { LayoutCodec, codecFromBtf, fieldsOf, type Codec, type Field, type Layout } from '../../codec/index.js';
import { EbpfError, ObjectFormatError, quote } from '../../errors/index.js';
import { LOG_SECTION, type ObjectSpec, type VariableSpec } from '../../object/index.js';

import { hintProblem } from './log-argument.js';
import { parseLogFormat, type LogFormat } from './log-format.js';
import { logLevelOfNumber, type LogLevel } from './log-level.js';

/** A place in the source that logs. */
export interface LogSite {
  readonly level: LogLevel;
  readonly file: string;
  readonly line: number;
  readonly format: string;
  readonly parsed: LogFormat;
  /** Of the records, the header's members included. */
  readonly codec: Codec<Readonly<Record<string, unknown>>>;
  /** Where the arguments are in a record. */
  readonly fields: readonly Field[];
}

/** Before the arguments: u64 time, u16 site, u16 cpu. */
const headerMembers = 3;
const headerSize = 12;

/** The messages of an object, by their offset in the section that node_ebpf_log.h puts them in. */
export function logSites(spec: ObjectSpec): Map<number, LogSite> {
  const sites = new Map<number, LogSite>();
  for (const variable of spec.variables.values()) {
    if (variable.section === LOG_SECTION) sites.set(variable.offset, readSite(spec, variable));
  }
  return sites;
}

function readSite(spec: ObjectSpec, variable: VariableSpec): LogSite {
  const fail = (problem: string, cause?: unknown): ObjectFormatError =>
    new ObjectFormatError(
      problem,
      { object: spec.name, section: LOG_SECTION, offset: variable.offset },
      cause === undefined ? {} : { cause },
    );
  const { btf } = spec;
  if (btf === undefined) throw fail('its types are unknown: compile the object with -g');
  let layout: Layout;
  let value: unknown;
  try {
    ({ layout } = codecFromBtf(btf, variable.typeId, { enums: 'name' }));
    value = variable.value;
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    throw fail(`it is no message of node_ebpf_log.h: ${error.message}`, error);
  }
  const record = recordLayout(layout);
  if (record === undefined || !isMessage(value)) throw fail('it is no message of node_ebpf_log.h');
  const { file, line, format } = value;
  const level = logLevelOfNumber(value.level);
  const parsed = parseLogFormat(format);
  const bad = (problem: string): ObjectFormatError =>
    fail(`the format ${quote(format)} of ${quote(`${file}:${line}`)}: ${problem}`);
  if (level === undefined) throw bad(`there is no level ${value.level}`);
  if (typeof parsed === 'string') throw bad(parsed);
  const fields = fieldsOf(record).slice(headerMembers);
  const { hints } = parsed;
  if (hints.length !== fields.length) {
    throw bad(
      `it takes ${hints.length} ${hints.length === 1 ? 'argument' : 'arguments'}, and ${fields.length} are given`,
    );
  }
  for (const [index, field] of fields.entries()) {
    const problem = hintProblem(field, hints[index] ?? '');
    if (problem !== undefined) throw bad(`argument ${index + 1}: ${problem}`);
  }
  return {
    level,
    file,
    line,
    format,
    parsed,
    fields,
    codec: new LayoutCodec(record, { littleEndian: spec.littleEndian }),
  };
}

/** What a record of the message is: the element of its member `record`, an array of none. */
function recordLayout(layout: Layout): (Layout & { readonly kind: 'struct' | 'union' }) | undefined {
  if (layout.kind !== 'struct') return undefined;
  const array = fieldsOf(layout).find(({ name }) => name === 'record')?.layout;
  const record = array?.kind === 'array' ? array.element : undefined;
  if (record?.kind !== 'struct') return undefined;
  const [time, site, cpu] = fieldsOf(record);
  const hasHeader = isInteger(time, 'time', 0, 8) && isInteger(site, 'site', 8, 2) && isInteger(cpu, 'cpu', 10, 2);
  return hasHeader && record.size >= headerSize ? record : undefined;
}

function isInteger(field: Field | undefined, name: string, offset: number, size: number): boolean {
  return (
    field?.name === name && field.offset === offset && field.layout.kind === 'integer' && field.layout.size === size
  );
}

function isMessage(value: unknown): value is { file: string; line: number; format: string; level: number } {
  if (typeof value !== 'object' || value === null) return false;
  const { file, line, format, level } = value as Record<string, unknown>;
  return (
    typeof file === 'string' && typeof format === 'string' && typeof line === 'number' && typeof level === 'number'
  );
}
