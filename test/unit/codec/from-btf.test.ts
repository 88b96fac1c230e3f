import { inspect } from 'node:util';

import { EbpfError } from '../../../lib/errors/index.js';
import { Btf } from '../../../lib/btf/index.js';
import { codecFromBtf } from '../../../lib/codec/index.js';
import { bothWays, built, caught, encoded, fromHex, toHex, Types, viewOf } from './support.js';

test('a codec tells its type’s name, size and alignment', () => {
  const { codec } = built((t) =>
    t.struct('event', 24, [
      ['ts', t.u64, 0],
      ['comm', t.array(t.char, 16), 8],
    ]),
  );
  expect([codec.typeName, codec.size, codec.alignment]).toEqual(['struct event', 24, 8]);
});

test('the byte order is the BTF’s unless told', () => {
  const { btf, id, codec } = built((t) => t.u16, { littleEndian: false });
  expect(codec.decode(viewOf(fromHex('0102')), 0)).toBe(0x102);
  expect(codecFromBtf(btf, id, { littleEndian: true }).decode(viewOf(fromHex('0102')), 0)).toBe(0x201);
});

test('a variable has its type’s codec, a data section is a struct of its variables', () => {
  const types = new Types();
  const count = types.builder.addVariable('count', types.u32, 1);
  const local = types.builder.addVariable('last', types.u64, 0);
  const other = types.builder.addVariable('last', types.u16, 0);
  const section = types.builder.addDataSection('.bss', 24, [
    { type: count, offset: 0, size: 4 },
    { type: local, offset: 8, size: 8 },
    { type: other, offset: 16, size: 2 },
  ]);
  const btf = types.btf();
  expect(codecFromBtf(btf, count).decode(viewOf(fromHex('05000000')), 0)).toBe(5);
  const codec = codecFromBtf(btf, section);
  expect(codec.size).toBe(24);
  const bytes = fromHex('0100000000000000 0200000000000000 0300000000000000');
  expect(codec.decode(viewOf(bytes), 0)).toEqual({ count: 1, last: 2n, 'last.1': 3 });
});

describe('flexible arrays', () => {
  const record = fromHex('0300000000000000 0200 0000 61626300 646566676800'.replace(/\s/g, ''));

  test('take whole elements from the rest of the record, and nothing when its length is unknown', () => {
    const { codec } = built((t) =>
      t.struct('sample', 16, [
        ['ts', t.u64, 0],
        ['cpu', t.u16, 8],
        ['data', t.array(t.u32, 0), 12],
      ]),
    );
    for (const way of bothWays(codec.layout)) {
      const decode = (length?: number): unknown =>
        (way.codec.decode(viewOf(record), 0, length) as { data: unknown }).data;
      expect(decode()).toEqual([]);
      expect(decode(12)).toEqual([]);
      expect(decode(15)).toEqual([]);
      expect(decode(16)).toEqual([0x00636261]);
      expect(decode(record.length)).toEqual([0x00636261, 0x67666564]);
    }
  });

  test.each([
    ['char', 'string', 'abc'],
    ['char', 'bytes', fromHex('61626300646566676800')],
    ['unsigned char', 'string', fromHex('61626300646566676800')],
  ] as const)('of %s as %s', (element, chars, expected) => {
    const { codec } = built(
      (t) =>
        t.struct('sample', 16, [
          ['ts', t.u64, 0],
          ['data', t.array(element === 'char' ? t.char : t.u8, 0), 12],
        ]),
      { chars },
    );
    for (const way of bothWays(codec.layout)) {
      expect(way.codec.decode(viewOf(record), 0, record.length)).toEqual({ ts: 3n, data: expected });
    }
  });

  test('are found in anonymous structs, as DECLARE_FLEX_ARRAY makes them', () => {
    const { codec } = built((t) => {
      const wrapped = t.struct('', 0, [
        ['__empty_data', t.struct('', 0, []), 0],
        ['data', t.array(t.u16, 0), 0],
      ]);
      return t.struct('sample', 8, [
        ['ts', t.u64, 0],
        ['', t.union('', 0, [['', wrapped, 0]]), 8],
      ]);
    });
    for (const way of bothWays(codec.layout)) {
      expect(way.codec.decode(viewOf(fromHex('0100000000000000 02000300')), 0, 12)).toEqual({
        ts: 1n,
        __empty_data: {},
        data: [2, 3],
      });
    }
  });

  test('have no room of their own when encoded', () => {
    const { codec } = built((t) =>
      t.struct('sample', 8, [
        ['ts', t.u64, 0],
        ['data', t.array(t.u16, 0), 8],
      ]),
    );
    for (const way of bothWays(codec.layout)) {
      expect(toHex(encoded(way.codec, { ts: 1 }))).toBe('0100000000000000');
      expect(toHex(encoded(way.codec, { ts: 1, data: [] }))).toBe('0100000000000000');
      expect(() => encoded(way.codec, { ts: 1, data: [2] })).toThrow(
        'value.data: a flexible array has no room of its own; leave it out or empty',
      );
    }
  });

  test('an array of no elements before other members is just empty', () => {
    const { codec } = built((t) =>
      t.struct('header', 4, [
        ['start', t.array(t.u8, 0), 0],
        ['word', t.u32, 0],
      ]),
    );
    for (const way of bothWays(codec.layout)) {
      expect(way.codec.decode(viewOf(fromHex('0100000002000000')), 0, 8)).toEqual({ start: new Uint8Array(), word: 1 });
    }
  });
});

