import { escapeControl } from '../index.js';

interface Cell {
  readonly text: string;
  /** Numbers stand to the right, so that their digits do. */
  readonly right: boolean;
}

/** The least width of a column whose values are still to come; a complete table needs none. */
export interface MinimumWidths {
  readonly number: number;
  readonly text: number;
}

/** For rows that arrive over time: wide enough for a pid, and for a `comm`. */
export const STREAM_WIDTHS: MinimumWidths = { number: 7, text: 16 };
const NO_WIDTHS: MinimumWidths = { number: 0, text: 0 };

/**
 * Prints values as rows of aligned columns under one header. Nested structs are columns of their own (`from.x`). The
 * widths come from the first rows given and only ever grow; they do not depend on the terminal, so what a pipe
 * receives is what a person sees. Control characters are escaped: a value never moves the cursor.
 */
export class Table {
  readonly #minimum: MinimumWidths;
  readonly #indent: string;
  readonly #widest: number;
  #columns: string[] | undefined;
  #widths: number[] = [];

  /** `widest`: longer values are cut to this many characters, the last of which is then `…`. */
  constructor(options: { minimum?: MinimumWidths; indent?: string; widest?: number } = {}) {
    this.#minimum = options.minimum ?? NO_WIDTHS;
    this.#indent = options.indent ?? '';
    this.#widest = options.widest ?? Infinity;
  }

  /** The rows as lines, each ended by a newline, below the header when these are the first. */
  lines(values: readonly unknown[]): string {
    if (values.length === 0) return '';
    const rows = values.map((value) => this.#cells(value));
    let text = '';
    const first = this.#columns === undefined;
    this.#columns ??= [...(rows[0]?.keys() ?? [])];
    const columns = this.#columns;
    for (const [index, column] of columns.entries()) {
      let width = Math.max(this.#widths[index] ?? 0, column.length);
      for (const row of rows) {
        const cell = row.get(column);
        if (cell === undefined) continue;
        width = Math.max(width, cell.text.length, cell.right ? this.#minimum.number : this.#minimum.text);
      }
      this.#widths[index] = width;
    }
    if (first) {
      // A header stands where its column's values do.
      const right = (column: string): boolean => rows[0]?.get(column)?.right ?? false;
      text += this.#line(columns.map((column) => ({ text: column.toUpperCase(), right: right(column) })));
    }
    for (const row of rows) text += this.#line(columns.map((column) => row.get(column) ?? { text: '', right: false }));
    return text;
  }

  #cells(value: unknown): Map<string, Cell> {
    const cells = flatten(value);
    for (const [column, { text, right }] of cells) {
      if (text.length > this.#widest) cells.set(column, { text: `${text.slice(0, this.#widest - 1)}…`, right });
    }
    return cells;
  }

  #line(cells: readonly Cell[]): string {
    let line = this.#indent;
    for (const [index, cell] of cells.entries()) {
      const padding = ' '.repeat(Math.max(0, (this.#widths[index] ?? 0) - cell.text.length));
      if (index > 0) line += '  ';
      if (cell.right) line += padding + cell.text;
      else line += index === cells.length - 1 ? cell.text : cell.text + padding;
    }
    return `${line}\n`;
  }
}

/** One value as text, on one line, safe for a terminal. */
export function formatValue(value: unknown): string {
  if (typeof value === 'string') return escapeControl(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return `[${value.map(formatNested).join(' ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([name, member]) => `${escapeControl(name)}=${formatNested(member)}`);
    return `{${members.join(' ')}}`;
  }
  return String(value);
}

/** Inside of brackets a text needs quotes to be told from its neighbours. */
function formatNested(value: unknown): string {
  return typeof value === 'string' ? `"${escapeControl(value)}"` : formatValue(value);
}

function flatten(value: unknown, prefix = '', row = new Map<string, Cell>()): Map<string, Cell> {
  if (isStruct(value)) {
    for (const [name, member] of Object.entries(value)) {
      flatten(member, prefix === '' ? escapeControl(name) : `${prefix}.${escapeControl(name)}`, row);
    }
  } else {
    const right = typeof value === 'number' || typeof value === 'bigint';
    row.set(prefix === '' ? 'value' : prefix, { text: formatValue(value), right });
  }
  return row;
}

function isStruct(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}
