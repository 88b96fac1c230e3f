import { isIP } from 'node:net';

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
