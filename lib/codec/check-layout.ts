import type { Btf } from '../btf/index.js';
import { escapeControl, quote, UsageError } from '../errors/index.js';
import { BtfLayouts } from './btf-layouts.js';
import type { Codec } from './codec.js';
import { compareLayouts, type LayoutDifference } from './compare-layouts.js';
import { declarationOf } from './declaration.js';
import { fieldsOf, type Layout, type StructLayout } from './layout.js';

/** Rows of the table around the first difference. */
const ROWS_BEFORE = 4;
const ROWS_AFTER = 7;

/**
 * Checks a declared type against the object's: every field's name, offset, size, number of elements and, for integers,
 * sign. Whatever a declaration can say of the same bytes passes: `u64` for a pointer, `cstr(16)` for `__u8[16]`,
 * `be32` for a plain `__u32`, `bytes(n)` for a union of n bytes.
 *
 * Throws {@link UsageError} naming the first field that differs, with both layouts side by side and the declaration
 * that would fit.
 *
 * @example
 * ```js
 * checkLayout(struct('event', { ts: u64, pid: u32, comm: cstr(16) }), spec.btf, spec.btf.find('event'));
 * ```
 */
export function checkLayout(declared: Codec<unknown>, btf: Btf, typeId: number): void {
  const actual = new BtfLayouts(btf, {}).layoutOf(typeId);
  const difference = compareLayouts(declared.layout, actual);
  if (difference === undefined) return;
  const parts = [`does not match the object's ${actual.typeName}: ${sentence(difference, actual)}`];
  if (difference.structs !== undefined) {
    parts.push('', ...table(difference.structs.declared, difference.structs.actual, difference.field), '');
  }
  parts.push(advice(actual));
  throw UsageError.invalidValue(escapeControl(declared.typeName) + difference.path, parts.join('\n'));
}

function sentence({ path, problem }: LayoutDifference, actual: Layout): string {
  const subject = path === '' ? actual.typeName : `field ${quote(path.replace(/^\./, ''))}`;
  return escapeControl(`${subject} ${problem}`);
}

function advice(actual: Layout): string {
  const declaration = declarationOf(actual);
  if (declaration !== undefined) return `To match, declare it as ${declaration}`;
  const name = actual.typeName.replace(/^(struct|union|enum) /, '');
  return `Part of it has no declaration; use the object's own type by its name, ${quote(name)}`;
}

/** Both layouts side by side, with a mark where they part. */
function table(declared: StructLayout, actual: StructLayout, field: string | undefined): string[] {
  const left = rows(declared);
  const right = rows(actual);
  const height = Math.max(left.length, right.length);
  let marked = left.findIndex((row) => row.name === field);
  if (marked < 0) marked = right.findIndex((row) => row.name === field);
  const first = marked < 0 ? 0 : Math.max(0, marked - ROWS_BEFORE);
  const end = Math.min(height, (marked < 0 ? first : marked) + ROWS_AFTER + 1);
  const width = Math.max(HEADING.length, ...left.slice(first, end).map((row) => row.text.length));
  const line = (mark: string, one: string, other: string): string =>
    `${mark} ${one.padEnd(width)}   ${other}`.trimEnd();
  const lines = [line(' ', 'declared', 'in the object'), line(' ', HEADING, HEADING)];
  if (first > 0) lines.push(line(' ', '…', '…'));
  for (let index = first; index < end; index++) {
    const isMarked = left[index]?.name === field || right[index]?.name === field;
    const mark = field !== undefined && isMarked ? '>' : ' ';
    lines.push(line(mark, left[index]?.text ?? '', right[index]?.text ?? ''));
  }
  if (end < height) lines.push(line(' ', '…', '…'));
  lines.push(line(' ', total(declared.size), total(actual.size)));
  return lines;
}

const HEADING = 'offset  size  field';

function total(size: number): string {
  return `        ${String(size).padStart(4)}  in all`;
}

function rows(layout: StructLayout): { name: string; text: string }[] {
  return fieldsOf(layout).map(({ name, offset, layout: type, bits }) => {
    const size = bits === undefined ? String(type.size) : `:${bits.size}`;
    const shown = escapeControl(`${name}: ${type.typeName}`);
    const cut = shown.length > 60 ? `${shown.slice(0, 59)}…` : shown;
    return { name, text: `${String(offset).padStart(6)}  ${size.padStart(4)}  ${cut}` };
  });
}
