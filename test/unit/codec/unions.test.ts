import { bothWays, built, encoded, fromHex, toHex, viewOf, type Types } from './support.js';

function named(t: Types): number {
  return t.union('address', 8, [
    ['v4', t.typedef('__be32', t.u32), 0],
    ['octets', t.array(t.u8, 8), 0],
    [
      'parts',
      t.struct('parts', 8, [
        ['low', t.u16, 0],
        ['high', t.u32, 4],
      ]),
      0,
    ],
  ]);
}

/** struct { __u8 kind; union { struct { __u16 low, high; }; __u32 word; struct bpf_spin_lock lock; }; __u32 after; } */
function anonymous(t: Types): number {
  const pair = t.struct('', 4, [
    ['low', t.u16, 0],
    ['high', t.u16, 2],
  ]);
  const lock = t.struct('bpf_spin_lock', 4, [['val', t.u32, 0]]);
  const either = t.union('', 4, [
    ['', pair, 0],
    ['word', t.u32, 0],
    ['lock', lock, 0],
  ]);
  return t.struct('outer', 12, [
    ['kind', t.u8, 0],
    ['', either, 4],
    ['after', t.u32, 8],
  ]);
}

describe('a named union', () => {
  const { codec: union } = built(named);
  const bytes = fromHex('7f000001 05000000');

  test.each(bothWays(union.layout))('$how: decodes to all its members', ({ codec }) => {
    expect(codec.decode(viewOf(bytes), 0)).toEqual({ v4: 0x7f000001, octets: bytes, parts: { low: 0x7f, high: 5 } });
  });

  test.each(bothWays(union.layout))('$how: encodes the one member given, the rest zeros', ({ codec }) => {
    expect(toHex(encoded(codec, { v4: 0x7f000001 }))).toBe('7f00000100000000');
    expect(toHex(encoded(codec, { parts: { low: 1, high: 2 } }))).toBe('0100000002000000');
  });

  test.each(bothWays(union.layout))('$how: what was decoded can be encoded', ({ codec }) => {
    expect(toHex(encoded(codec, codec.decode(viewOf(bytes), 0)))).toBe(toHex(bytes));
  });

  test.each(bothWays(union.layout))('$how: members that contradict one another are refused', ({ codec }) => {
    const value = codec.decode(viewOf(bytes), 0) as { v4: number };
    value.v4++;
    expect(() => encoded(codec, value)).toThrow(
      'value: "v4" and "octets" share their bytes but differ; give only the one that counts',
    );
  });

  test.each(bothWays(union.layout))('$how: names and presence are checked', ({ codec }) => {
    expect(() => encoded(codec, {})).toThrow('value: missing: give one of "v4", "octets", "parts"');
    expect(() => encoded(codec, { v6: 1 })).toThrow(
      'value.v6: union address has no member named "v6"; did you mean "v4"?',
    );
    expect(() => encoded(codec, { parts: { low: 1 } })).toThrow('value.parts.high: missing, expected an integer');
    expect(() => encoded(codec, 7)).toThrow('value: expected an object (union address), got 7');
  });
});

describe('an anonymous union', () => {
  const { codec: struct } = built(anonymous);

  test.each(bothWays(struct.layout))('$how: its members are the struct’s', ({ codec }) => {
    const bytes = fromHex('01000000 0200 0300 04000000');
    const value = { kind: 1, low: 2, high: 3, word: 0x30002, after: 4 };
    expect(codec.decode(viewOf(bytes), 0)).toEqual(value);
    expect(toHex(encoded(codec, value))).toBe(toHex(bytes));
    expect(toHex(encoded(codec, { kind: 1, low: 2, high: 3, after: 4 }))).toBe(toHex(bytes));
    expect(toHex(encoded(codec, { kind: 1, word: 0x30002, after: 4 }))).toBe(toHex(bytes));
  });

  test.each(bothWays(struct.layout))('$how: errors name the struct’s path', ({ codec }) => {
    expect(() => encoded(codec, { kind: 1, after: 4 })).toThrow(
      'value: missing: give one of "low" with "high", "word"',
    );
    expect(() => encoded(codec, { kind: 1, low: 2, after: 4 })).toThrow('value.high: missing, expected an integer');
    expect(() => encoded(codec, { kind: 1, low: 2, high: 3, word: 0x30003, after: 4 })).toThrow(
      'value: "low" with "high" and "word" share their bytes but differ',
    );
    expect(() => encoded(codec, { kind: 1, wrod: 2, after: 4 })).toThrow('value.wrod: struct outer has no member');
    expect(() => encoded(codec, { kind: 1, word: 2, after: 4, alter: 5 })).toThrow('value.alter: struct outer has no');
  });
});

test('padding of one member does not contradict another', () => {
  const { codec } = built((t) =>
    t.union('mixed', 8, [
      ['wide', t.u64, 0],
      [
        'narrow',
        t.struct('narrow', 8, [
          ['a', t.u8, 0],
          ['b', t.u32, 4],
        ]),
        0,
      ],
      ['bits', t.u32, 4, 3],
    ]),
  );
  const bytes = fromHex('0102030405060708');
  for (const way of bothWays(codec.layout)) {
    expect(toHex(encoded(way.codec, way.codec.decode(viewOf(bytes), 0)))).toBe(toHex(bytes));
  }
});

test('the third member is held against both others', () => {
  const { codec } = built((t) =>
    t.union('three', 4, [
      ['a', t.u8, 0],
      ['b', t.u32, 0],
      ['c', t.u32, 0],
    ]),
  );
  for (const way of bothWays(codec.layout)) {
    expect(toHex(encoded(way.codec, { a: 1, b: 0x201, c: 0x201 }))).toBe('01020000');
    expect(() => encoded(way.codec, { a: 1, b: 0x201, c: 0x301 })).toThrow('share their bytes but differ');
  }
});

test('a union without members takes an empty object', () => {
  const { codec } = built((t) => t.union('none', 0, []));
  for (const way of bothWays(codec.layout)) {
    expect(way.codec.decode(viewOf(new Uint8Array(0)), 0)).toEqual({});
    expect(encoded(way.codec, {})).toEqual(new Uint8Array(0));
  }
});
