import { UsageError, quote } from '../errors/index.js';

import { ipText } from './ip-text.js';

/** What stands before an IPv4 address that is written as one of IPv6: `::ffff:10.0.0.1` (RFC 4291, 2.5.5.2). */
const mappedPrefix: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const mappedBits = mappedPrefix.length * 8;

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
  return address.includes(':') ? ipv6Octets(address) : ipv4Octets(address);
}

/** A network of IPv4 or IPv6 addresses: those whose first `prefixLength` bits are as in `octets`. */
export interface IpNetwork {
  /** 4 or 16 bytes, in the network's order. */
  readonly octets: readonly number[];
  /** 0 to 32 or 128. */
  readonly prefixLength: number;
}

/**
 * A network as it is written, `10.0.0.0/8` or `2001:db8::/32`; an address alone is a network of one. One of IPv4 that is written as IPv6
 * has them, `::ffff:10.0.0.0/104`, is given as one of IPv4, so that each has one form.
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
  const length = text.slice(slash + 1);
  const prefixLength = slash < 0 ? all : /^\d{1,3}$/u.test(length) ? Number(length) : NaN;
  if (!(prefixLength <= all)) {
    throw UsageError.invalidValue('network', `the length of ${quote(text)} is not a number up to /${all}`);
  }
  for (let index = prefixLength >> 3; index < octets.length; index++) {
    const behind = 0xff >> Math.max(0, prefixLength - index * 8);
    if (((octets[index] ?? 0) & behind) !== 0) {
      throw UsageError.invalidValue('network', `${quote(text)} has bits behind its length`);
    }
  }
  if (prefixLength < mappedBits || !isMapped(octets)) return { octets, prefixLength };
  return { octets: octets.slice(mappedPrefix.length), prefixLength: prefixLength - mappedBits };
}

/** An address of 4 or 16 bytes as text, one of IPv4 within IPv6 as one of IPv4. @internal */
export function readAddress(view: DataView, offset: number, length: number): string {
  const octets = new Uint8Array(view.buffer, view.byteOffset + offset, length);
  return ipText(isMapped(octets) ? octets.subarray(mappedPrefix.length) : octets);
}

/**
 * The bytes of an address that is given as text or as bytes; undefined when it is none, or has no room in `length` bytes. One of IPv4
 * has, in the 16 of one of IPv6: see {@link mapInto}. @internal
 */
export function addressBytes(address: unknown, length: number): Uint8Array | readonly unknown[] | undefined {
  const octets = typeof address === 'string' ? ipOctets(address) : address;
  if (!Array.isArray(octets) && !(octets instanceof Uint8Array)) return undefined;
  const list: Uint8Array | readonly unknown[] = octets;
  return list.length === length || (list.length === 4 && length === 16) ? list : undefined;
}

/** Writes what stands before an IPv4 address within IPv6; where the address is to be written. @internal */
export function mapInto(view: DataView, offset: number): number {
  for (let index = 0; index < mappedPrefix.length; index++) view.setUint8(offset + index, mappedPrefix[index] ?? 0);
  return offset + mappedPrefix.length;
}

function isMapped(octets: ArrayLike<number>): boolean {
  return octets.length === 16 && mappedPrefix.every((octet, index) => octets[index] === octet);
}

const zero = 0x30;
const point = 0x2e;

/** Four numbers up to 255 without leading zeros. One pass: lists of addresses are long. */
function ipv4Octets(text: string): number[] | undefined {
  const octets: number[] = [];
  let octet = -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === point) {
      if (octet < 0 || octets.length === 3) return undefined;
      octets.push(octet);
      octet = -1;
    } else {
      const digit = code - zero;
      if (digit < 0 || digit > 9 || octet === 0) return undefined;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return undefined;
    }
  }
  if (octet < 0 || octets.length !== 3) return undefined;
  octets.push(octet);
  return octets;
}

/** Eight words, of which `::` stands for one or more that are zero. */
function ipv6Octets(text: string): number[] | undefined {
  const [head, tail, more] = text.split('::');
  if (head === undefined || more !== undefined) return undefined;
  if (tail === undefined) {
    const octets = wordOctets(head, true);
    return octets?.length === 16 ? octets : undefined;
  }
  const before = wordOctets(head, false);
  const after = wordOctets(tail, true);
  if (before === undefined || after === undefined || before.length + after.length > 14) return undefined;
  return [...before, ...Array<number>(16 - before.length - after.length).fill(0), ...after];
}

/** The last of the words may be written as an IPv4 address: ::ffff:10.0.0.1. */
function wordOctets(text: string, isEnd: boolean): number[] | undefined {
  const octets: number[] = [];
  if (text === '') return octets;
  const words = text.split(':');
  for (const [index, word] of words.entries()) {
    if (/^[\da-f]{1,4}$/iu.test(word)) {
      const number = Number.parseInt(word, 16);
      octets.push(number >> 8, number & 0xff);
    } else {
      const ipv4 = isEnd && index === words.length - 1 ? ipv4Octets(word) : undefined;
      if (ipv4 === undefined) return undefined;
      octets.push(...ipv4);
    }
  }
  return octets;
}
