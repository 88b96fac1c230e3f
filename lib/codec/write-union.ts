import { quote, UsageError } from '../errors/index.js';
import type { Field, Layout, StructLayout } from './layout.js';
import { fieldsOf } from './layout.js';
import { pathText, type Path } from './path.js';
import { placeBits } from './plan.js';
import { writeBits, writeWideBits, zero } from './write.js';

/** One member of a union, or one anonymous struct or union in it with all its members. */
export interface Alternative {
  readonly fields: readonly Field[];
  readonly littleEndian: boolean;
  isGiven(value: Record<string, unknown>): boolean;
  encode(value: Record<string, unknown>, view: DataView, offset: number, path: Path): void;
}

/**
 * Encodes what is given of a union. A decoded union has all its members, and it must be possible to write it back; so
 * several may be given as long as they agree on every bit that two of them hold. Otherwise one would be lost silently.
 */
export function encodeAlternatives(
  union: StructLayout,
  alternatives: readonly Alternative[],
  value: Record<string, unknown>,
  view: DataView,
  offset: number,
  path: Path,
): void {
  const given = alternatives.filter((alternative) => alternative.isGiven(value));
  zero(view, offset, union.size);
  const [first, ...others] = given;
  if (first === undefined) {
    if (alternatives.length === 0) return;
    const names = alternatives.map(({ fields }) => listed(fields)).join(', ');
    const problem = alternatives.length === 1 ? `missing: give ${names}` : `missing: give one of ${names}`;
    throw UsageError.invalidValue(pathText(path), problem);
  }
  first.encode(value, view, offset, path);
  if (others.length === 0) return;
  const held = heldBits(first, union.size);
  const scratch = new Uint8Array(union.size);
  const scratchView = new DataView(scratch.buffer);
  for (const other of others) {
    scratch.fill(0);
    other.encode(value, scratchView, 0, path);
    const also = heldBits(other, union.size);
    for (let index = 0; index < union.size; index++) {
      const mine = also[index] ?? 0;
      const before = view.getUint8(offset + index);
      const here = (scratch[index] ?? 0) & mine;
      if (((before ^ here) & mine & (held[index] ?? 0)) !== 0) {
        const problem = `${listed(first.fields)} and ${listed(other.fields)} share their bytes but differ; give only the one that counts`;
        throw UsageError.invalidValue(pathText(path), problem);
      }
      view.setUint8(offset + index, before | here);
      held[index] = (held[index] ?? 0) | mine;
    }
  }
}

function listed(fields: readonly Field[]): string {
  return fields.map(({ name }) => quote(name)).join(' with ');
}

/** Ones for every bit that the alternative's members hold, as opposed to its padding. */
function heldBits(alternative: Alternative, size: number): Uint8Array {
  const bits = new Uint8Array(size);
  holdFields(alternative.fields, new DataView(bits.buffer), 0, alternative.littleEndian);
  return bits;
}

function holdFields(fields: readonly Field[], view: DataView, base: number, littleEndian: boolean): void {
  for (const { offset, layout, bits } of fields) {
    if (bits === undefined) hold(layout, view, base + offset, littleEndian);
    else {
      const { offset: inside, span, shift, size } = placeBits(bits, littleEndian);
      if (span > 4) writeWideBits(view, base + inside, span, shift, size, (1n << BigInt(size)) - 1n, littleEndian);
      else writeBits(view, base + inside, span, shift, size, -1, littleEndian);
    }
  }
}

function hold(layout: Layout, view: DataView, offset: number, littleEndian: boolean): void {
  if (layout.kind === 'struct' || layout.kind === 'union') holdFields(fieldsOf(layout), view, offset, littleEndian);
  else if (layout.kind === 'array') {
    for (let index = 0; index < layout.length; index++) {
      hold(layout.element, view, offset + index * layout.element.size, littleEndian);
    }
  } else if (layout.kind !== 'opaque') {
    new Uint8Array(view.buffer, view.byteOffset + offset, layout.size).fill(0xff);
  }
}
