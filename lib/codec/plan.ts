import {
  fieldsOf,
  isFlexible,
  type BitField,
  type Field,
  type IntegerLayout,
  type Layout,
  type StructLayout,
} from './layout.js';

// What both compilers need to know of a layout, worked out once.

export interface UnionPlace {
  readonly offset: number;
  readonly layout: StructLayout;
}

/** How to encode a struct: anonymous structs are dissolved into it, anonymous unions are not. */
export interface StructPlan {
  /** Byte ranges that no member fills: padding, bit-fields (which are put in bit by bit) and opaque members. */
  readonly gaps: readonly { readonly offset: number; readonly length: number }[];
  readonly fields: readonly Field[];
  /** Flexible arrays: may be left out, must be empty. */
  readonly tails: readonly Field[];
  readonly unions: readonly UnionPlace[];
  /** Every member's name, those of anonymous unions too. */
  readonly names: ReadonlySet<string>;
  /** The names of opaque members, which may not be given. */
  readonly reserved: ReadonlySet<string>;
  /** True when exactly the names must be given, so that counting them is enough to see that there is no other. */
  readonly exact: boolean;
}

export function planStruct(struct: StructLayout): StructPlan {
  const fields: Field[] = [];
  const tails: Field[] = [];
  const unions: UnionPlace[] = [];
  const reserved = new Set<string>();
  const visit = (layout: StructLayout, base: number): void => {
    for (const { name, offset, layout: type, bits } of layout.members) {
      if (name === undefined) {
        if (type.kind === 'struct') visit(type, base + offset);
        else if (type.kind === 'union') unions.push({ offset: base + offset, layout: type });
        continue;
      }
      const moved = bits === undefined ? undefined : { offset: bits.offset + base * 8, size: bits.size };
      const field: Field = { name, offset: base + offset, layout: type, bits: moved };
      if (type.kind === 'opaque') reserved.add(name);
      else if (isFlexible(type)) tails.push(field);
      else fields.push(field);
    }
  };
  visit(struct, 0);
  const names = new Set([...fields, ...tails].map(({ name }) => name));
  for (const union of unions)
    for (const { name, layout } of fieldsOf(union.layout)) if (layout.kind !== 'opaque') names.add(name);
  const filled = [...fields.filter(({ bits }) => bits === undefined), ...unions];
  const exact = unions.length === 0 && tails.length === 0;
  return { gaps: gapsBetween(filled, struct.size), fields, tails, unions, names, reserved, exact };
}

function gapsBetween(
  filled: readonly { offset: number; layout: Layout }[],
  size: number,
): { offset: number; length: number }[] {
  const gaps: { offset: number; length: number }[] = [];
  let end = 0;
  for (const { offset, layout } of [...filled].sort((a, b) => a.offset - b.offset)) {
    if (offset > end) gaps.push({ offset: end, length: offset - end });
    end = Math.max(end, offset + layout.size);
  }
  if (end < size) gaps.push({ offset: end, length: size - end });
  return gaps;
}

/** Where a bit-field's bits are when the bytes that hold them are read as one number. */
export interface BitPlace {
  readonly offset: number;
  /** Bytes, 1 to 9. */
  readonly span: number;
  readonly shift: number;
  readonly size: number;
}

export function placeBits(bits: BitField, littleEndian: boolean): BitPlace {
  const offset = Math.floor(bits.offset / 8);
  const first = bits.offset % 8;
  const span = Math.ceil((first + bits.size) / 8);
  return { offset, span, shift: littleEndian ? first : span * 8 - first - bits.size, size: bits.size };
}

/** The bounds of an integer of this many bits. */
export function boundsOf(bits: number, signed: boolean): { least: bigint; most: bigint } {
  const count = BigInt(bits);
  return signed
    ? { least: -(1n << (count - 1n)), most: (1n << (count - 1n)) - 1n }
    : { least: 0n, most: (1n << count) - 1n };
}

export function isLittleEndian(layout: IntegerLayout, littleEndian: boolean): boolean {
  return layout.byteOrder === 'host' ? littleEndian : layout.byteOrder === 'little';
}

/** Names under which every plain object inherits something. */
export function isInherited(name: string): boolean {
  return name in Object.prototype;
}

/**
 * How many values decoding makes. Types that nest without taking bytes could make more than memory holds out of
 * nothing, and so could a file that says so.
 */
export function countValues(layout: Layout, known: Map<Layout, number> = new Map<Layout, number>()): number {
  if (layout.kind === 'array') return 1 + layout.length * countValues(layout.element, known);
  if (layout.kind !== 'struct' && layout.kind !== 'union') return 1;
  let count = known.get(layout);
  if (count === undefined) {
    count = 1;
    for (const member of layout.members) count += countValues(member.layout, known);
    known.set(layout, count);
  }
  return count;
}
