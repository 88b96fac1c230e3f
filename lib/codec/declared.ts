import { quote, UsageError } from '../errors/index.js';
import type { Codec, Infer, InferInput } from './codec.js';
import { LayoutCodec } from './layout-codec.js';
import type { ByteOrder, IntegerLayout, Layout, MemberLayout, StructLayout, WideInteger } from './layout.js';

/** A 64-bit integer: a bigint when decoded; a bigint or a safe integer when encoded. */
export interface WideIntegerCodec extends Codec<bigint, bigint | number> {
  /** The same bytes as a number. Decoding throws {@link UsageError} beyond ±2^53 rather than round. */
  readonly asNumber: Codec<number, number | bigint>;
  /** The same bytes as a decimal string, which survives JSON. */
  readonly asString: Codec<string, string | number | bigint>;
}

/** What {@link struct} takes: codecs by field name, in C's order. */
export type StructFields = Readonly<Record<string, Codec<unknown>>>;

/** What a struct of these fields decodes to. */
export type StructValue<Fields extends StructFields> = { -readonly [Name in keyof Fields]: Infer<Fields[Name]> };

/** What a struct of these fields encodes. */
export type StructInput<Fields extends StructFields> = { readonly [Name in keyof Fields]: InferInput<Fields[Name]> };

export interface StructOptions {
  /** No padding, as `__attribute__((packed))`. By default fields lie where C puts them. */
  readonly packed?: boolean | undefined;
  /** The byte order of the data; by default this machine's. */
  readonly littleEndian?: boolean | undefined;
}

const INTEGER_NAMES: Readonly<Record<ByteOrder, string>> = { host: '', big: 'be', little: 'le' };

function integer(size: 1 | 2 | 4 | 8, signed: boolean, byteOrder: ByteOrder, wide: WideInteger): IntegerLayout {
  const prefix = byteOrder === 'host' ? (signed ? 'i' : 'u') : INTEGER_NAMES[byteOrder];
  return { kind: 'integer', typeName: `${prefix}${size * 8}`, size, alignment: size, signed, byteOrder, wide };
}

function narrow(size: 1 | 2 | 4, signed: boolean, byteOrder: ByteOrder = 'host'): Codec<number> {
  return new LayoutCodec<number>(integer(size, signed, byteOrder, 'bigint'));
}

function wide(signed: boolean, byteOrder: ByteOrder = 'host'): WideIntegerCodec {
  return Object.assign(new LayoutCodec<bigint, bigint | number>(integer(8, signed, byteOrder, 'bigint')), {
    asNumber: new LayoutCodec<number, number | bigint>(integer(8, signed, byteOrder, 'number')),
    asString: new LayoutCodec<string, string | number | bigint>(integer(8, signed, byteOrder, 'string')),
  });
}

/** `__u8`, `unsigned char`. */
export const u8: Codec<number> = narrow(1, false);
/** `__u16`. */
export const u16: Codec<number> = narrow(2, false);
/** `__u32`. */
export const u32: Codec<number> = narrow(4, false);
/** `__u64`: a bigint. */
export const u64: WideIntegerCodec = wide(false);
/** `__s8`. */
export const i8: Codec<number> = narrow(1, true);
/** `__s16`. */
export const i16: Codec<number> = narrow(2, true);
/** `__s32`, `int`, `pid_t`. */
export const i32: Codec<number> = narrow(4, true);
/** `__s64`, `long`: a bigint. */
export const i64: WideIntegerCodec = wide(true);
/** `__be16`: a port as the number it means. */
export const be16: Codec<number> = narrow(2, false, 'big');
/** `__be32`: an IPv4 address as the number it means. */
export const be32: Codec<number> = narrow(4, false, 'big');
/** `__be64`: a bigint, the number it means. */
export const be64: WideIntegerCodec = wide(false, 'big');
/** `float`. */
export const f32: Codec<number> = new LayoutCodec<number>({ kind: 'float', typeName: 'f32', size: 4, alignment: 4 });
/** `double`. */
export const f64: Codec<number> = new LayoutCodec<number>({ kind: 'float', typeName: 'f64', size: 8, alignment: 8 });
/** `bool`, `_Bool`: one byte. */
export const bool: Codec<boolean> = new LayoutCodec<boolean>({ kind: 'bool', typeName: 'bool', size: 1, alignment: 1 });
/** Any pointer: eight bytes, a bigint. */
export const pointer: Codec<bigint, bigint | number> = new LayoutCodec<bigint, bigint | number>({
  kind: 'pointer',
  typeName: 'pointer',
  size: 8,
  alignment: 8,
});

