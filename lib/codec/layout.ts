/** How a 64-bit (or wider) integer appears in JavaScript. `'number'` throws rather than rounds. */
export type WideInteger = 'bigint' | 'number' | 'string';

/** Which byte order an integer has: the host's (the kernel's own), or one that its type fixes, as `__be16` does. */
export type ByteOrder = 'host' | 'big' | 'little';

interface LayoutBase {
  /** How C spells the type, for messages: `__u32`, `struct event`, `char[16]`. Never code: it may come from a file. */
  readonly typeName: string;
  /** Bytes. */
  readonly size: number;
  /** Bytes; a power of two. */
  readonly alignment: number;
}

export interface IntegerLayout extends LayoutBase {
  readonly kind: 'integer';
  readonly size: 1 | 2 | 4 | 8 | 16;
  readonly signed: boolean;
  readonly byteOrder: ByteOrder;
  /** Only looked at from 8 bytes on; smaller integers are numbers. */
  readonly wide: WideInteger;
}

export interface FloatLayout extends LayoutBase {
  readonly kind: 'float';
  readonly size: 4 | 8;
}

export interface BoolLayout extends LayoutBase {
  readonly kind: 'bool';
  readonly size: 1 | 2 | 4 | 8;
}

export interface EnumLayout extends LayoutBase {
  readonly kind: 'enum';
  readonly integer: IntegerLayout;
  readonly values: readonly { readonly name: string; readonly value: number | bigint }[];
  /** `'name'`: a value that has no name is still given as its number. */
  readonly as: 'number' | 'name';
}

/** Eight bytes on every BPF target; always a bigint. */
export interface PointerLayout extends LayoutBase {
  readonly kind: 'pointer';
  readonly size: 8;
}

/** `char[length]` as a string up to the first NUL. */
export interface StringLayout extends LayoutBase {
  readonly kind: 'string';
  readonly length: number;
  readonly flexible: boolean;
}

/** Unsigned bytes as an owned `Uint8Array`, or 4 or 16 of them as the text of an IP address. */
export interface BytesLayout extends LayoutBase {
  readonly kind: 'bytes';
  readonly length: number;
  readonly flexible: boolean;
  /** Default: `'bytes'`. */
  readonly as?: 'bytes' | 'address' | undefined;
}

export interface ArrayLayout extends LayoutBase {
  readonly kind: 'array';
  readonly element: Layout;
  readonly length: number;
  readonly flexible: boolean;
}

/** What only the kernel reads and writes (`struct bpf_spin_lock`, kptr): no property when decoded, zeros when encoded. */
export interface OpaqueLayout extends LayoutBase {
  readonly kind: 'opaque';
}

export interface MemberLayout {
  /** Undefined for an anonymous struct or union, whose members are the enclosing struct's. */
  readonly name: string | undefined;
  /** Bytes from the start of the struct; of a bit-field, the byte that holds its first bit. */
  readonly offset: number;
  readonly layout: Layout;
  readonly bits: BitField | undefined;
}

/** A bit-field, counted as BTF does: from the lowest bit in little-endian data, from the highest in big-endian. */
export interface BitField {
  /** Bits from the start of the struct. */
  readonly offset: number;
  /** Width in bits, 1 to 64. */
  readonly size: number;
}

export interface StructLayout extends LayoutBase {
  readonly kind: 'struct' | 'union';
  readonly members: readonly MemberLayout[];
}

/**
 * What bytes mean: one description whether it came from BTF, from `struct({...})` or from a compiler. Everything a codec
 * does follows from it.
 */
export type Layout =
  | IntegerLayout
  | FloatLayout
  | BoolLayout
  | EnumLayout
  | PointerLayout
  | StringLayout
  | BytesLayout
  | ArrayLayout
  | OpaqueLayout
  | StructLayout;

/** A named member with its place in the outermost struct, anonymous structs and unions looked through. */
export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly layout: Layout;
  readonly bits: BitField | undefined;
}

/** The named members of a struct or union, those of its anonymous members included, in the order C declares them. */
export function fieldsOf(layout: StructLayout, base = 0): Field[] {
  const fields: Field[] = [];
  collectFields(layout, base, fields);
  return fields;
}

function collectFields(layout: StructLayout, base: number, fields: Field[]): void {
  for (const { name, offset, layout: type, bits } of layout.members) {
    if (name !== undefined) {
      const moved = bits === undefined ? undefined : { offset: bits.offset + base * 8, size: bits.size };
      fields.push({ name, offset: base + offset, layout: type, bits: moved });
    } else if (type.kind === 'struct' || type.kind === 'union') collectFields(type, base + offset, fields);
  }
}

/** The bytes that a record must have at least: all of the type but what a flexible array and its padding take. */
export function leastLength(layout: Layout): number {
  if (layout.kind !== 'struct') return layout.size;
  const fields = fieldsOf(layout);
  if (!fields.some(({ layout: type }) => isFlexible(type))) return layout.size;
  let end = 0;
  for (const field of fields) end = Math.max(end, endOf(field));
  return end;
}

export function isFlexible(layout: Layout): boolean {
  return (layout.kind === 'array' || layout.kind === 'bytes' || layout.kind === 'string') && layout.flexible;
}

/** Whether values of this layout end in an array that has no length of its own. */
export function endsFlexibly(layout: Layout): boolean {
  return layout.kind === 'struct' && fieldsOf(layout).some((field) => isFlexible(field.layout));
}

/** Where a field's bytes end, counted from the start of the struct. */
export function endOf({ offset, layout, bits }: Field): number {
  return bits === undefined ? offset + layout.size : Math.ceil((bits.offset + bits.size) / 8);
}
