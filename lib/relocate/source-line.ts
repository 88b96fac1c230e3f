import { lowerBound } from '../binary/index.js';
import type { Btf } from '../btf/index.js';
import { escapeControl } from '../errors/index.js';
import type { FunctionSpec } from '../object/index.js';

/** `struct bpf_line_info` keeps the column in the low ten bits. */
const COLUMN_BITS = 10;

/**
 * The source line of the instruction `offset` bytes into a function: `execsnoop.bpf.c:41: <text>`, without the file's
 * folder. Undefined when the object does not say.
 */
export function lineAt(btf: Btf | undefined, spec: FunctionSpec, offset: number): string | undefined {
  const { offsets } = spec.lines;
  // The last row that begins at or before the offset.
  const row = lowerBound(offsets.length, (index) => (offsets[index] ?? 0) <= offset) - 1;
  if (btf === undefined || row < 0) return undefined;
  const file = btf.string(spec.lines.fileNames[row] ?? 0);
  const text = btf.string(spec.lines.texts[row] ?? 0).trim();
  const number = (spec.lines.lineColumns[row] ?? 0) >>> COLUMN_BITS;
  const name = file.slice(file.lastIndexOf('/') + 1);
  return escapeControl(text === '' ? `${name}:${number}` : `${name}:${number}: ${text}`);
}
