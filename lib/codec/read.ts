import { UnsafeInteger } from './unsafe-integer.js';

// What generated and interpreted decoders share: everything that is more than one DataView access.

const TWO_32 = 4_294_967_296;

/** A 64-bit integer as a number; throws rather than rounds. */
export function readSafe(view: DataView, offset: number, signed: boolean, littleEndian: boolean): number {
  const high = offset + (littleEndian ? 4 : 0);
  const low = view.getUint32(offset + (littleEndian ? 0 : 4), littleEndian);
  const value = (signed ? view.getInt32(high, littleEndian) : view.getUint32(high, littleEndian)) * TWO_32 + low;
  if (Number.isSafeInteger(value)) return value;
  const exact = signed ? view.getBigInt64(offset, littleEndian) : view.getBigUint64(offset, littleEndian);
  throw new UnsafeInteger(offset, exact);
}

/** `__int128`. */
export function read128(view: DataView, offset: number, signed: boolean, littleEndian: boolean): bigint {
  const highAt = offset + (littleEndian ? 8 : 0);
  const high = signed ? view.getBigInt64(highAt, littleEndian) : view.getBigUint64(highAt, littleEndian);
  return (high << 64n) | view.getBigUint64(offset + (littleEndian ? 0 : 8), littleEndian);
}

/** `value` as a number; throws rather than rounds. */
export function safe(value: bigint, offset: number): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new UnsafeInteger(offset, value);
  return number;
}

export function readBytes(view: DataView, offset: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
}

/** A bit-field whose bits lie in `span` bytes, 1 to 4, shifted left by `shift` when these are read as one number. */
export function readBits(
  view: DataView,
  offset: number,
  span: number,
  shift: number,
  size: number,
  signed: boolean,
  littleEndian: boolean,
): number {
  const word = readSpan(view, offset, span, littleEndian);
  const up = 32 - size - shift;
  return signed ? (word << up) >> (32 - size) : (word << up) >>> (32 - size);
}

/** One to four bytes as one number. */
export function readSpan(view: DataView, offset: number, span: number, littleEndian: boolean): number {
  if (span === 1) return view.getUint8(offset);
  if (span === 2) return view.getUint16(offset, littleEndian);
  if (span === 4) return view.getInt32(offset, littleEndian);
  const first = view.getUint8(offset);
  const middle = view.getUint8(offset + 1) << 8;
  const last = view.getUint8(offset + 2);
  return littleEndian ? first | middle | (last << 16) : (first << 16) | middle | last;
}

/** As {@link readBits}, for bit-fields whose bits lie in five to nine bytes. */
export function readWideBits(
  view: DataView,
  offset: number,
  span: number,
  shift: number,
  size: number,
  signed: boolean,
  littleEndian: boolean,
): bigint {
  const bits = readWideSpan(view, offset, span, littleEndian) >> BigInt(shift);
  return signed ? BigInt.asIntN(size, bits) : BigInt.asUintN(size, bits);
}

export function readWideSpan(view: DataView, offset: number, span: number, littleEndian: boolean): bigint {
  let word = 0n;
  for (let index = 0; index < span; index++) {
    word = (word << 8n) | BigInt(view.getUint8(offset + (littleEndian ? span - 1 - index : index)));
  }
  return word;
}

/** The name of an enumerator, or the number itself when it has none. */
export function enumName<Value>(names: ReadonlyMap<unknown, string>, value: Value): string | Value {
  return names.get(value) ?? value;
}

/** Whole elements in the rest of a record. */
export function readTail(
  decode: (view: DataView, offset: number) => unknown,
  view: DataView,
  offset: number,
  rest: number,
  elementSize: number,
): unknown[] {
  const values: unknown[] = [];
  if (elementSize === 0) return values;
  for (let end = elementSize; end <= rest; end += elementSize) values.push(decode(view, offset + end - elementSize));
  return values;
}
