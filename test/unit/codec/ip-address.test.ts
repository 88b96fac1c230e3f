import { isIP } from 'node:net';

import fc from 'fast-check';

import { UsageError } from '../../../lib/errors/index.js';
import { ipNetwork, ipOctets } from '../../../lib/codec/index.js';

test.each([
  ['10.1.0.0/16', [10, 1, 0, 0], 16],
  ['10.1.2.3', [10, 1, 2, 3], 32],
  ['0.0.0.0/0', [0, 0, 0, 0], 0],
  ['::1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128],
  ['::ffff:10.1.2.3', [10, 1, 2, 3], 32],
  ['::ffff:a00:0/104', [10, 0, 0, 0], 8],
  ['::ffff:0:0/96', [0, 0, 0, 0], 0],
  ['::fffe:0:0/95', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0, 0], 95],
  ['2001:db8::/33', [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 33],
])('%s', (text, octets, prefixLength) => {
  expect(ipNetwork(text)).toEqual({ octets, prefixLength });
});

test.each([
  ['', '"" is no IPv4 or IPv6 address'],
  ['10.0.0.300/8', '"10.0.0.300" is no IPv4 or IPv6 address'],
  ['fe80::1%eth0', 'is no IPv4 or IPv6 address'],
  ['10.0.0.0/33', 'the length of "10.0.0.0/33" is not a number up to /32'],
  ['fd00::/129', 'is not a number up to /128'],
  ['10.0.0.0/', 'is not a number up to /32'],
  ['10.0.0.0/8/8', 'is not a number up to /32'],
  ['10.0.0.0/-1', 'is not a number up to /32'],
  ['10.0.0.1/8', '"10.0.0.1/8" has bits behind its length'],
  ['2001:db8::1/127', 'has bits behind its length'],
  ['128.0.0.0/0', 'has bits behind its length'],
  ['10.64.0.0/9', 'has bits behind its length'],
  ['10.0.128.0/16', 'has bits behind its length'],
])('%j is refused', (text, problem) => {
  const run = (): unknown => ipNetwork(text);
  expect(run).toThrow(UsageError);
  expect(run).toThrow(problem);
});

test.each([
  ['255.0.0.19', [255, 0, 0, 19]],
  ['::', Array<number>(16).fill(0)],
  ['FE80::a', [0xfe, 0x80, ...Array<number>(13).fill(0), 10]],
  ['1:2:3:4:5:6:7:8', [0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8]],
  ['::ffff:10.1.2.3', [...Array<number>(10).fill(0), 255, 255, 10, 1, 2, 3]],
])('the bytes of %s', (text, octets) => {
  expect(ipOctets(text)).toEqual(octets);
});

test.each(['', 'localhost', '10.0.0', '10.0.0.256', '10.0.0.1 ', '1::2::3', '12345::', '10.0.0.0/8', 'fe80::1%eth0'])(
  '%j is no address',
  (text) => {
    expect(ipOctets(text)).toBeUndefined();
  },
);

test('what Node takes for an address is one, and nothing else is', () => {
  const word = fc.constantFrom(
    '',
    '0',
    '1',
    '00',
    '255',
    '256',
    'ffff',
    'Ab',
    '12345',
    'g',
    '10.0.0.1',
    '1.2.3',
    '01.2.3.4',
    '::',
  );
  const text = fc.oneof(
    fc.array(word, { maxLength: 9 }).map((words) => words.join(':')),
    fc.array(word, { maxLength: 5 }).map((words) => words.join('.')),
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom('0', '1', 'f', ':', '.', '/', ' '), maxLength: 12 }),
  );
  fc.assert(
    fc.property(text, (address) => {
      const family = isIP(address);
      expect(ipOctets(address)?.length).toBe(family === 0 ? undefined : family === 4 ? 4 : 16);
    }),
    { numRuns: 3000 },
  );
});
