import { isIPv6 } from 'node:net';

import fc from 'fast-check';

import { ipText } from '../../../lib/codec/index.js';
import { UsageError } from '../../../lib/errors/index.js';

test.each([[[0, 0, 0, 0]], [[10, 0, 0, 1]], [[255, 255, 255, 255]]])('an IPv4 address of the bytes %j', (octets) => {
  expect(ipText(Uint8Array.from(octets))).toBe(octets.join('.'));
});

/** The bytes of eight words, the most significant first. */
function bytes(...words: number[]): Uint8Array {
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

// RFC 5952, 4.1 to 4.3, and 4.2.3 for which of several runs is left out.
test.each([
  ['::', bytes(0, 0, 0, 0, 0, 0, 0, 0)],
  ['::1', bytes(0, 0, 0, 0, 0, 0, 0, 1)],
  ['1::', bytes(1, 0, 0, 0, 0, 0, 0, 0)],
  ['fe80::a00:27ff:fe4e:66a1', bytes(0xfe80, 0, 0, 0, 0x0a00, 0x27ff, 0xfe4e, 0x66a1)],
  ['2001:db8::1', bytes(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)],
  ['2001:db8:1:2:3:4:5:abcd', bytes(0x2001, 0xdb8, 1, 2, 3, 4, 5, 0xabcd)],
  ['2001:db8:0:1:1:1:1:1', bytes(0x2001, 0xdb8, 0, 1, 1, 1, 1, 1)],
  ['2001:0:0:1::1', bytes(0x2001, 0, 0, 1, 0, 0, 0, 1)],
  ['2001:db8::1:0:0:1', bytes(0x2001, 0xdb8, 0, 0, 1, 0, 0, 1)],
  ['0:1:2:3:4:5:6:0', bytes(0, 1, 2, 3, 4, 5, 6, 0)],
  ['::ffff:a00:1', bytes(0, 0, 0, 0, 0, 0xffff, 0x0a00, 1)],
])('an IPv6 address is written as %s', (text, octets) => {
  expect(ipText(octets)).toBe(text);
});

test.each([0, 3, 5, 15, 17])('%d bytes are no address', (length) => {
  expect(() => ipText(new Uint8Array(length))).toThrow(
    UsageError.invalidValue('octets', `must be the 4 or 16 bytes of an address, not ${length}`),
  );
});

test('what is written is an address, whichever it is', () => {
  const word = fc.oneof(fc.constant(0), fc.nat(0xffff));
  fc.assert(
    fc.property(fc.array(word, { minLength: 8, maxLength: 8 }), (words) => {
      expect(isIPv6(ipText(bytes(...words)))).toBe(true);
    }),
  );
});
