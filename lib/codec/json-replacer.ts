/**
 * For `JSON.stringify`: 64-bit integers become decimal strings, byte arrays lower-case hexadecimal strings, and numbers
 * that JSON has no form for their names (`"NaN"`, `"Infinity"`), so that nothing decoded is lost or throws.
 *
 * @example
 * ```js
 * console.log(JSON.stringify(event, jsonReplacer)); // {"ts":"52846114320","pid":4242,"address":"7f000001"}
 * ```
 */
export function jsonReplacer(this: unknown, key: string, value: unknown): unknown {
  // A Buffer has already been through its own toJSON here; the holder still has the bytes.
  const holder = this as Record<string, unknown> | undefined;
  const original = typeof value === 'object' && value !== null ? (holder?.[key] ?? value) : value;
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (original instanceof Uint8Array) {
    return Buffer.from(original.buffer, original.byteOffset, original.byteLength).toString('hex');
  }
  return value;
}
