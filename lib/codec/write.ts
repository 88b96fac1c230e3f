import { types } from 'node:util';

import { escapeControl, nearestNames, quote, UsageError } from '../errors/index.js';
import { addressBytes, mapInto } from './ip-address.js';
import { pathText, within, type Path, type Segment } from './path.js';
import { readSpan, readWideSpan } from './read.js';

// What generated and interpreted encoders share: checks that return the value to store, and stores of more than one
// DataView access. `parent` and `segment` say where the value stands.

export function refuse(parent: Path, segment: Segment, value: unknown, expected: string): UsageError {
  const got = value === undefined ? 'missing, expected' : `expected`;
  const shown = value === undefined ? '' : `, got ${shownValue(value)}`;
  return UsageError.invalidValue(pathText(parent, segment), `${got} ${escapeControl(expected)}${shown}`);
}

function shownValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quote(value);
    case 'number':
    case 'boolean':
      return String(value);
    case 'bigint':
      return `${value}n`;
    case 'object':
      if (value === null) return 'null';
      if (Array.isArray(value)) return `an array of ${value.length}`;
      if (ArrayBuffer.isView(value)) return `${value.byteLength} bytes`;
      return 'an object';
    default:
      return `a ${typeof value}`;
  }
}

/** An integer of up to 32 bits. */
export function integer(
  value: unknown,
  least: number,
  most: number,
  typeName: string,
  parent: Path,
  segment: Segment,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value;
  if (typeof value === 'bigint' && value >= least && value <= most) return Number(value);
  throw refuse(parent, segment, value, `an integer from ${least} to ${most} (${typeName})`);
}

/** An integer of more than 32 bits. */
export function wideInteger(
  value: unknown,
  least: bigint,
  most: bigint,
  typeName: string,
  takesStrings: boolean,
  parent: Path,
  segment: Segment,
): bigint {
  let wide: bigint | undefined;
  if (typeof value === 'bigint') wide = value;
  else if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) wide = BigInt(value);
    else if (Number.isInteger(value)) {
      throw refuse(parent, segment, value, `a bigint, as numbers beyond 2^53 are rounded (${typeName})`);
    }
  } else if (takesStrings && typeof value === 'string' && /^-?\d{1,40}$/.test(value)) wide = BigInt(value);
  if (wide !== undefined && wide >= least && wide <= most) return wide;
  const kinds = takesStrings ? 'a decimal string, bigint or safe integer' : 'a bigint or safe integer';
  throw refuse(parent, segment, value, `${kinds} from ${least} to ${most} (${typeName})`);
}

export function write128(view: DataView, offset: number, value: bigint, littleEndian: boolean): void {
  view.setBigUint64(offset + (littleEndian ? 0 : 8), BigInt.asUintN(64, value), littleEndian);
  view.setBigUint64(offset + (littleEndian ? 8 : 0), BigInt.asUintN(64, value >> 64n), littleEndian);
}

const MOST_F32 = 3.4028234663852886e38;

export function float(value: unknown, size: number, typeName: string, parent: Path, segment: Segment): number {
  if (typeof value !== 'number') throw refuse(parent, segment, value, `a number (${typeName})`);
  if (size === 4 && Number.isFinite(value) && Math.abs(value) > MOST_F32) {
    throw refuse(parent, segment, value, `a number from -${MOST_F32} to ${MOST_F32} (${typeName})`);
  }
  return value;
}

export function boolean(value: unknown, typeName: string, parent: Path, segment: Segment): number {
  if (typeof value !== 'boolean') throw refuse(parent, segment, value, `true or false (${typeName})`);
  return value ? 1 : 0;
}

/** The number of an enumerator given by name; anything else as it is, for the integer's own check. */
export function enumValue(
  value: unknown,
  numbers: ReadonlyMap<string, number | bigint>,
  typeName: string,
  parent: Path,
  segment: Segment,
): unknown {
  if (typeof value !== 'string') return value;
  const number = numbers.get(value);
  if (number !== undefined) return number;
  throw unknownName(pathText(parent, segment), `${typeName} has no value named`, value, numbers.keys());
}

const MANY = 64;

export function writeString(
  value: unknown,
  view: DataView,
  offset: number,
  length: number,
  parent: Path,
  segment: Segment,
): void {
  if (types.isUint8Array(value)) {
    writeBytes(value, view, offset, length, parent, segment);
    return;
  }
  if (typeof value !== 'string') throw refuse(parent, segment, value, `a string of up to ${length} bytes`);
  if (value.length <= MANY && value.length <= length) {
    // Most strings are ASCII and short: no buffer is made for them.
    let index = 0;
    for (; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code === 0 || code > 0x7f) break;
      view.setUint8(offset + index, code);
    }
    if (index === value.length) {
      zero(view, offset + index, length - index);
      return;
    }
  }
  const path = pathText(parent, segment);
  if (value.includes('\0')) throw UsageError.invalidValue(path, `the string ${quote(value)} contains a NUL`);
  if (/\p{Surrogate}/u.test(value)) {
    throw UsageError.invalidValue(path, `the string ${quote(value)} is not well-formed: it has half a surrogate pair`);
  }
  const text = Buffer.from(value, 'utf8');
  if (text.length > length) {
    throw UsageError.invalidValue(path, `the string ${quote(value)} takes ${text.length} bytes, there are ${length}`);
  }
  for (const [index, byte] of text.entries()) view.setUint8(offset + index, byte);
  zero(view, offset + text.length, length - text.length);
}

