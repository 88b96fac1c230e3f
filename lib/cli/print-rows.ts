import type { CommandContext } from './command.js';
import { jsonLine } from './json-line.js';
import { Output } from './output.js';
import { Table } from './table.js';

/** Rows that are formatted and written at once. */
const ROWS = 256;

/** Prints values as a table, or with `json` as an object a line. */
export async function printRows(rows: Iterable<object>, json: boolean, context: CommandContext): Promise<void> {
  const output = new Output(context.stdout, () => {});
  const table = new Table();
  const format = (some: readonly object[]): string => (json ? some.map(jsonLine).join('') : table.lines(some));
  let some: object[] = [];
  for (const row of rows) {
    some.push(row);
    if (some.length < ROWS) continue;
    await output.write(format(some));
    some = [];
    if (output.ended) break;
  }
  await output.write(format(some));
  output.throwIfFailed();
}
