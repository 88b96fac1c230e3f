// Values that have a text of their own: names of numbers, and IP addresses.
import {
  array,
  bytes,
  checkLayout,
  cstr,
  enumeration,
  ipAddress,
  struct,
  u16,
  u32,
  u64,
  u8,
} from '../../../lib/codec/index.js';
import { bothWays, built, caught, encoded, fromHex, toHex, viewOf } from './support.js';

const Action = enumeration(u8, ['allow', 'deny']);
const Family = enumeration(u16, { inet: 2, inet6: 10 });

describe('enumeration', () => {
  test('names count from 0, or have the numbers that are given', () => {
    const Event = struct('event', { action: Action, family: Family });
    for (const { codec } of bothWays(Event.layout)) {
      expect(toHex(encoded(codec, { action: 'deny', family: 'inet6' }))).toBe('01000a00');
      expect(codec.decode(viewOf(fromHex('00000200')), 0)).toEqual({ action: 'allow', family: 'inet' });
    }
  });

  test('a number without a name stays one, both ways', () => {
    for (const { codec } of bothWays(Action.layout)) {
      expect(codec.decode(viewOf(Uint8Array.of(7)), 0)).toBe(7);
      expect(encoded(codec, 7)).toEqual(Uint8Array.of(7));
      expect(encoded(codec, 1)).toEqual(Uint8Array.of(1));
    }
  });

  test('what is no name of it is refused, with the nearest', () => {
    for (const { codec } of bothWays(Action.layout)) {
      expect(() => encoded(codec, 'dney')).toThrow('enumeration(u8) has no value named "dney"; did you mean "deny"?');
      expect(() => encoded(codec, 256)).toThrow('expected an integer from 0 to 255 (u8), got 256');
    }
  });

  test('a declaration that cannot be is refused', () => {
    expect(() => enumeration(u64 as never, ['a'])).toThrow('expected an integer of up to 32 bits, got u64');
    expect(() => enumeration(cstr(4) as never, ['a'])).toThrow('expected an integer of up to 32 bits, got cstr(4)');
    expect(() => enumeration(u8, { a: 256 })).toThrow('enumeration "a": expected an integer from 0 to 255');
    expect(() => enumeration(u8, { a: 1, b: 1 })).toThrow('"b" is "a" already');
    expect(() => enumeration(u8, ['a', 'a'])).toThrow('"a" is "a" already');
  });

  test('fits the integers and enums of its size', () => {
    const { btf, id } = built((t) =>
      t.struct('event', 8, [
        ['action', t.u8, 0],
        ['family', t.u16, 2],
        ['state', t.builder.addEnum('state', { size: 4, values: [{ name: 'IDLE', value: 0 }] }), 4],
      ]),
    );
    checkLayout(struct('event', { action: Action, family: Family, state: enumeration(u32, ['idle']) }), btf, id);
    const wider = struct('event', { action: enumeration(u16, ['allow']), family: Family, state: u32 });
    expect(caught(() => checkLayout(wider, btf, id))).toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE' });
  });
});

describe('ipAddress', () => {
  test.each([
    [4, '10.0.0.1', '0a000001'],
    [16, '2001:db8::1', '20010db8000000000000000000000001'],
    [16, '10.0.0.1', '00000000000000000000ffff0a000001'],
    [16, '::', '00000000000000000000000000000000'],
  ] as const)('of %d bytes is text: %s', (length, text, hex) => {
    for (const { codec } of bothWays(ipAddress(length).layout)) {
      expect(toHex(encoded(codec, text))).toBe(hex);
      expect(codec.decode(viewOf(fromHex(hex)), 0)).toBe(text);
    }
  });

  test('takes bytes too, those of IPv4 within IPv6 as well', () => {
    for (const { codec } of bothWays(ipAddress(16).layout)) {
      for (const address of [[10, 0, 0, 1], Uint8Array.of(10, 0, 0, 1), '::ffff:a00:1']) {
        expect(codec.decode(viewOf(encoded(codec, address)), 0)).toBe('10.0.0.1');
      }
      expect(codec.decode(viewOf(encoded(codec, Array<number>(16).fill(0))), 0)).toBe('::');
    }
  });

  test.each([
    [4, '2001:db8::1', `expected an IPv4 address such as '10.0.0.1', got "2001:db8::1"`],
    [4, Array<number>(16).fill(0), "expected an IPv4 address such as '10.0.0.1', got an array of 16"],
    [16, 'localhost', `expected an address such as '2001:db8::1' or '10.0.0.1', got "localhost"`],
    [16, [1, 2, 3], 'got an array of 3'],
    [16, 7, 'got 7'],
    [16, undefined, 'missing, expected an address'],
    [16, [10, 0, 0, 256], 'expected an integer from 0 to 255 (byte), got 256'],
  ] as const)('of %d bytes refuses %j', (length, value, message) => {
    const { layout } = struct('flow', { first: u8, address: ipAddress(length) });
    for (const { codec } of bothWays(layout)) {
      expect(() => encoded(codec, { first: 0, address: value })).toThrow(`value.address`);
      expect(() => encoded(codec, { first: 0, address: value })).toThrow(message);
    }
  });

  test('lies as C has it, and fits what has its bytes', () => {
    const Flow = struct('flow', { port: u16, four: ipAddress(4), six: ipAddress(16) });
    const { btf, id } = built((t) =>
      t.struct('flow', 24, [
        ['port', t.u16, 0],
        ['four', t.typedef('__be32', t.u32), 4],
        ['six', t.struct('in6_addr', 16, [['bytes', t.array(t.u8, 16), 0]]), 8],
      ]),
    );
    checkLayout(Flow, btf, id);
    expect(array(ipAddress(4), 2).size).toBe(8);
    expect(() => ipAddress(6 as 4)).toThrow('expected 4 or 16 bytes, got 6');
    expect(bytes(4).layout).not.toHaveProperty('as');
  });
});