/**
 * `char[length]` as a string: the bytes up to the first NUL as UTF-8, what is not UTF-8 replaced by U+FFFD (use
 * {@link bytes} when every byte counts). Encoding takes up to `length` bytes of UTF-8 and fills the rest with zeros;
 * a string of exactly `length` bytes is stored without a NUL, as C does.
 *
 * @example
 * ```js
 * const Task = struct('task', { pid: u32, comm: cstr(16) });
 * ```
 */
export function cstr(length: number): Codec<string, string | Uint8Array> {
  checkLength('cstr', length);
  const typeName = `cstr(${length})`;
  return new LayoutCodec({ kind: 'string', typeName, size: length, alignment: 1, length, flexible: false });
}

/** `__u8[length]` as an owned `Uint8Array`. Encoding takes exactly `length` bytes. */
export function bytes(length: number): Codec<Uint8Array, Uint8Array | readonly number[]> {
  checkLength('bytes', length);
  const typeName = `bytes(${length})`;
  return new LayoutCodec({ kind: 'bytes', typeName, size: length, alignment: 1, length, flexible: false });
}

/**
 * An IP address as text, in the order of the network: `ipAddress(4)` is one of IPv4, as `__be32` or `struct in_addr`; `ipAddress(16)`,
 * as `__u8[16]`, is one of IPv6, or of IPv4 as IPv6 has them, `::ffff:10.0.0.1`, which is told as `10.0.0.1`. Encoding takes the 4
 * or 16 bytes too, as {@link ipOctets} and {@link ipNetwork} give them.
 *
 * @example
 * ```js
 * const Flow = struct('flow', { source: ipAddress(16), destination: ipAddress(16), port: be16 });
 * flows.get({ source: '10.0.0.1', destination: '2001:db8::1', port: 443 });
 * ```
 */
export function ipAddress(length: 4 | 16): Codec<string, string | Uint8Array | readonly number[]> {
  if (![4, 16].includes(length)) {
    throw UsageError.invalidValue('ipAddress length', `expected 4 or 16 bytes, got ${shown(length)}`);
  }
  const typeName = `ipAddress(${length})`;
  const alignment = length === 4 ? 4 : 1;
  return new LayoutCodec({ kind: 'bytes', typeName, size: length, alignment, length, flexible: false, as: 'address' });
}

/**
 * An integer of up to 32 bits whose values have names: it decodes to a name, or to the number when that has none, and encodes both.
 * Names count from 0, or are given with their numbers.
 *
 * @throws {@link UsageError} when two names stand for one number, or a number is not one of `integer`.
 *
 * @example
 * ```js
 * const Event = struct('event', { action: enumeration(u8, ['allow', 'deny']), family: enumeration(u16, { inet: 2, inet6: 10 }) });
 * ```
 */
export function enumeration<const Name extends string>(
  integer: Codec<number>,
  names: readonly Name[] | Readonly<Record<Name, number>>,
): Codec<Name | number> {
  checkCodec('enumeration', integer);
  const { layout, typeName, size, alignment } = integer;
  if (layout.kind !== 'integer' || layout.size > 4) {
    throw UsageError.invalidValue('enumeration', `expected an integer of up to 32 bits, got ${typeName}`);
  }
  const values = Array.isArray(names)
    ? (names as readonly Name[]).map((name, value) => ({ name, value }))
    : Object.entries<number>(names as Readonly<Record<Name, number>>).map(([name, value]) => ({ name, value }));
  const room = new DataView(new ArrayBuffer(size));
  const known = new Map<string | number, string>();
  for (const { name, value } of values) {
    integer.encode(value, room, 0, `enumeration ${quote(name)}`);
    const other = known.get(value) ?? known.get(name);
    if (other !== undefined) throw UsageError.invalidValue('enumeration', `${quote(name)} is ${quote(other)} already`);
    known.set(value, name).set(name, name);
  }
  return new LayoutCodec({
    ...{ kind: 'enum', typeName: `enumeration(${typeName})`, size, alignment, integer: layout, values, as: 'name' },
  });
}

