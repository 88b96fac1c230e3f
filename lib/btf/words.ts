import { hostIsLittleEndian } from '../binary/index.js';

/**
 * Bytes as 32-bit words in this machine's byte order, a rest of 1 to 3 bytes cut off. A view when the bytes are in that
 * order and aligned, as kernel BTF and nearly all objects are; else a swapped copy, so that no reader needs two ways.
 */
export function wordsOf(bytes: Uint8Array, littleEndian: boolean): Uint32Array {
  const count = bytes.byteLength >>> 2;
  if (littleEndian === hostIsLittleEndian && bytes.byteOffset % 4 === 0) {
    return new Uint32Array(bytes.buffer, bytes.byteOffset, count);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, count * 4);
  const words = new Uint32Array(count);
  for (let index = 0; index < count; index++) words[index] = view.getUint32(index * 4, littleEndian);
  return words;
}
