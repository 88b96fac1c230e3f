import { struct, be16, u8 } from '../../../lib/codec/index.js';
import { ipv4Prefix, ipv6Prefix, lpmKey } from '../../../lib/maps/index.js';
import type { EntryCodec } from '../../../lib/codec/index.js';

function encoded<Input>(codec: EntryCodec<unknown, Input>, key: Input): { bytes: Uint8Array; decoded: unknown } {
  const bytes = new Uint8Array(codec.size);
  const view = new DataView(bytes.buffer);
  codec.encode(key, view, 0, 'key');
  return { bytes, decoded: codec.decode(view, 0) };
}

const prefix = (length: number): number[] => [...new Uint8Array(Uint32Array.of(length).buffer)];

test.each([
  ['10.0.0.0/8', '10.0.0.0/8', 8, [10, 0, 0, 0]],
  ['192.168.1.1', '192.168.1.1/32', 32, [192, 168, 1, 1]],
  ['0.0.0.0/0', '0.0.0.0/0', 0, [0, 0, 0, 0]],
  ['255.255.255.255/31', '255.255.255.255/31', 31, [255, 255, 255, 255]],
])('IPv4: %s', (text, canonical, length, octets) => {
  expect(encoded(ipv4Prefix, text)).toEqual({
    bytes: Uint8Array.from([...prefix(length), ...octets]),
    decoded: canonical,
  });
  const data = Uint8Array.from(octets);
  expect(encoded(lpmKey(4), text).decoded).toEqual({ prefixLength: length, data });
});

const words = (...list: number[]): number[] => list.flatMap((word) => [word >> 8, word & 0xff]);

test.each([
  ['::/0', '::/0', 0, words(0, 0, 0, 0, 0, 0, 0, 0)],
  ['::1', '::1/128', 128, words(0, 0, 0, 0, 0, 0, 0, 1)],
  ['2001:DB8::/32', '2001:db8::/32', 32, words(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)],
  ['1:0:0:2:0:0:0:3/128', '1:0:0:2::3/128', 128, words(1, 0, 0, 2, 0, 0, 0, 3)],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8/128', 128, words(1, 2, 3, 4, 5, 6, 7, 8)],
  ['1:0:3:4:5:6:7:8', '1:0:3:4:5:6:7:8/128', 128, words(1, 0, 3, 4, 5, 6, 7, 8)],
  ['1:2:3:4:5:6::', '1:2:3:4:5:6::/128', 128, words(1, 2, 3, 4, 5, 6, 0, 0)],
  ['::ffff:10.0.0.1/96', '::ffff:a00:1/96', 96, words(0, 0, 0, 0, 0, 0xffff, 0x0a00, 1)],
])('IPv6: %s', (text, canonical, length, octets) => {
  expect(encoded(ipv6Prefix, text)).toEqual({
    bytes: Uint8Array.from([...prefix(length), ...octets]),
    decoded: canonical,
  });
});

test('data of a type of their own', () => {
  const Place = struct('place', { vlan: be16, class: u8, zero: u8 });
  const key = { prefixLength: 24, data: { vlan: 0x102, class: 3, zero: 0 } };
  expect(encoded(lpmKey(Place), key)).toEqual({ bytes: Uint8Array.from([...prefix(24), 1, 2, 3, 0]), decoded: key });
  // It has four bytes, but no address.
  expect(() => encoded(lpmKey(Place), '10.0.0.0/8' as never)).toThrow('4 bytes of data are no address');
});

test.each([
  '10.0.0.0/33',
  '10.0.0.0/-1',
  '10.0.0',
  '10.0.0.0/',
  '1.2.3.4/08000',
  '::1',
  ' 10.0.0.0',
  '10.0.0.0/8 ',
  '\0',
])('no IPv4 network: %j', (text) => {
  expect(() => encoded(ipv4Prefix, text)).toThrow(
    expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'key' }) as Error,
  );
});

test.each(['::/129', 'fe80::1%eth0', '1::2::3', '10.0.0.0/8', '12345::', ':::'])('no IPv6 network: %j', (text) => {
  expect(() => encoded(ipv6Prefix, text)).toThrow(
    expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'key' }) as Error,
  );
});