/**
 * `element[length]` as an array. Length 0 at the end of a struct is a flexible array, see {@link Codec.decode}.
 *
 * @example
 * ```js
 * const Histogram = struct('histogram', { slots: array(u32, 32) });
 * ```
 */
export function array<Value, Input = Value>(
  element: Codec<Value, Input>,
  length: number,
): Codec<Value[], readonly Input[]> {
  checkCodec('array', element);
  checkLength('array', length);
  const { alignment } = element;
  const typeName = `array(${element.typeName}, ${length})`;
  const size = element.size * length;
  checkSize(typeName, size);
  return new LayoutCodec({
    kind: 'array',
    typeName,
    size,
    alignment,
    element: element.layout,
    length,
    flexible: false,
  });
}

/**
 * A C struct, its fields where C puts them: each at the next multiple of its alignment, the whole padded to the
 * greatest alignment. The name is the struct's tag in C. Used with an object, the declaration is checked against the
 * object's BTF, names, offsets and sizes.
 *
 * Throws {@link UsageError} when a field's name is no C identifier or its type no codec.
 *
 * @example
 * ```js
 * const Exec = struct('event', { ts: u64, pid: u32, comm: cstr(16) });
 * for await (const exec of ebpf.map('events', RingBuffer.of(Exec)).read()) console.log(exec.pid, exec.comm);
 * ```
 */
export function struct<const Fields extends StructFields>(
  name: string,
  fields: Fields,
  options: StructOptions = {},
): Codec<StructValue<Fields>, StructInput<Fields>> {
  if (typeof name !== 'string' || !isIdentifier(name)) {
    throw UsageError.invalidValue('struct name', `expected a C identifier, got ${shown(name)}`);
  }
  const entries = Object.entries(fields);
  if (entries.length === 0) throw UsageError.invalidValue(`struct ${name}`, 'it has no fields');
  const members: MemberLayout[] = [];
  let end = 0;
  let alignment = 1;
  for (const [index, [field, codec]] of entries.entries()) {
    // Besides keeping nonsense out, this keeps out names such as "0": JavaScript moves them before all others.
    if (!isIdentifier(field)) {
      throw UsageError.invalidValue(`struct ${name}`, `the field name ${quote(field)} is not a C identifier`);
    }
    checkCodec(`struct ${name}: field ${field}`, codec);
    const fieldAlignment = options.packed === true ? 1 : codec.alignment;
    const offset = roundUp(end, fieldAlignment);
    const layout = index === entries.length - 1 ? madeFlexible(codec.layout) : codec.layout;
    members.push({ name: field, offset, layout, bits: undefined });
    end = offset + codec.size;
    alignment = Math.max(alignment, fieldAlignment);
  }
  const size = roundUp(end, alignment);
  checkSize(`struct ${name}`, size);
  const layout: StructLayout = { kind: 'struct', typeName: `struct ${name}`, size, alignment, members };
  return new LayoutCodec(layout, { littleEndian: options.littleEndian });
}

/** An array without length takes the rest of the record, but only at the end of a struct. */
function madeFlexible(layout: Layout): Layout {
  const hasLength = layout.kind === 'array' || layout.kind === 'bytes' || layout.kind === 'string';
  return hasLength && layout.length === 0 ? { ...layout, flexible: true } : layout;
}

function roundUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

export function isIdentifier(name: string): boolean {
  return /^[A-Za-z_$][\w$]*$/.test(name);
}

function checkLength(what: string, length: number): void {
  if (!Number.isInteger(length) || length < 0) {
    throw UsageError.invalidValue(`${what} length`, `expected an integer from 0, got ${shown(length)}`);
  }
  checkSize(what, length);
}

/** The kernel counts sizes in 32 bits, and so does BTF. */
function checkSize(what: string, size: number): void {
  if (size > 0x7fffffff) throw UsageError.invalidValue(what, `${size} bytes are more than any BPF value has`);
}

function checkCodec(what: string, codec: unknown): void {
  const valid = typeof codec === 'object' && codec !== null && 'layout' in codec && 'decode' in codec;
  if (!valid) throw UsageError.invalidValue(what, `expected a type such as u32 or cstr(16), got ${shown(codec)}`);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  return value === null ? 'null' : typeof value;
}