test('a record shorter than the type is refused, a longer one taken', () => {
  const { codec } = built((t) =>
    t.struct('event', 8, [
      ['ts', t.u32, 0],
      ['pid', t.u32, 4],
    ]),
  );
  const view = viewOf(new Uint8Array(64));
  expect(() => codec.decode(view, 0, 7)).toThrow(
    'record: it has 7 bytes, struct event takes 8; is it a record of another type?',
  );
  expect(codec.decode(view, 0, 60)).toEqual({ ts: 0, pid: 0 });
});

test('neither way reaches beyond the view, though its buffer may go on', () => {
  const { codec } = built((t) =>
    t.struct('event', 8, [
      ['ts', t.u32, 0],
      ['mac', t.array(t.u8, 4), 4],
    ]),
  );
  const view = new DataView(new ArrayBuffer(64), 8, 12);
  expect(() => codec.decode(view, 5)).toThrow('value: struct event takes the bytes 5 to 13, the view has 12');
  expect(() => codec.decode(view, -1)).toThrow('value: struct event takes the bytes -1 to 7, the view has 12');
  expect(() => codec.decode(view, 0, 13)).toThrow('value: struct event takes the bytes 0 to 13, the view has 12');
  expect(() => {
    codec.encode({ ts: 1, mac: [1, 2, 3, 4] }, view, 5, 'key');
  }).toThrow('key: struct event takes the bytes 5 to 13, the view has 12');
  expect(codec.decode(view, 4)).toEqual({ ts: 0, mac: new Uint8Array(4) });
});

test('any byte but 0 is true', () => {
  const { codec } = built((t) =>
    t.struct('flags', 2, [
      ['whole', t.bool, 0],
      ['part', t.bool, 9, 3],
    ]),
  );
  for (const way of bothWays(codec.layout)) {
    expect(way.codec.decode(viewOf(fromHex('8004')), 0)).toEqual({ whole: true, part: true });
    expect(way.codec.decode(viewOf(fromHex('00f1')), 0)).toEqual({ whole: false, part: false });
  }
});

test('printing a codec shows its type', () => {
  const { codec } = built((t) => t.struct('event', 8, [['ts', t.u64, 0]]));
  expect(inspect({ codec })).toBe('{ codec: Codec { struct event, 8 bytes } }');
});

