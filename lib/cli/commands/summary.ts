import { inspect } from 'node:util';

import {
  ArrayMap,
  type BpfMap,
  type Ebpf,
  EbpfError,
  escapeControl,
  HashMap,
  type ObjectSpec,
  PerfEventArray,
  RingBuffer,
} from '../../index.js';
import { formatValue, Table } from '../table.js';
import type { EventStream } from './event-stream.js';

/** A person reads these; who wants all reads the map. */
const MOST_ROWS = 100;
const WIDEST = 80;

/** The totals that a run ends with: events and drops of each ring, then what the maps and the variables hold. */
export function summary(ebpf: Ebpf, spec: ObjectSpec, streams: readonly EventStream[]): string {
  let text = '';
  for (const stream of streams) {
    const { dropped } = stream.reader.stats;
    const lost = dropped === undefined ? 'drops are not counted by the object' : `${dropped} dropped`;
    text += `${escapeControl(stream.map)}: ${plural(stream.printed, 'event', 'events')}, ${lost}\n`;
  }
  for (const map of ebpf.maps) {
    // Data sections are shown as the variables in them.
    if (spec.maps.get(map.name)?.kind !== 'data' && !isEvents(map)) text += contents(map);
  }
  return text + variables(ebpf, spec, streams);
}

function isEvents(map: BpfMap): boolean {
  return map instanceof RingBuffer || map instanceof PerfEventArray;
}

function contents(map: BpfMap): string {
  if (!(map instanceof HashMap) && !(map instanceof ArrayMap)) return `${inspect(map)}: contents not shown\n`;
  return readable(map.name, () => {
    const rows: object[] = [];
    let count = 0;
    for (const [key, value] of map.entries()) {
      if (rows.length < MOST_ROWS) rows.push(row(key, value));
      count++;
    }
    const more = count > rows.length ? `  … and ${count - rows.length} more\n` : '';
    return `${escapeControl(map.name)}: ${plural(count, 'entry', 'entries')}\n${table(rows)}${more}`;
  });
}

/** What programs may have changed; the drops of the rings are told already. */
function variables(ebpf: Ebpf, spec: ObjectSpec, streams: readonly EventStream[]): string {
  const told = new Set(streams.map((stream) => `${stream.map}_dropped`));
  const names = [...spec.variables.values()]
    .filter((variable) => !variable.constant && !told.has(variable.name))
    .map((variable) => variable.name);
  if (names.length === 0) return '';
  return readable('variables', () => {
    // As text: the values in this column have nothing in common that would align them.
    const rows = names.map((name) => ({ name, value: formatValue(ebpf.variables[name]) }));
    return `variables:\n${table(rows)}`;
  });
}

/** One map that cannot be read is no reason to keep the other totals back. */
function readable(name: string, read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (EbpfError.is(error)) return `${escapeControl(name)}: cannot be read: ${error.message}\n`;
    throw error;
  }
}

function table(rows: readonly object[]): string {
  return new Table({ indent: '  ', widest: WIDEST }).lines(rows);
}

function row(key: unknown, value: unknown): object {
  const isStruct = typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
  return isStruct && !('key' in value) ? { key, ...value } : { key, value };
}

function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
