import fc from 'fast-check';

import type { IntegerLayout, Layout, MemberLayout } from '../../../lib/codec/index.js';
import { bothWays, built, encoded, fromHex, toHex, viewOf } from './support.js';

/** Reads bit by bit, as BTF counts them: from the lowest of the first byte, or from the highest when big-endian. */
function naiveBits(bytes: Uint8Array, offset: number, size: number, signed: boolean, littleEndian: boolean): bigint {
  let value = 0n;
  for (let index = 0; index < size; index++) {
    const bit = littleEndian ? offset + size - 1 - index : offset + index;
    const byte = bytes[bit >> 3] ?? 0;
    const one = littleEndian ? (byte >> (bit & 7)) & 1 : (byte >> (7 - (bit & 7))) & 1;
    value = (value << 1n) | BigInt(one);
  }
  return signed ? BigInt.asIntN(size, value) : value;
}

function integer(size: 1 | 2 | 4 | 8, signed: boolean): IntegerLayout {
  return {
    kind: 'integer',
    typeName: `${signed ? 's' : 'u'}${size * 8}`,
    size,
    alignment: size,
    signed,
    byteOrder: 'host',
    wide: 'bigint',
  };
}

test('every width at every bit agrees with reading bit by bit, in both byte orders', () => {
  const bytes = fromHex('9ac47e15d3680fb2a6');
  for (const littleEndian of [true, false]) {
    for (let size = 1; size <= 64; size++) {
      const signed = size % 2 === 0;
      const members: MemberLayout[] = [];
      for (let offset = 0; offset + size <= 72 && offset < 16; offset++) {
        const bits = { offset, size };
        members.push({ name: `b${offset}`, offset: offset >> 3, layout: integer(8, signed), bits });
      }
      const layout: Layout = { kind: 'union', typeName: 'union bits', size: 9, alignment: 1, members };
      const expected = Object.fromEntries(
        members.map(({ name, bits }) => {
          const value = naiveBits(bytes, bits?.offset ?? 0, size, signed, littleEndian);
          return [name, size <= 53 ? Number(value) : value];
        }),
      );
      for (const { codec } of bothWays(layout, littleEndian)) {
        expect(codec.decode(viewOf(bytes), 0)).toEqual(expected);
      }
    }
  }
});

const widths = fc.array(fc.tuple(fc.integer({ min: 1, max: 64 }), fc.boolean()), { minLength: 1, maxLength: 12 });

test('any row of bit-fields can be written back and keeps its neighbours', () => {
  fc.assert(
    fc.property(
      widths,
      fc.boolean(),
      fc.infiniteStream(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })),
      (row, little, random) => {
        const members: MemberLayout[] = [];
        const value: Record<string, number | bigint> = {};
        let offset = 0;
        for (const [index, [size, signed]] of row.entries()) {
          const layout = integer(8, signed);
          members.push({ name: `f${index}`, offset: offset >> 3, layout, bits: { offset, size } });
          const bits = random.next().value as bigint;
          const wide = signed ? BigInt.asIntN(size, bits) : BigInt.asUintN(size, bits);
          value[`f${index}`] = size <= 53 ? Number(wide) : wide;
          offset += size;
        }
        const size = Math.ceil(offset / 8);
        const layout: Layout = { kind: 'struct', typeName: 'struct row', size, alignment: 1, members };
        const [generated, interpreted] = bothWays(layout, little).map(({ codec }) => {
          const bytes = encoded(codec, value);
          expect(codec.decode(viewOf(bytes), 0)).toEqual(value);
          return toHex(bytes);
        });
        expect(generated).toBe(interpreted);
      },
    ),
    { numRuns: 200 },
  );
});

test('what clang makes of C bit-fields', () => {
  // struct { __u32 low : 3; __s32 middle : 5; __u32 high : 24; bool flag : 1; enum colour c : 2; } as on x86-64
  const make = (littleEndian: boolean) =>
    built(
      (t) => {
        const colour = t.builder.addEnum('colour', { values: [{ name: 'GREEN', value: 2 }] });
        return t.struct('flags', 8, [
          ['low', t.u32, 0, 3],
          ['middle', t.s32, 3, 5],
          ['high', t.u32, 8, 24],
          ['flag', t.bool, 32, 1],
          ['c', colour, 33, 2],
          ['', t.u32, 35, 5],
        ]);
      },
      { littleEndian, enums: 'name' },
    ).codec;
  const value = { low: 5, middle: -7, high: 0xabcdef, flag: true, c: 'GREEN' };
  for (const { codec } of bothWays(make(true).layout, true)) {
    expect(toHex(encoded(codec, value))).toBe('cdefcdab05000000');
    expect(codec.decode(viewOf(fromHex('cdefcdabfd000000')), 0)).toEqual(value);
  }
  for (const { codec } of bothWays(make(false).layout, false)) {
    expect(toHex(encoded(codec, value))).toBe('b9abcdefc0000000');
    expect(codec.decode(viewOf(fromHex('b9abcdefc0000000')), 0)).toEqual(value);
  }
});

test('bit-fields of more than 53 bits follow int64', () => {
  for (const [int64, value] of [
    ['bigint', 2n ** 60n - 1n],
    ['string', String(2n ** 60n - 1n)],
  ] as const) {
    const { codec } = built((t) => t.struct('wide', 8, [['bits', t.u64, 2, 60]]), { int64 });
    for (const way of bothWays(codec.layout)) {
      expect(toHex(encoded(way.codec, { bits: value }))).toBe('fcffffffffffff3f');
      expect(way.codec.decode(viewOf(fromHex('fcffffffffffff3f')), 0)).toEqual({ bits: value });
    }
  }
  const { codec } = built((t) => t.struct('wide', 8, [['bits', t.u64, 2, 60]]), { int64: 'number' });
  for (const way of bothWays(codec.layout)) {
    expect(() => way.codec.decode(viewOf(fromHex('fcffffffffffff3f')), 0)).toThrow(
      "value.bits: 1152921504606846975 cannot be a number without rounding; decode it as 'bigint' or 'string'",
    );
  }
});

test('bit-fields as compilers before 2018 wrote them: the width is in the INT', () => {
  const { codec } = built((t) => {
    const three = t.builder.addInt('unsigned int', { size: 4, bits: 3 });
    const five = t.builder.addInt('unsigned int', { size: 4, bits: 5, bitOffset: 3 });
    return t.struct('old', 4, [
      ['low', three, 0],
      ['high', five, 0],
    ]);
  });
  for (const way of bothWays(codec.layout)) {
    expect(way.codec.decode(viewOf(fromHex('cd000000')), 0)).toEqual({ low: 5, high: 25 });
    expect(toHex(encoded(way.codec, { low: 5, high: 25 }))).toBe('cd000000');
  }
});