export function writeBytes(
  value: unknown,
  view: DataView,
  offset: number,
  length: number,
  parent: Path,
  segment: Segment,
): void {
  if (types.isUint8Array(value) && value.length === length) {
    new Uint8Array(view.buffer, view.byteOffset + offset, length).set(value);
    return;
  }
  if (!Array.isArray(value) || value.length !== length) {
    throw refuse(parent, segment, value, `a Uint8Array of exactly ${length} bytes`);
  }
  const path = within(parent, segment);
  for (let index = 0; index < length; index++) {
    view.setUint8(offset + index, integer(value[index], 0, 255, 'byte', path, index));
  }
}

/** An IP address, as text or bytes; see addressBytes. */
export function writeAddress(
  value: unknown,
  view: DataView,
  offset: number,
  length: number,
  parent: Path,
  segment: Segment,
): void {
  const bytes = addressBytes(value, length);
  if (bytes === undefined) throw refuse(parent, segment, value, addressWords(length));
  const at = bytes.length < length ? mapInto(view, offset) : offset;
  writeBytes(bytes, view, at, bytes.length, parent, segment);
}

function addressWords(length: number): string {
  return length === 4 ? "an IPv4 address such as '10.0.0.1'" : "an address such as '2001:db8::1' or '10.0.0.1'";
}

/** The value if it is an array, or a typed array, of `length` elements. */
export function arrayOf(value: unknown, length: number, parent: Path, segment: Segment): ArrayLike<unknown> {
  const isArray = Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
  if (!isArray) throw refuse(parent, segment, value, `an array of ${length}`);
  const array = value as ArrayLike<unknown>;
  if (array.length !== length) {
    const problem = `expected an array of ${length}, got one of ${array.length}`;
    throw UsageError.invalidValue(pathText(parent, segment), problem);
  }
  return array;
}

export function objectOf(value: unknown, typeName: string, parent: Path, segment: Segment): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value)) {
    return value as Record<string, unknown>;
  }
  throw refuse(parent, segment, value, `an object (${typeName})`);
}

/** A property whose name every object inherits something under: only an own one is the caller's. */
export function own(value: Record<string, unknown>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined;
}

/** Refuses properties that the type has no member for; what was misspelt must not be lost. */
export function checkNames(
  value: Record<string, unknown>,
  names: ReadonlySet<string>,
  reserved: ReadonlySet<string>,
  typeName: string,
  path: Path,
): void {
  for (const name of Object.keys(value)) {
    if (names.has(name)) continue;
    if (value[name] === undefined) continue;
    const place = pathText(path, name);
    if (reserved.has(name)) {
      throw UsageError.invalidValue(
        place,
        `only the kernel writes this member of ${escapeControl(typeName)}; leave it out`,
      );
    }
    throw unknownName(place, `${typeName} has no member named`, name, names);
  }
}

/** A flexible array lies behind the bytes that a codec writes, so that there is no room for elements. */
export function checkEmpty(value: unknown, parent: Path, segment: Segment): void {
  if (value === undefined) return;
  if ((typeof value === 'string' || Array.isArray(value) || types.isUint8Array(value)) && value.length === 0) return;
  const problem = 'a flexible array has no room of its own; leave it out or empty';
  throw UsageError.invalidValue(pathText(parent, segment), problem);
}

function unknownName(path: string, what: string, name: string, known: Iterable<string>): UsageError {
  const names = [...known];
  const suggestions = nearestNames(name, names);
  const shown = (suggestions.length > 0 ? suggestions : names.slice(0, 12)).map((near) => quote(near));
  const more = suggestions.length === 0 && names.length > 12 ? ` and ${names.length - 12} more` : '';
  const hint =
    suggestions.length > 0
      ? `; did you mean ${shown.join(' or ')}?`
      : names.length > 0
        ? `; it has ${shown.join(', ')}${more}`
        : '';
  const message = `${path}: ${escapeControl(what)} ${quote(name)}${hint}`;
  return new UsageError(message, { code: 'ERR_EBPF_NOT_FOUND', path, suggestions });
}

export function zero(view: DataView, offset: number, length: number): void {
  if (length > MANY) {
    new Uint8Array(view.buffer, view.byteOffset + offset, length).fill(0);
    return;
  }
  let at = offset;
  const end = offset + length;
  for (; at + 4 <= end; at += 4) view.setInt32(at, 0);
  for (; at < end; at++) view.setInt8(at, 0);
}

/** Stores a bit-field, see readBits; the other bits of its bytes stay as they are. */
export function writeBits(
  view: DataView,
  offset: number,
  span: number,
  shift: number,
  size: number,
  value: number,
  littleEndian: boolean,
): void {
  const mask = (-1 >>> (32 - size)) << shift;
  const word = (readSpan(view, offset, span, littleEndian) & ~mask) | ((value << shift) & mask);
  for (let index = 0; index < span; index++) {
    view.setUint8(offset + index, word >>> ((littleEndian ? index : span - 1 - index) * 8));
  }
}

/** Stores a bit-field of five to nine bytes, see readWideBits. */
export function writeWideBits(
  view: DataView,
  offset: number,
  span: number,
  shift: number,
  size: number,
  value: bigint,
  littleEndian: boolean,
): void {
  const mask = ((1n << BigInt(size)) - 1n) << BigInt(shift);
  let word = (readWideSpan(view, offset, span, littleEndian) & ~mask) | ((value << BigInt(shift)) & mask);
  for (let index = 0; index < span; index++) {
    view.setUint8(offset + (littleEndian ? index : span - 1 - index), Number(word & 0xffn));
    word >>= 8n;
  }
}
