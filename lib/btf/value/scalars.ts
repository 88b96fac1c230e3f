/**
 * An integer of any number of bits, counted as BTF counts them: from the lowest bit of the bytes in little-endian data, from
 * the highest in big-endian.
 */
export function readInteger(
  bytes: Uint8Array,
  bitOffset: number,
  bits: number,
  littleEndian: boolean,
  signed: boolean,
): bigint {
  const first = Math.floor(bitOffset / 8);
  const inside = bitOffset % 8;
  const span = Math.ceil((inside + bits) / 8);
  let word = 0n;
  for (let index = 0; index < span; index++) {
    word = (word << 8n) | BigInt(bytes[first + (littleEndian ? span - 1 - index : index)] ?? 0);
  }
  const value = word >> BigInt(littleEndian ? inside : span * 8 - inside - bits);
  return signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

export function allZero(bytes: Uint8Array, offset: number, size: number): boolean {
  return bytes.subarray(offset, offset + size).every((byte) => byte === 0);
}

/** As C's `%f` writes it. JavaScript has no numbers for other sizes than 4 and 8: these are their bytes. */
export function floatText(view: DataView, offset: number, size: number, littleEndian: boolean): string {
  if (size !== 4 && size !== 8) {
    const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, size);
    return `0x${readInteger(bytes, 0, size * 8, littleEndian, false).toString(16)}`;
  }
  const value = size === 4 ? view.getFloat32(offset, littleEndian) : view.getFloat64(offset, littleEndian);
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value < 0 ? '-inf' : 'inf';
  // From 1e21 on toFixed() writes an exponent; such numbers are integers.
  if (Math.abs(value) >= 1e21) return `${BigInt(value)}.000000`;
  const isNegative = value < 0 || Object.is(value, -0);
  return `${isNegative ? '-' : ''}${Math.abs(value).toFixed(6)}`;
}

/** A string literal of C. Escapes are octal: a hexadecimal one would take the digits that follow it for its own. */
export function stringOf(bytes: Uint8Array): string {
  return `"${Array.from(bytes, (byte) => (byte === 0x22 ? '\\"' : escaped(byte))).join('')}"`;
}

/** A character literal of C, or the number of what cannot be printed. */
export function characterOf(byte: number): string {
  if (byte === 0x27) return "'\\''";
  return isPrintable(byte) ? `'${escaped(byte)}'` : ((byte << 24) >> 24).toString();
}

function isPrintable(byte: number): boolean {
  return byte >= 0x20 && byte < 0x7f;
}

function escaped(byte: number): string {
  if (byte === 0x5c) return '\\\\';
  return isPrintable(byte) ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`;
}
