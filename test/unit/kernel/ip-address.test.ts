import { UsageError } from '../../../lib/errors/index.js';
import { ipNetwork, ipOctets } from '../../../lib/kernel/index.js';

test.each([
  ['10.1.0.0/16', [10, 1, 0, 0], 16],
  ['10.1.2.3', [10, 1, 2, 3], 32],
  ['0.0.0.0/0', [0, 0, 0, 0], 0],
  ['::1', [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 128],
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
