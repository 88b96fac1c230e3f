import type { BtfCodecOptions, Layout } from '../../../lib/codec/index.js';
import { bothWays, built, encoded, fromHex, toHex, viewOf, type Types } from './support.js';

interface Case {
  readonly member: string;
  readonly type: (types: Types) => number;
  /** The bytes on a little-endian and on a big-endian machine. */
  readonly little: string;
  readonly big: string;
  readonly value: unknown;
  readonly options?: BtfCodecOptions;
}

const colours = [
  { name: 'RED', value: 0 },
  { name: 'GREEN', value: 5 },
  { name: 'ALSO_GREEN', value: 5 },
  { name: 'BLUE', value: -3 },
];

const cases: Case[] = [
  { member: 'u8', type: (t) => t.u8, little: 'fe', big: 'fe', value: 254 },
  { member: 's8', type: (t) => t.s8, little: 'fe', big: 'fe', value: -2 },
  { member: 'char', type: (t) => t.char, little: '41', big: '41', value: 65 },
  { member: 'u16', type: (t) => t.u16, little: 'fecd', big: 'cdfe', value: 0xcdfe },
  { member: 's16', type: (t) => t.s16, little: 'feff', big: 'fffe', value: -2 },
  { member: 'u32', type: (t) => t.u32, little: '00000080', big: '80000000', value: 2 ** 31 },
  { member: 's32', type: (t) => t.s32, little: 'feffffff', big: 'fffffffe', value: -2 },
  { member: 'u64', type: (t) => t.u64, little: 'feffffffffffffff', big: 'fffffffffffffffe', value: 2n ** 64n - 2n },
  { member: 's64', type: (t) => t.s64, little: 'feffffffffffffff', big: 'fffffffffffffffe', value: -2n },
  {
    member: 'u64 as number',
    type: (t) => t.u64,
    little: 'ffffffffffff1f00',
    big: '001fffffffffffff',
    value: Number.MAX_SAFE_INTEGER,
    options: { int64: 'number' },
  },
  {
    member: 's64 as number',
    type: (t) => t.s64,
    little: '010000000000e0ff',
    big: 'ffe0000000000001',
    value: Number.MIN_SAFE_INTEGER,
    options: { int64: 'number' },
  },
  {
    member: 'u64 as string',
    type: (t) => t.u64,
    little: 'feffffffffffffff',
    big: 'fffffffffffffffe',
    value: '18446744073709551614',
    options: { int64: 'string' },
  },
  {
    member: 's64 as string',
    type: (t) => t.s64,
    little: 'feffffffffffffff',
    big: 'fffffffffffffffe',
    value: '-2',
    options: { int64: 'string' },
  },
  {
    member: 'u128',
    type: (t) => t.u128,
    little: '0100000000000000 0000000000000080',
    big: '8000000000000000 0000000000000001',
    value: 2n ** 127n + 1n,
  },
  {
    member: 's128',
    type: (t) => t.s128,
    little: 'feffffffffffffff ffffffffffffffff',
    big: 'ffffffffffffffff fffffffffffffffe',
    value: -2n,
  },
  {
    member: 's128 as number',
    type: (t) => t.s128,
    little: 'feffffffffffffff ffffffffffffffff',
    big: 'ffffffffffffffff fffffffffffffffe',
    value: -2,
    options: { int64: 'number' },
  },
  {
    member: 's128 as string',
    type: (t) => t.s128,
    little: 'feffffffffffffff ffffffffffffffff',
    big: 'ffffffffffffffff fffffffffffffffe',
    value: '-2',
    options: { int64: 'string' },
  },
  { member: 'bool', type: (t) => t.bool, little: '01', big: '01', value: true },
  { member: 'bool, false', type: (t) => t.bool, little: '00', big: '00', value: false },
  {
    member: 'bool of 2 bytes',
    type: (t) => t.builder.addInt('bool16', { size: 2, bool: true }),
    little: '0100',
    big: '0001',
    value: true,
  },
  {
    member: 'bool of 4 bytes',
    type: (t) => t.builder.addInt('bool32', { size: 4, bool: true }),
    little: '01000000',
    big: '00000001',
    value: true,
  },
  {
    member: 'bool of 8 bytes',
    type: (t) => t.builder.addInt('bool64', { size: 8, bool: true }),
    little: '0100000000000000',
    big: '0000000000000001',
    value: true,
  },
  { member: 'float', type: (t) => t.builder.addFloat('float', 4), little: '0000c03f', big: '3fc00000', value: 1.5 },
  {
    member: 'double',
    type: (t) => t.builder.addFloat('double', 8),
    little: '00000000000002c0',
    big: 'c002000000000000',
    value: -2.25,
  },
  {
    member: 'long double',
    type: (t) => t.builder.addFloat('long double', 16),
    little: '000102030405060708090a0b0c0d0e0f',
    big: '000102030405060708090a0b0c0d0e0f',
    value: Uint8Array.from({ length: 16 }, (_, index) => index),
  },
  {
    member: 'pointer',
    type: (t) => t.builder.addPointer(0),
    little: '0080ffff000088ff',
    big: 'ff880000ffff8000',
    value: 0xff880000ffff8000n,
  },
  {
    member: 'pointer, whatever int64 is',
    type: (t) => t.builder.addPointer(t.u8),
    little: '0100000000000000',
    big: '0000000000000001',
    value: 1n,
    options: { int64: 'string' },
  },
  {
    member: 'enum',
    type: (t) => t.builder.addEnum('colour', { signed: true, values: colours }),
    little: 'fdffffff',
    big: 'fffffffd',
    value: -3,
  },
  {
    member: 'enum by name',
    type: (t) => t.builder.addEnum('colour', { signed: true, values: colours }),
    little: 'fdffffff',
    big: 'fffffffd',
    value: 'BLUE',
    options: { enums: 'name' },
  },
  {
    member: 'enum by the first of two names',
    type: (t) => t.builder.addEnum('colour', { signed: true, values: colours }),
    little: '05000000',
    big: '00000005',
    value: 'GREEN',
    options: { enums: 'name' },
  },
  {
    member: 'enum by name, without one',
    type: (t) => t.builder.addEnum('colour', { signed: true, values: colours }),
    little: '07000000',
    big: '00000007',
    value: 7,
    options: { enums: 'name' },
  },
  {
    member: 'enum of one byte',
    type: (t) => t.builder.addEnum('tiny', { size: 1, values: [{ name: 'ON', value: 200 }] }),
    little: 'c8',
    big: 'c8',
    value: 'ON',
    options: { enums: 'name' },
  },
  {
    member: 'enum64',
    type: (t) => t.builder.addEnum64('huge', { values: [{ name: 'HUGE', value: 2n ** 63n }] }),
    little: '0000000000000080',
    big: '8000000000000000',
    value: 2n ** 63n,
  },
  {
    member: 'enum64 by name',
    type: (t) => t.builder.addEnum64('huge', { values: [{ name: 'HUGE', value: 2n ** 63n }] }),
    little: '0000000000000080',
    big: '8000000000000000',
    value: 'HUGE',
    options: { enums: 'name' },
  },
  {
    member: 'enum64 by name, 64 bits as strings',
    type: (t) => t.builder.addEnum64('huge', { values: [{ name: 'HUGE', value: 2n ** 63n }] }),
    little: '0000000000000080',
    big: '8000000000000000',
    value: 'HUGE',
    options: { enums: 'name', int64: 'string' },
  },
  { member: '__be16', type: (t) => t.typedef('__be16', t.u16), little: '01bb', big: '01bb', value: 443 },
  { member: '__be32', type: (t) => t.typedef('__be32', t.u32), little: '7f000001', big: '7f000001', value: 0x7f000001 },
  {
    member: '__be64 behind a typedef and const',
    type: (t) => t.builder.addConst(t.typedef('cookie_t', t.typedef('__be64', t.u64))),
    little: '0000000000000102',
    big: '0000000000000102',
    value: 0x102n,
  },
  { member: '__le32', type: (t) => t.typedef('__le32', t.u32), little: '01000000', big: '01000000', value: 1 },
  {
    member: 'typedef of typedef of volatile int',
    type: (t) => t.typedef('outer_t', t.typedef('inner_t', t.builder.addVolatile(t.s32))),
    little: 'ffffffff',
    big: 'ffffffff',
    value: -1,
  },
  {
    member: 'char array',
    type: (t) => t.array(t.char, 8),
    little: '6261736800000000',
    big: '6261736800000000',
    value: 'bash',
  },
  {
    member: 'char array without NUL',
    type: (t) => t.array(t.char, 4),
    little: '65746830',
    big: '65746830',
    value: 'eth0',
  },
  {
    member: 'char array of odd length',
    type: (t) => t.array(t.char, 7),
    little: '61626364 656667',
    big: '61626364656667',
    value: 'abcdefg',
  },
  {
    member: 'char array, UTF-8',
    type: (t) => t.array(t.char, 6),
    little: 'c3a9e282ac00',
    big: 'c3a9e282ac00',
    value: 'é€',
  },
  {
    member: 'char array longer than what is remembered',
    type: (t) => t.array(t.char, 100),
    little: '61'.repeat(80) + '00'.repeat(20),
    big: '61'.repeat(80) + '00'.repeat(20),
    value: 'a'.repeat(80),
  },
  {
    member: 'char array as bytes',
    type: (t) => t.array(t.builder.addConst(t.char), 4),
    little: '62007368',
    big: '62007368',
    value: Uint8Array.of(0x62, 0, 0x73, 0x68),
    options: { chars: 'bytes' },
  },
  {
    member: 'byte array',
    type: (t) => t.array(t.typedef('__u8', t.u8), 6),
    little: '0a0027000001',
    big: '0a0027000001',
    value: Uint8Array.of(10, 0, 0x27, 0, 0, 1),
  },
  { member: 's8 array', type: (t) => t.array(t.s8, 2), little: 'ff01', big: 'ff01', value: [-1, 1] },
  { member: 'bool array', type: (t) => t.array(t.bool, 2), little: '0001', big: '0001', value: [false, true] },
  {
    member: 'array of arrays',
    type: (t) => t.array(t.u16, 2, 3),
    little: '0100 0200 0300 0400 0500 0600',
    big: '0001 0002 0003 0004 0005 0006',
    value: [
      [1, 2, 3],
      [4, 5, 6],
    ],
  },
  {
    member: 'array of strings',
    type: (t) => t.array(t.char, 2, 4),
    little: '61000000 62630000',
    big: '61000000 62630000',
    value: ['a', 'bc'],
  },
  {
    member: 'long array',
    type: (t) => t.array(t.u16, 40),
    little: Array.from({ length: 40 }, (_, index) => index.toString(16).padStart(2, '0') + '00').join(''),
    big: Array.from({ length: 40 }, (_, index) => '00' + index.toString(16).padStart(2, '0')).join(''),
    value: Array.from({ length: 40 }, (_, index) => index),
  },
  { member: 'array of no elements', type: (t) => t.array(t.u32, 0), little: '', big: '', value: [] },
  {
    member: 'struct with padding',
    type: (t) =>
      t.struct('point', 12, [
        ['x', t.u8, 0],
        ['y', t.u32, 4],
        ['z', t.u16, 8],
      ]),
    little: '01000000 02000000 03000000',
    big: '01000000 00000002 00030000',
    value: { x: 1, y: 2, z: 3 },
  },
  {
    member: 'packed struct',
    type: (t) =>
      t.struct('packed', 11, [
        ['a', t.u8, 0],
        ['b', t.u64, 1],
        ['c', t.u16, 9],
      ]),
    little: '01 0200000000000000 0300',
    big: '01 0000000000000002 0003',
    value: { a: 1, b: 2n, c: 3 },
  },
  {
    member: 'array of structs in a struct',
    type: (t) => {
      const point = t.struct('point', 4, [
        ['x', t.s16, 0],
        ['y', t.s16, 2],
      ]);
      return t.struct('shape', 12, [
        ['corners', t.array(point, 2), 0],
        ['count', t.u32, 8],
      ]);
    },
    little: '0100 ffff 0200 feff 02000000',
    big: '0001 ffff 0002 fffe 00000002',
    value: {
      corners: [
        { x: 1, y: -1 },
        { x: 2, y: -2 },
      ],
      count: 2,
    },
  },
  {
    member: 'anonymous struct and union',
    type: (t) => {
      const pair = t.struct('', 4, [
        ['low', t.u16, 0],
        ['high', t.u16, 2],
      ]);
      const either = t.union('', 4, [
        ['', pair, 0],
        ['word', t.typedef('__be32', t.u32), 0],
      ]);
      return t.struct('outer', 12, [
        ['first', t.u8, 0],
        ['', either, 4],
        ['', t.struct('', 4, [['last', t.u32, 0]]), 8],
      ]);
    },
    little: '01000000 0200 0300 04000000',
    big: '01000000 0002 0003 00000004',
    value: undefined,
  },
  {
    member: 'struct that only the kernel writes',
    type: (t) =>
      t.struct('value', 12, [
        ['lock', t.struct('bpf_spin_lock', 4, [['val', t.u32, 0]]), 0],
        ['count', t.u32, 4],
        ['left', t.u32, 8],
      ]),
    little: '00000000 05000000 06000000',
    big: '00000000 00000005 00000006',
    value: { count: 5, left: 6 },
  },
  {
    member: 'pointer that only the kernel writes',
    type: (t) =>
      t.struct('value', 16, [
        ['task', t.builder.addPointer(t.builder.addTypeTag('kptr', t.builder.addForward('task_struct'))), 0],
        ['count', t.u32, 8],
      ]),
    little: '0000000000000000 05000000 00000000',
    big: '0000000000000000 00000005 00000000',
    value: { count: 5 },
  },
  {
    member: 'struct without members',
    type: (t) => t.struct('empty', 0, []),
    little: '',
    big: '',
    value: {},
  },
];