describe('wide integers as numbers', () => {
  test.each([
    ['9007199254740992', '0000000000002000', false],
    ['18446744073709551615', 'ffffffffffffffff', false],
    ['-9007199254740992', '000000000000e0ff', true],
  ])('throw rather than round %s', (shown, hex, signed) => {
    const { codec } = built(
      (t) => {
        const inner = t.struct('inner', 16, [
          ['small', t.u32, 0],
          ['wide', signed ? t.s64 : t.u64, 8],
        ]);
        return t.struct('outer', 40, [
          ['first', t.u64, 0],
          ['list', t.array(inner, 2), 8],
        ]);
      },
      { int64: 'number' },
    );
    const bytes = new Uint8Array(40);
    bytes.set(fromHex(hex), 32);
    for (const way of bothWays(codec.layout)) {
      const error = caught(() => way.codec.decode(viewOf(bytes), 0));
      expect(error).toMatchObject({
        name: 'UsageError',
        code: 'ERR_EBPF_INVALID_VALUE',
        path: 'value.list[1].wide',
        message: `value.list[1].wide: ${shown} cannot be a number without rounding; decode it as 'bigint' or 'string'`,
      });
    }
  });
});

describe('what has no value', () => {
  test.each([
    ['void', (): number => 0],
    ['struct gone', (t: Types): number => t.builder.addForward('gone')],
    ['int (void)', (t: Types): number => t.builder.addFunctionPrototype(t.s32, [])],
    ['gone_t', (t: Types): number => t.typedef('gone_t', t.builder.addForward('gone'))],
  ])('%s', (name, build) => {
    const types = new Types();
    types.builder.addInt('unrelated', { size: 1 });
    const id = build(types);
    const error = caught(() => codecFromBtf(types.btf(), id));
    expect(error).toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE' });
    expect((error as Error).message).toBe(`type: ${name} has no size, so no value of it can be read`);
  });
});

describe('BTF that contradicts itself', () => {
  const nested = (depth: number) => (t: Types) => {
    let type = t.u32;
    for (let level = 0; level < depth; level++) type = t.struct(`s${level}`, 4, [['inner', type, 0]]);
    return type;
  };
  test.each<[string, (t: Types) => number, RegExp]>([
    [
      'two members of one name',
      (t) =>
        t.struct('twin', 8, [
          ['a', t.u32, 0],
          ['a', t.u32, 4],
        ]),
      /struct twin\) has two members named "a"/,
    ],
    [
      'two anonymous structs with one name',
      (t) => {
        const inner = t.struct('', 4, [['a', t.u32, 0]]);
        return t.struct('twin', 8, [
          ['', inner, 0],
          ['', inner, 4],
        ]);
      },
      /has two members named "a"/,
    ],
    [
      'a member beyond the end',
      (t) => t.struct('short', 4, [['a', t.u64, 0]]),
      /is smaller than its member "a" reaches/,
    ],
    [
      'a bit-field beyond the end',
      (t) => t.struct('short', 1, [['a', t.u32, 6, 3]]),
      /is smaller than its member "a" reaches/,
    ],
    [
      'a bit-field that is a struct',
      (t) => t.struct('odd', 8, [['a', t.struct('s', 4, []), 0, 3]]),
      /bit-field "a" that is no integer/,
    ],
    ['a bit-field of 65 bits', (t) => t.struct('odd', 16, [['a', t.u128, 0, 65]]), /bit-field "a" of 65 bits/],
    [
      'a member within a byte',
      (t) => t.builder.addStruct('odd', 8, [{ name: 'a', type: t.u16, bitOffset: 3, bitSize: 0 }]),
      /starts within a byte/,
    ],
    ['an integer of 3 bytes', (t) => t.builder.addInt('u24', { size: 3 }), /is an integer of 3 bytes/],
    ['structs nested too deep', nested(70), /is nested deeper than 64 types/],
  ])('%s', (_name, build, problem) => {
    const types = new Types();
    const id = build(types);
    const error = caught(() => codecFromBtf(types.btf(), id));
    expect(error).toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT', object: 'test.bpf.o' });
    expect((error as Error).message).toMatch(problem);
  });

  test('a struct that contains itself', () => {
    const types = new Types();
    const self = types.builder.nextId;
    types.struct('self', 4, [['again', self, 0]]);
    expect(EbpfError.is(caught(() => codecFromBtf(types.btf(), self)))).toBe(true);
  });

  test('typedefs in a circle', () => {
    const types = new Types();
    const first = types.builder.nextId;
    types.typedef('a', first + 1);
    types.typedef('b', first);
    expect(EbpfError.is(caught(() => codecFromBtf(types.btf(), first)))).toBe(true);
  });

  test('more values than memory holds, out of few bytes', () => {
    const types = new Types();
    let type = types.struct('empty', 0, []);
    for (let level = 0; level < 40; level++) {
      type = types.struct(`level${level}`, 0, [
        ['a', type, 0],
        ['b', type, 0],
      ]);
    }
    const deep = codecFromBtf(types.btf(), type);
    const view = viewOf(new Uint8Array(8));
    expect(() => deep.decode(view, 0)).toThrow(/decoding makes \d+ values at once/);
    const wide = new Types();
    const array = wide.array(wide.struct('empty', 0, []), 0xffff_ffff);
    expect(() => codecFromBtf(wide.btf(), array).decode(view, 0)).toThrow(/decoding makes 4294967296 values at once/);
  });
});

