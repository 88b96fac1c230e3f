import { isIP } from 'node:net';

import { UsageError, quote } from '../errors/index.js';

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
  return family === 4 ? ipv4Octets(address) : ipv6Octets(address);
}

/** Digits and points, as is known of it. */
function ipv4Octets(address: string): number[] {
  const octets = [0, 0, 0, 0];
  let index = 0;
  for (let at = 0; at < address.length; at++) {
    const digit = address.charCodeAt(at) - 0x30;
    if (digit < 0) index++;
    else octets[index] = (octets[index] ?? 0) * 10 + digit;
  }
  return octets;
}

/** A network of IPv4 or IPv6 addresses: those whose first `prefixLength` bits are as in `octets`. */
export interface IpNetwork {
  /** 4 or 16 bytes, in the network's order. */
  readonly octets: readonly number[];
  /** 0 to 32 or 128. */
  readonly prefixLength: number;
}

/**
 * A network as it is written, `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one.
 *
 * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` for text that is no address, a length beyond the address, and for bits that
 * are set behind the length: `10.0.0.1/8`.
 *
 * @example
 * ```js
 * const { octets, prefixLength } = ipNetwork('10.1.0.0/16'); // [10, 1, 0, 0] and 16
 * ```
 */
export function ipNetwork(text: string): IpNetwork {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const octets = ipOctets(address);
  if (octets === undefined) throw UsageError.invalidValue('network', `${quote(address)} is no IPv4 or IPv6 address`);
  const all = octets.length * 8;
  const prefixLength = slash < 0 ? all : Number(/^\d{1,3}$/u.exec(text.slice(slash + 1)) ?? NaN);
  if (!(prefixLength <= all)) {
    throw UsageError.invalidValue('network', `the length of ${quote(text)} is not a number up to /${all}`);
  }
  for (let bit = prefixLength; bit < all; bit++) {
    const isSet = ((octets[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
    if (isSet === 1) throw UsageError.invalidValue('network', `${quote(text)} has bits behind its length`);
  }
  return { octets, prefixLength };
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
