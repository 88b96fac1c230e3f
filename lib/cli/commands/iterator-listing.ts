import { escapeControl, IteratorLink, IteratorProgram, type Ebpf } from '../../index.js';
import { jsonLine } from '../json-line.js';
import type { Output } from '../output.js';
import { STREAM_WIDTHS, Table } from '../table.js';

/** How the output of iterators is printed. */
export interface ListingOptions {
  /** `--events`: the C type of what an iterator writes, by its program; text without one. */
  readonly types: ReadonlyMap<string, string | undefined>;
  readonly json: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** So many lines are written at once. */
const linesAtOnce = 500;

/** Whether `name` is a program that goes over something and writes about it. */
export function isIterator(ebpf: Ebpf, name: string): boolean {
  return ebpf.programs.some((program) => program.name === name && program instanceof IteratorProgram);
}

/** Reads every attached iterator once and prints what it writes. */
export async function printIterators(ebpf: Ebpf, options: ListingOptions): Promise<void> {
  const links = ebpf.links.filter((link) => link instanceof IteratorLink);
  const { output, signal, json } = options;
  for (const link of links) {
    if (links.length > 1 && !json) await output.write(`${escapeControl(link.program)}:\n`);
    let lines: unknown[] = [];
    const format = formatOf(link, options);
    try {
      for await (const line of itemsOf(link, options)) {
        if (lines.push(line) < linesAtOnce) continue;
        await output.write(format(lines));
        lines = [];
      }
    } catch (error) {
      // Whoever stops the run has seen enough.
      if (!signal.aborted) throw error;
    }
    await output.write(format(lines));
  }
}

function itemsOf(link: IteratorLink, { types, signal }: ListingOptions): AsyncIterable<unknown> {
  const type = types.get(link.program);
  return type === undefined ? link.lines({ signal }) : link.records(type, { signal });
}

function formatOf(link: IteratorLink, { types, json }: ListingOptions): (items: readonly unknown[]) => string {
  const { program } = link;
  const isText = types.get(program) === undefined;
  if (json) {
    return (items) =>
      items.map((item) => jsonLine(isText ? { program, line: item } : { program, record: item })).join('');
  }
  if (isText) return (items) => items.map((item) => `${text(String(item))}\n`).join('');
  const table = new Table({ minimum: STREAM_WIDTHS });
  return (items) => table.lines(items);
}

/** Tabs make columns; whatever else a terminal obeys is shown. */
function text(line: string): string {
  return line
    .split('\t')
    .map((part) => escapeControl(part))
    .join('\t');
}