test('structs that share types have code in proportion to the types, not to the paths', () => {
  const types = new Types();
  let type = types.struct('level', 4, [['value', types.u32, 0]]);
  let size = 4;
  for (let level = 0; level < 12; level++) {
    type = types.struct(`level${level}`, size * 2, [
      ['a', type, 0],
      ['b', type, size],
    ]);
    size *= 2;
  }
  const codec = codecFromBtf(Btf.parse(types.builder.encode(), { name: 'deep' }), type);
  const started = performance.now();
  codec.decode(viewOf(new Uint8Array(size)), 0);
  expect(performance.now() - started).toBeLessThan(1000);
});

test('arrays of arrays have code in proportion to their dimensions, not to their elements', () => {
  const { codec } = built((t) => t.array(t.s8, 16, 16, 16, 16, 16));
  const started = performance.now();
  const value = codec.decode(viewOf(new Uint8Array(codec.size).fill(0xff)), 0) as number[][][][][];
  expect(performance.now() - started).toBeLessThan(1500);
  expect(value[15]?.[15]?.[15]?.[15]?.[15]).toBe(-1);
});

test('an anonymous struct of 195,000 members gives them all to the struct around it', () => {
  const types = new Types();
  const third = 65_000;
  const nested = [0, 1, 2].map((part) => {
    const members = Array.from({ length: third }, (_, index) => ({
      name: `m${part * third + index}`,
      type: types.u8,
      bitOffset: index * 8,
      bitSize: 0,
    }));
    return { name: '', type: types.builder.addStruct('', third, members), bitOffset: part * third * 8, bitSize: 0 };
  });
  const inner = types.builder.addStruct('', 3 * third, nested);
  const outer = types.builder.addStruct('outer', 3 * third, [{ name: '', type: inner, bitOffset: 0, bitSize: 0 }]);
  const bytes = new Uint8Array(3 * third);
  bytes[194_999] = 7;
  expect(codecFromBtf(types.btf(), outer).decode(viewOf(bytes), 0)).toMatchObject({ m0: 0, m194999: 7 });
});

test('60,000 static variables of one name in a section have names of their own', () => {
  const types = new Types();
  const count = 60_000;
  const variable = types.builder.addVariable('v', types.u8, 0);
  const entries = Array.from({ length: count }, (_, offset) => ({ type: variable, offset, size: 1 }));
  const section = types.builder.addDataSection('.data', count, entries);
  const { layout } = codecFromBtf(types.btf(), section);
  if (layout.kind !== 'struct') throw new Error('a section is a struct');
  expect(new Set(layout.members.map(({ name }) => name)).size).toBe(count);
  expect(layout.members.at(-1)?.name).toBe('v.59999');
});
