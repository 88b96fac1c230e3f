import { UsageError } from '../errors/index.js';

/**
 * The text of an IPv4 address of 4 bytes or an IPv6 address of 16, as RFC 5952 writes it: the longest run of zeros, of two
 * at least, is left out.
 *
 * @throws {@link UsageError} for another number of bytes.
 *
 * @example
 * ```js
 * ipText(new Uint8Array([10, 0, 0, 1])); // '10.0.0.1'
 * ```
 */
export function ipText(octets: Uint8Array): string {
  if (octets.length === 4) return octets.join('.');
  if (octets.length !== 16) {
    throw UsageError.invalidValue('octets', `must be the 4 or 16 bytes of an address, not ${octets.length}`);
  }
  const words = Array.from({ length: 8 }, (_, index) => ((octets[index * 2] ?? 0) << 8) | (octets[index * 2 + 1] ?? 0));
  let start = 0;
  let longest = 1;
  for (let from = 0; from < words.length; from++) {
    let end = from;
    while (words[end] === 0) end++;
    if (end - from > longest) [start, longest] = [from, end - from];
  }
  const text = (some: readonly number[]): string => some.map((word) => word.toString(16)).join(':');
  if (longest === 1) return text(words);
  return `${text(words.slice(0, start))}::${text(words.slice(start + longest))}`;
}
