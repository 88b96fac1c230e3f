// A file of the cache: five numbers, the path of the source, and what V8 made of it, from a multiple of 8 on, which V8 would
// copy from elsewhere.
import { wholeSeconds } from './cache-folder.js';

/** What is known of a source without reading it. */
export interface SourceStats {
  readonly size: number;
  readonly mtimeMs: number;
}

const FORMAT = 0x6e65_6363_0001;
const HEADER_BYTES = 40;

/**
 * Before and after a source, the function that Node makes of a file. A source begins behind it on the first line, where it has
 * `'use strict'` alone.
 */
export const functionStart = '(function (exports, require, module, __filename, __dirname) { ';
export const functionEnd = '\n})';

export function cacheFileName(part: string): string {
  return `${part}.cache`;
}

/** The time that a file of the cache is given, in seconds: before its source was written, so that whoever writes to it changes it. */
export function sealOf(source: SourceStats): number {
  return wholeSeconds(source.mtimeMs) - 1;
}

export function encodeCachedCode(path: string, source: SourceStats, code: Uint8Array): Uint8Array {
  const name = Buffer.from(path);
  const start = (HEADER_BYTES + name.length + 7) & -8;
  const bytes = new Uint8Array(start + code.length);
  const numbers = [FORMAT, source.size, wholeSeconds(source.mtimeMs), name.length, code.length];
  new Float64Array(bytes.buffer, 0, numbers.length).set(numbers);
  bytes.set(name, HEADER_BYTES);
  bytes.set(code, start);
  return bytes;
}

/**
 * The code, where `bytes` are whole and of this source at this place: traces name the place that the code was made at. V8 looks
 * at the length of the source and at nothing of the code.
 */
export function decodeCachedCode(bytes: Buffer, path: string, source: SourceStats): Uint8Array | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const [format, size, seconds, nameLength = 0, length = 0] = new Float64Array(bytes.buffer, bytes.byteOffset, 5);
  const start = (HEADER_BYTES + nameLength + 7) & -8;
  if (format !== FORMAT || bytes.length !== start + length) return undefined;
  if (size !== source.size || seconds !== wholeSeconds(source.mtimeMs)) return undefined;
  if (bytes.toString('utf8', HEADER_BYTES, HEADER_BYTES + nameLength) !== path) return undefined;
  return bytes.subarray(start);
}