const anonymous = {
  little: { first: 1, low: 2, high: 3, word: 0x02000300, last: 4 },
  big: { first: 1, low: 2, high: 3, word: 0x00020003, last: 4 },
};

describe.each(cases)('$member', ({ type, little, big, value, options }) => {
  describe.each([
    { order: 'little', littleEndian: true, hex: little },
    { order: 'big', littleEndian: false, hex: big },
  ] as const)('$order-endian', ({ order, littleEndian, hex }) => {
    const bytes = fromHex(hex);
    const expected = value ?? anonymous[order];
    const { codec: fromTypes } = built(type, { ...options, littleEndian });

    test.each(bothWays(fromTypes.layout, littleEndian))('$how', ({ codec }) => {
      expect(codec.size).toBe(bytes.length);
      expect(codec.decode(viewOf(bytes), 0)).toEqual(expected);
      expect(toHex(encoded(codec, expected))).toBe(toHex(bytes));
      // At an odd offset, between bytes that must stay as they are.
      const wider = new Uint8Array(bytes.length + 4).fill(0xee);
      codec.encode(expected, viewOf(wider), 3);
      expect(toHex(wider)).toBe(`eeeeee${toHex(bytes)}ee`);
      expect(codec.decode(viewOf(wider), 3)).toEqual(expected);
    });

    test('as a member of a struct', () => {
      const { layout } = fromTypes;
      const before = { name: 'before', offset: 0, layout: built((t) => t.u8).codec.layout, bits: undefined };
      const members = [before, { name: 'it', offset: 3, layout, bits: undefined }];
      const size = layout.size + 4;
      const outer: Layout = { kind: 'struct', typeName: 'struct outer', size, alignment: 1, members };
      for (const { codec } of bothWays(outer, littleEndian)) {
        const holder = { before: 7, it: expected };
        const made = encoded(codec, holder);
        expect(toHex(made)).toBe(`070000${toHex(bytes)}00`);
        expect(codec.decode(viewOf(made), 0)).toEqual(holder);
      }
    });
  });
});

test('decoded bytes are the caller’s own', () => {
  const { codec } = built((t) => t.array(t.u8, 4));
  const bytes = fromHex('01020304');
  for (const way of bothWays(codec.layout)) {
    const value = way.codec.decode(viewOf(bytes), 0) as Uint8Array;
    value[0] = 99;
    expect(bytes[0]).toBe(1);
    expect(value.buffer.byteLength).toBe(4);
  }
});

test('both ways give the members in C’s order, with one shape', () => {
  const { codec } = built((t) =>
    t.struct('event', 24, [
      ['zulu', t.u64, 0],
      ['alpha', t.u32, 8],
      ['mike', t.array(t.char, 4), 12],
      ['7', t.u32, 16],
    ]),
  );
  const view = viewOf(new Uint8Array(24));
  const [generated, interpreted] = bothWays(codec.layout).map((way) => way.codec.decode(view, 0));
  expect(Object.keys(generated as object)).toEqual(['7', 'zulu', 'alpha', 'mike']);
  expect(Object.keys(interpreted as object)).toEqual(Object.keys(generated as object));
  expect(interpreted).toStrictEqual(generated);
});
