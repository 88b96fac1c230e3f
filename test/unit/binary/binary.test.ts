import fc from 'fast-check';

import { ByteReader, ByteWriter } from '../../../lib/binary/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';

const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 0x88, 9);
const little = new ByteReader(bytes, { littleEndian: true, object: 'a.o', section: '.x' });
const big = new ByteReader(bytes, { littleEndian: false, object: 'a.o' });

test('numbers of every width in both byte orders', () => {
  expect([little.u8(0), little.u16(0), little.u32(0), little.i32(4)]).toEqual([1, 0x0201, 0x04030201, -2012805627]);
  expect([big.u16(0), big.u32(0), big.i32(4)]).toEqual([0x0102, 0x01020304, 0x05060788]);
  expect([little.u64(0), little.i64(0), big.u64(0)]).toEqual([
    0x8807060504030201n,
    0x8807060504030201n - (1n << 64n),
    0x0102030405060788n,
  ]);
});

test('a 64-bit size that no file can have is malformed', () => {
  expect(() => little.u64AsNumber(0)).toThrow('a.o, section .x, offset 0: the value 0x8807060504030201 is too large');
  const small = new ByteReader(Uint8Array.of(5, 0, 0, 0, 0, 0, 0, 0), { littleEndian: true, object: 'a.o' });
  expect(small.u64AsNumber(0)).toBe(5);
});

test.each([
  ['u8', 9],
  ['u16', 8],
  ['u32', 6],
  ['u64', 2],
  ['u32', -1],
  ['u32', Number.NaN],
  ['u64', Number.MAX_SAFE_INTEGER],
] as const)('%s at %d is refused with its place', (method, offset) => {
  expect(() => little[method](offset)).toThrow(ObjectFormatError);
});

test('a slice is a view; one that leaves the data is refused', () => {
  expect(little.slice(2, 3)).toEqual(Uint8Array.of(3, 4, 5));
  expect(little.slice(9, 0)).toHaveLength(0);
  expect(little.slice(0, 2).buffer).toBe(bytes.buffer);
  expect(() => little.slice(8, 2)).toThrow(/2 bytes are needed here, the data ends at 9/);
  expect(() => little.slice(0, -1)).toThrow(ObjectFormatError);
});

test('strings end at their NUL, which must be there', () => {
  const text = new ByteReader(new TextEncoder().encode('ab\0cdé\0x'), { littleEndian: true, object: 'a.o' });
  expect([text.string(0), text.string(1), text.string(2), text.string(3)]).toEqual(['ab', 'b', '', 'cdé']);
  expect(() => text.string(8)).toThrow('a string has no terminating NUL');
  expect(() => text.string(3, 5)).toThrow('a string has no terminating NUL');
  expect(() => text.string(20)).toThrow('a string lies outside the data');
});

test('what is written is read back', () => {
  const values = fc.record({
    littleEndian: fc.boolean(),
    a: fc.integer({ min: 0, max: 0xff }),
    b: fc.integer({ min: 0, max: 0xffff }),
    c: fc.integer({ min: 0, max: 0xffff_ffff }),
    d: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
    e: fc.uint8Array({ maxLength: 600 }),
  });
  fc.assert(
    fc.property(values, ({ littleEndian, a, b, c, d, e }) => {
      const writer = new ByteWriter({ littleEndian, capacity: 1 });
      writer.u8(a).u16(b).align(4).u32(0).u64(d).append(e).align(8).setU32(4, c);
      const reader = new ByteReader(writer.toBytes(), { littleEndian, object: 'x' });
      expect(reader.length).toBe(writer.length);
      expect(reader.length % 8).toBe(0);
      expect([reader.u8(0), reader.u16(1), reader.u32(4), reader.u64(8)]).toEqual([a, b, c, d]);
      expect(reader.slice(16, e.length)).toEqual(e);
    }),
  );
});

test('only what was written can be overwritten', () => {
  const writer = new ByteWriter({ littleEndian: true }).u16(1);
  expect(() => writer.setU32(0, 1)).toThrow(RangeError);
  expect(() => writer.setU32(-1, 1)).toThrow(RangeError);
  expect(() => writer.setU16(1, 1)).toThrow('offset 1 was not written yet');
  expect(() => writer.setU16(-1, 1)).toThrow(RangeError);
  expect([...writer.setU16(0, 0x1234).toBytes()]).toEqual([0x34, 0x12]);
  expect([...writer.align(2).toBytes()]).toEqual([0x34, 0x12]);
  expect([...new ByteWriter({ littleEndian: false }).u32(0).setU16(2, 0x1234).setU32(0, 0xabcd).toBytes()]).toEqual([
    0, 0, 0xab, 0xcd,
  ]);
});
