import { isIP } from 'node:net';

import { UsageError } from '../errors/index.js';

/**
 * The 4 or 16 bytes of an IPv4 or IPv6 address, in the network's order; undefined for other text, also for an address with
 * a zone (`fe80::1%eth0`).
 *
 * @example
 * ```js
 * const address = ipOctets('10.0.0.1'); // [10, 0, 0, 1]
 * ```
 */
export function ipOctets(address: string): number[] | undefined {
  const family = address.includes('%') ? 0 : isIP(address);
  if (family === 0) return undefined;
  return family === 4 ? address.split('.').map(Number) : ipv6Octets(address);
}

function ipv6Octets(address: string): number[] {
  const words = (part: string): number[] =>
    part
      .split(':')
      .filter((word) => word !== '')
      .flatMap(wordsOf);
  const [before = '', after] = address.split('::');
  const head = words(before);
  const tail = after === undefined ? [] : words(after);
  const all = [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
  return all.flatMap((word) => [word >> 8, word & 0xff]);
}

/** The end of an address may be written as an IPv4 address: ::ffff:10.0.0.1. */
function wordsOf(word: string): number[] {
  if (!word.includes('.')) return [Number.parseInt(word, 16)];
  const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

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
