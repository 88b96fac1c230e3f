import { inspect } from 'node:util';

import { ArrayMap, type BpfMap, type Ebpf, EbpfError, escapeControl, HashMap, RingBuffer } from '../../index.js';
import { Table } from '../table.js';
import type { EventStream } from './event-stream.js';

/** A person reads these; who wants all reads the map. */
const MOST_ROWS = 100;

/** The totals that a run ends with: events and drops of each ring, then what the maps hold. */
export function summary(ebpf: Ebpf, streams: readonly EventStream[]): string {
  let text = '';
  for (const stream of streams) {
    const { dropped } = stream.reader.stats;
    const lost = dropped === undefined ? 'drops are not counted by the object' : `${dropped} dropped`;
    text += `${escapeControl(stream.map)}: ${plural(stream.printed, 'event', 'events')}, ${lost}\n`;
  }
  for (const map of ebpf.maps) {
    if (map.name.startsWith('.') || map instanceof RingBuffer) continue;
    text += contents(map);
  }
  return text;
}

function contents(map: BpfMap): string {
  const name = escapeControl(map.name);
  if (!(map instanceof HashMap) && !(map instanceof ArrayMap)) return `${inspect(map)}: contents not shown\n`;
  try {
    const rows: object[] = [];
    let count = 0;
    for (const [key, value] of map.entries()) {
      if (rows.length < MOST_ROWS) rows.push(row(key, value));
      count++;
    }
    const more = count > rows.length ? `  … and ${count - rows.length} more\n` : '';
    return `${name}: ${plural(count, 'entry', 'entries')}\n${new Table({ indent: '  ' }).lines(rows)}${more}`;
  } catch (error) {
    // The other totals are still worth printing.
    if (EbpfError.is(error)) return `${name}: cannot be read: ${error.message}\n`;
    throw error;
  }
}

function row(key: unknown, value: unknown): object {
  const isStruct = typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
  return isStruct && !('key' in value) ? { key, ...value } : { key, value };
}

function plural(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
