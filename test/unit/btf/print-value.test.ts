import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { BtfBuilder, BtfKind, BtfLinkage, type Btf, type BtfPrintOptions } from '../../../lib/btf/index.js';
import { testIf } from '../../helpers/skip.js';
import { everyKind, parse, samples } from './fixtures.js';

const little = everyKind(true);
const big = everyKind(false);
const btf = parse(little.builder.encode());

/** The BTF of types that `build` adds, and the id that it returns. */
function built(build: (builder: BtfBuilder) => number, littleEndian = true): { btf: Btf; id: number } {
  const builder = new BtfBuilder({ littleEndian });
  const id = build(builder);
  return { btf: parse(builder.encode()), id };
}

const member = (name: string, type: number, byteOffset: number) => ({
  name,
  type,
  bitOffset: byteOffset * 8,
  bitSize: 0,
});

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

const thing = hex('d2040000 01000000 8877665544332211 657865630000ff00 0000000000000000');

describe('a struct', () => {
  test('a line for each member', () => {
    expect(btf.printValue(little.struct, thing)).toBe(
      [
        '(struct thing){',
        '\t.pid = (int)1234,',
        '\t.ok = (_Bool)1,',
        '\t.next = (int *)0x1122334455667788,',
        '\t.comm = (char[16])"exec",',
        '}',
      ].join('\n'),
    );
  });

  test('in one line', () => {
    expect(btf.printValue(little.struct, thing, { compact: true })).toBe(
      '(struct thing){.pid = (int)1234,.ok = (_Bool)1,.next = (int *)0x1122334455667788,.comm = (char[16])"exec",}',
    );
  });

  test('values alone', () => {
    const text = btf.printValue(little.struct, thing, { compact: true, names: false });
    expect(text).toBe('{1234,1,0x1122334455667788,"exec",}');
  });

  test('zeros are left out, or are not; the struct itself never is', () => {
    const zeros = new Uint8Array(32);
    expect(btf.printValue(little.struct, zeros)).toBe('(struct thing){\n}');
    expect(btf.printValue(little.struct, zeros, { compact: true, zeros: true })).toBe(
      '(struct thing){.pid = (int)0,.ok = (_Bool)0,.next = (int *)0x0,.comm = (char[16])"",}',
    );
    zeros[4] = 1;
    expect(btf.printValue(little.struct, zeros, { compact: true })).toBe('(struct thing){.ok = (_Bool)1,}');
  });

  test('nested: indented as asked, and left out when all in it is zero', () => {
    const { btf: types, id } = built((builder) => {
      const int = builder.addInt('int', { size: 4, signed: true });
      const inner = builder.addStruct('inner', 8, [member('a', int, 0), member('b', int, 4)]);
      const nameless = builder.addUnion('', 4, [member('x', int, 0), member('y', int, 0)]);
      return builder.addStruct('outer', 24, [
        member('first', inner, 0),
        member('second', inner, 8),
        member('', nameless, 16),
        member('last', nameless, 20),
      ]);
    });
    const bytes = hex('00000000 00000000 00000000 05000000 07000000 00000000');
    expect(types.printValue(id, bytes, { indent: '  ' })).toBe(
      [
        '(struct outer){',
        '  .second = (struct inner){',
        '    .b = (int)5,',
        '  },',
        '  (union){',
        '    .x = (int)7,',
        '    .y = (int)7,',
        '  },',
        '}',
      ].join('\n'),
    );
  });
});

describe('either byte order', () => {
  const bigBtf = parse(big.builder.encode());

  test('of the BTF', () => {
    const bytes = hex('000004d2 01000000 1122334455667788 65786563000000000000000000000000');
    const text = btf.printValue(little.struct, thing);
    expect(bigBtf.printValue(big.struct, bytes)).toBe(text);
    expect(btf.printValue(little.struct, bytes, { littleEndian: false })).toBe(text);
  });

  test('of bit-fields: the first from the lowest or the highest bit', () => {
    expect(btf.printValue(little.bitFields, hex('0d000080'), { compact: true })).toBe(
      '(struct fields){.a = (int)0x5,.b = (int)0x10000001,}',
    );
    expect(bigBtf.printValue(big.bitFields, hex('a0000001'), { compact: true })).toBe(
      '(struct fields){.a = (int)0x5,.b = (int)0x1,}',
    );
  });

  test.each([true, false])('of bit-fields that cross bytes and words, little-endian %j', (littleEndian) => {
    const { btf: types, id } = built((builder) => {
      const long = builder.addInt('unsigned long', { size: 8 });
      const state = builder.addEnum('state', { signed: true, values: [{ name: 'BAD', value: -2 }] });
      return builder.addStruct('packed', 12, [
        { name: 'skip', type: long, bitOffset: 0, bitSize: 5 },
        { name: 'wide', type: long, bitOffset: 5, bitSize: 62 },
        { name: 'state', type: state, bitOffset: 67, bitSize: 4 },
      ]);
    }, littleEndian);
    let all = (0x2345_6789_abcd_ef01n << 5n) | (0xen << 67n);
    if (!littleEndian) all = (0x2345_6789_abcd_ef01n << 29n) | (0xen << 25n);
    const bytes = new Uint8Array(12);
    for (let at = 0; at < 12; at++) {
      bytes[littleEndian ? at : 11 - at] = Number((all >> BigInt(at * 8)) & 0xffn);
    }
    expect(types.printValue(id, bytes, { compact: true })).toBe(
      '(struct packed){.wide = (unsigned long)0x23456789abcdef01,.state = (enum state)BAD,}',
    );
  });

  test.each([true, false])('of 128-bit integers, little-endian %j', (littleEndian) => {
    const { btf: types, id } = built((builder) => builder.addInt('__int128', { size: 16, signed: true }), littleEndian);
    const bytes = hex('000102030405060708090a0b0c0d0eff');
    if (littleEndian) bytes.reverse();
    expect(types.printValue(id, bytes)).toBe('(__int128)0x102030405060708090a0b0c0d0eff');
    expect(types.printValue(id, new Uint8Array(16))).toBe('(__int128)0x0');
  });
});

describe('integers', () => {
  test.each([
    [1, true, 'ff', '-1'],
    [1, false, 'ff', '255'],
    [2, true, '0080', '-32768'],
    [4, false, 'ffffffff', '4294967295'],
    [8, true, '0000000000000080', '-9223372036854775808'],
    [8, false, 'ffffffffffffffff', '18446744073709551615'],
  ])('of %d bytes, signed %j', (size, signed, bytes, text) => {
    const { btf: types, id } = built((builder) => builder.addInt('number', { size, signed }));
    expect(types.printValue(id, hex(bytes))).toBe(`(number)${text}`);
  });

  test('of fewer bits than bytes, as compilers before 2018 wrote bit-fields', () => {
    const { btf: types, id } = built((builder) => {
      const three = builder.addInt('three', { size: 4, bits: 3, bitOffset: 2 });
      return builder.addStruct('old', 4, [member('field', three, 0)]);
    });
    expect(types.printValue(id, hex('ff000000'), { compact: true })).toBe('(struct old){.field = (three)0x7,}');
    expect(types.printValue(id, hex('14000000'), { compact: true })).toBe('(struct old){.field = (three)0x5,}');
  });
});

describe('floating-point numbers, as %f', () => {
  const doubles = built((builder) => builder.addFloat('double', 8));
  test.each([
    [0, '0.000000'],
    [-0, '-0.000000'],
    [1.5, '1.500000'],
    [-1e-7, '-0.000000'],
    [1e21, '1000000000000000000000.000000'],
    [-1e300, `${BigInt(-1e300)}.000000`],
    [NaN, 'nan'],
    [Infinity, 'inf'],
    [-Infinity, '-inf'],
  ])('%d', (value, text) => {
    expect(
      doubles.btf.printValue(doubles.id, new Uint8Array(Float64Array.of(value).buffer), { littleEndian: true }),
    ).toBe(`(double)${text}`);
  });

  test('of four bytes, and of those that JavaScript has not: their bytes', () => {
    const { btf: types } = built((builder) => {
      builder.addFloat('float', 4);
      return builder.addFloat('long double', 16);
    });
    expect(types.printValue(1, hex('0000c03f'))).toBe('(float)1.500000');
    expect(types.printValue(2, hex('01000000000000000000000000000002'))).toBe(
      '(long double)0x2000000000000000000000000000001',
    );
  });

  test('zeros are left out', () => {
    const { btf: types, id } = built((builder) => {
      const double = builder.addFloat('double', 8);
      return builder.addStruct('two', 16, [member('a', double, 0), member('b', double, 8)]);
    });
    expect(types.printValue(id, hex('0000000000000000 000000000000f83f'), { compact: true })).toBe(
      '(struct two){.b = (double)1.500000,}',
    );
  });
});

describe('enumerations', () => {
  test('by name, and numbers that have none', () => {
    expect(btf.printValue(little.enumeration, hex('ffffffff'))).toBe('(enum colour)NONE');
    expect(btf.printValue(little.enumeration, hex('05000000'))).toBe('(enum colour)5');
    expect(btf.printValue(little.enumeration, hex('00000000'))).toBe('(enum colour)0');
  });

  test('of 64 bits', () => {
    expect(btf.printValue(little.enumeration64, hex('0000000000000080'))).toBe('(enum wide)LEAST');
    expect(btf.printValue(little.enumeration64, hex('feffffffffffffff'))).toBe('(enum wide)-2LL');
    const flags = btf.find('flags', BtfKind.ENUM64) ?? 0;
    expect(btf.printValue(flags, hex('feffffffffffffff'))).toBe('(enum flags)18446744073709551614ULL');
  });
});

describe('arrays', () => {
  const { btf: types } = built((builder) => {
    const int = builder.addInt('int', { size: 4, signed: true });
    const pair = builder.addStruct('pair', 8, [member('a', int, 0), member('b', int, 4)]);
    builder.addTypedef('row', builder.addArray(int, int, 2));
    builder.addTypedef('matrix', builder.addArray(builder.addArray(int, int, 2), int, 2));
    builder.addTypedef('pairs', builder.addArray(pair, int, 2));
    return builder.addStruct('holder', 16, [
      member('zero', builder.addArray(int, int, 2), 0),
      member('some', builder.addArray(int, int, 2), 8),
    ]);
  });
  const named = (name: string): number => types.find(name) ?? 0;

  test('of numbers, one a line', () => {
    expect(types.printValue(named('row'), hex('0100000000000000'))).toBe('(row)[\n\t1,\n\t0,\n]');
  });

  test('of arrays and of structs: zeros keep their places, and types are not repeated', () => {
    expect(types.printValue(named('matrix'), hex('01000000000000000000000002000000'), { compact: true })).toBe(
      '(matrix)[[1,0,],[0,2,],]',
    );
    expect(types.printValue(named('pairs'), hex('01000000000000000000000002000000'), { compact: true })).toBe(
      '(pairs)[{.a = 1,.b = 0,},{.a = 0,.b = 2,},]',
    );
  });

  test('of zeros only are left out of a struct', () => {
    expect(types.printValue(named('holder'), hex('0000000000000000 0000000003000000'), { compact: true })).toBe(
      '(struct holder){.some = (int[2])[0,3,],}',
    );
  });
});

describe('characters', () => {
  const { btf: types } = built((builder) => {
    const int = builder.addInt('int', { size: 4, signed: true });
    const char = builder.addInt('char', { size: 1, signed: true });
    const byte = builder.addInt('unsigned char', { size: 1 });
    builder.addTypedef('text', builder.addArray(char, int, 8));
    builder.addTypedef('bytes', builder.addArray(byte, int, 4));
    builder.addStruct('record', 4, [member('length', int, 0), member('data', builder.addArray(char, int, 0), 4)]);
    builder.addStruct('list', 4, [member('length', int, 0), member('data', builder.addArray(int, int, 0), 4)]);
    return builder.addStruct('two', 6, [
      member('name', builder.addArray(builder.addConst(char), int, 2), 0),
      member('one', char, 2),
    ]);
  });
  const named = (name: string): number => types.find(name) ?? 0;
  const text = (bytes: string, options: BtfPrintOptions = {}): string =>
    types.printValue(named('text'), hex(bytes), { compact: true, ...options });

  test('strings end at their NUL, or with the array', () => {
    expect(text('6162630064656600')).toBe('(text)"abc"');
    expect(text('6162636465666768')).toBe('(text)"abcdefgh"');
  });

  test('nothing in them reaches the terminal, ends the string or joins an escape', () => {
    expect(text('225c0a1b41ff3100')).toBe('(text)"\\"\\\\\\012\\033A\\3771"');
  });

  test('one by one', () => {
    expect(text('6127005c00000000', { strings: false })).toBe("(text)['a','\\'',]");
    expect(text('615c1bff00000000', { strings: false, zeros: true })).toBe("(text)['a','\\\\',27,-1,'\\0',]");
    expect(text('6162636465666768', { strings: false, zeros: true })).toBe("(text)['a','b','c','d','e','f','g','h',]");
  });

  test('bytes are numbers, and so is a character alone', () => {
    expect(types.printValue(named('bytes'), hex('61006200'), { compact: true })).toBe('(bytes)[97,0,98,0,]');
    expect(types.printValue(named('two'), hex('680061000000'), { compact: true })).toBe(
      '(struct two){.name = (char[2])"h",.one = (char)97,}',
    );
  });

  test('a flexible array takes what is left', () => {
    expect(types.printValue(named('record'), hex('03000000 616263'), { compact: true })).toBe(
      '(struct record){.length = (int)3,.data = (char[0])"abc",}',
    );
    expect(types.printValue(named('list'), hex('02000000 01000000 00000000 ff'), { compact: true })).toBe(
      '(struct list){.length = (int)2,.data = (int[0])[1,0,],}',
    );
    expect(types.printValue(named('list'), hex('02000000'), { compact: true, zeros: true })).toBe(
      '(struct list){.length = (int)2,.data = (int[0])[],}',
    );
  });
});

describe('types of all kinds', () => {
  test('what a pointer points to is spelled', () => {
    const { btf: types, id } = built((builder) => {
      const int = builder.addInt('int', { size: 4, signed: true });
      const byte = builder.addInt('char', { size: 1, signed: true });
      const prototype = builder.addFunctionPrototype(int, [{ name: 'c', type: builder.addPointer(0) }]);
      const pointers = [
        builder.addPointer(0),
        builder.addConst(builder.addPointer(builder.addConst(byte))),
        builder.addPointer(prototype),
        builder.addPointer(builder.addArray(int, int, 4)),
        builder.addPointer(builder.addForward('later')),
        builder.addPointer(builder.addStruct('', 0, [])),
        builder.addPointer(builder.addPointer(builder.addTypeTag('user', int))),
      ];
      return builder.addStruct(
        'pointers',
        pointers.length * 8,
        pointers.map((type, at) => member(`p${at}`, type, at * 8)),
      );
    });
    const casts = types
      .printValue(id, new Uint8Array(56).fill(1), { compact: true })
      .match(/\((?!struct p).*?\)(?=0x)/gu);
    expect(casts).toEqual([
      '(void *)',
      '(char *)',
      '(int (*)(void *))',
      '(int (*)[4])',
      '(struct later *)',
      '(struct *)',
      '(int **)',
    ]);
  });

  test('variables and sections, with their declarations', () => {
    const { btf: types } = built((builder) => {
      const int = builder.addInt('int', { size: 4, signed: true });
      const counter = builder.addVariable('counter', int, BtfLinkage.GLOBAL);
      const hidden = builder.addVariable('hidden', builder.addConst(int), BtfLinkage.STATIC);
      builder.addVariable('elsewhere', int, BtfLinkage.EXTERN);
      return builder.addDataSection('.bss', 8, [
        { type: counter, offset: 0, size: 4 },
        { type: hidden, offset: 4, size: 4 },
      ]);
    });
    const named = (name: string): number => types.find(name) ?? 0;
    expect(types.printValue(named('counter'), hex('01000000'))).toBe('int counter = (int)1');
    expect(types.printValue(named('elsewhere'), hex('01000000'))).toBe('extern int elsewhere = (int)1');
    expect(types.printValue(named('.bss'), hex('0100000000000000'))).toBe(
      'SEC(".bss")\nint counter = (int)1;\nstatic int hidden = (int)0;',
    );
    expect(types.printValue(named('.bss'), hex('0100000000000000'), { compact: true, names: false })).toBe(
      'SEC(".bss") int counter = 1; static int hidden = 0;',
    );
  });

  test('of a section without a size, and with functions', () => {
    const { btf: types, id } = built((builder) => {
      const double = builder.addFloat('double', 8);
      const first = builder.addVariable('first', double, BtfLinkage.GLOBAL);
      const prototype = builder.addFunctionPrototype(0, []);
      return builder.addDataSection('.ksyms', 0, [
        { type: first, offset: 8, size: 8 },
        { type: builder.addFunction('bpf_\x1b', prototype, BtfLinkage.EXTERN), offset: 0, size: 0 },
      ]);
    });
    expect(types.printValue(id, new Uint8Array(16), { compact: true })).toBe(
      'SEC(".ksyms") double first = (double)0.000000; bpf_\\x1b;',
    );
    expect(() => types.printValue(id, new Uint8Array(15))).toThrow('15 bytes, where a value of the type takes 16');
  });

  test('types without values are refused', () => {
    for (const id of [0, little.forward, little.prototype, little.function, little.declarationTag]) {
      expect(() => btf.printValue(id, thing)).toThrow('has no size');
    }
    expect(() => btf.printValue(9_999, thing)).toThrow('there is no type 9999');
  });

  test('too few bytes are refused', () => {
    expect(() => btf.printValue(little.struct, thing.subarray(1))).toThrow(
      'bytes: 31 bytes, where a value of the type takes 32',
    );
  });
});

describe('hostile BTF', () => {
  test('names are escaped', () => {
    const { btf: types, id } = built((builder) => {
      const int = builder.addInt('i\x1b[31m', { size: 4 });
      const state = builder.addEnum('e\n', { values: [{ name: '\u202eVALUE', value: 1 }] });
      const inner = builder.addStruct('s\x07', 8, [member('m\r', int, 0), member('__proto__', state, 4)]);
      const variable = builder.addVariable('v\x00'.replace('\x00', '\x9b'), inner, BtfLinkage.GLOBAL);
      return builder.addDataSection('.data"\x1b', 8, [{ type: variable, offset: 0, size: 8 }]);
    });
    const text = types.printValue(id, hex('0100000001000000'), { compact: true });
    expect(text).toBe(
      'SEC(".data\\"\\\\x1b") struct s\\x07 v\\x9b = (struct s\\x07){.m\\x0d = (i\\x1b[31m)1,.__proto__ = (enum e\\x0a)\\u202eVALUE,};',
    );
  });

  test('members beyond the struct, and within a byte, are refused', () => {
    const { btf: types } = built((builder) => {
      const int = builder.addInt('int', { size: 4 });
      builder.addStruct('beyond', 4, [member('a', int, 2)]);
      builder.addStruct('far', 4, [{ name: 'a', type: int, bitOffset: 30, bitSize: 4 }]);
      return builder.addStruct('within', 8, [{ name: 'a', type: int, bitOffset: 3, bitSize: 0 }]);
    });
    expect(() => types.printValue(types.find('beyond') ?? 0, thing)).toThrow('type 1 reaches beyond the struct');
    expect(() => types.printValue(types.find('far') ?? 0, thing)).toThrow('type 1 reaches beyond the struct');
    expect(() => types.printValue(types.find('within') ?? 0, thing)).toThrow('starts within a byte');
  });

  test('structs that contain themselves are refused', () => {
    const builder = new BtfBuilder({ littleEndian: true });
    builder.addStruct('loop', 4, [member('again', 1, 0)]);
    expect(() => parse(builder.encode()).printValue(1, thing)).toThrow('type 1 contains itself');
  });

  test('unions of unions, and arrays of nothing, are refused in time', () => {
    const { btf: types, id } = built((builder) => {
      let inner = builder.addInt('int', { size: 4 });
      for (let depth = 0; depth < 40; depth++)
        inner = builder.addUnion(`u${depth}`, 4, [member('a', inner, 0), member('b', inner, 0)]);
      return inner;
    });
    expect(() => types.printValue(id, thing)).toThrow('more values than 32 bytes explain');
    const nothing = built((builder) => {
      const int = builder.addInt('int', { size: 4 });
      return builder.addArray(builder.addStruct('empty', 0, []), int, 0xffff_ffff);
    });
    expect(() => nothing.btf.printValue(nothing.id, thing)).toThrow('more values than 32 bytes explain');
  });
});

const header = '/usr/include/bpf/btf.h';
const compiler = (process.env['PATH'] ?? '')
  .split(path.delimiter)
  .map((folder) => path.join(folder, 'cc'))
  .find((file) => existsSync(file));
const libbpfTest = testIf(existsSync(header) && compiler !== undefined, 'libbpf-dev');

describe("libbpf's own text", () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'btf-print-'));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  function askLibbpf(types: Btf, ids: readonly number[], bytes: Uint8Array, flags: readonly string[]): string[] {
    const program = path.join(folder, 'libbpf-prints');
    if (!existsSync(program)) {
      const source = path.join(__dirname, '../../helpers/libbpf-prints.c');
      execFileSync(compiler ?? '', ['-Wall', '-Werror', '-o', program, source, '-lbpf'], { stdio: 'pipe' });
    }
    writeFileSync(path.join(folder, 'btf'), types.bytes);
    writeFileSync(path.join(folder, 'bytes'), bytes);
    const text = execFileSync(program, [path.join(folder, 'btf'), path.join(folder, 'bytes'), ...flags], {
      input: ids.join('\n'),
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    });
    return text.split('\n=\n').slice(0, -1);
  }

  /** Whether libbpf prints such values as they are: not of flexible arrays, of floats, nor of bytes, which it takes for text. */
  function isComparable(types: Btf, id: number, depth = 0): boolean {
    const type = types.type(types.skipModifiers(id));
    if (type.kind === BtfKind.STRUCT || type.kind === BtfKind.UNION) {
      return type.members.every(({ type: inner, bitOffset, bitSize }) => {
        // It reads bit-fields out of as many bytes as their type has, and enumerations that are not aligned out of none.
        const size = types.sizeOf(inner) * 8;
        if (bitSize !== 0) return (bitOffset % 8) + bitSize <= size;
        return bitOffset % (types.alignmentOf(inner) * 8) === 0 && isComparable(types, inner, depth + 1);
      });
    }
    if (type.kind === BtfKind.ARRAY) {
      return type.length > 0 && types.sizeOf(type.elementType) > 1 && isComparable(types, type.elementType, depth + 1);
    }
    // Behind the number of a signed enumeration it forgets the comma.
    if (type.kind === BtfKind.ENUM && type.signed) return false;
    return type.kind !== BtfKind.FLOAT && types.sizeOf(id) > 0;
  }

  /** What libbpf spells in another way, or in several. */
  function asOurs(text: string): string {
    return text
      .replaceAll('(nil)', '0x0')
      .replaceAll('(enum )', '(enum)')
      .replaceAll('* (*', '*(*')
      .replaceAll('(*)()', '(*)(void)')
      .replace(/(\w)\(\*\)\[/gu, '$1 (*)[');
  }

  function sample(types: Btf, most: number): number[] {
    const ids: number[] = [];
    for (let id = types.startId; id < types.endId; id++) {
      const kind = types.kind(id);
      if (kind !== BtfKind.STRUCT && kind !== BtfKind.UNION) continue;
      if (types.sizeOf(id) > 4_096 || types.sizeOf(id) === 0 || !isComparable(types, id)) continue;
      ids.push(id);
    }
    const step = Math.max(1, Math.floor(ids.length / most));
    return ids.filter((_, index) => index % step === 0);
  }

  function expectSameText(types: Btf, ids: readonly number[]): void {
    const bytes = Uint8Array.from({ length: 4_096 }, (_, index) => (index * 167 + (index >> 3)) & 0xff);
    // Without emit_zeroes it leaves out each nested struct whose first member is zero, whatever the others are.
    for (const [flags, options] of [
      [['emit_zeroes'], { zeros: true }],
      [['compact', 'emit_zeroes'], { compact: true, zeros: true }],
      [['compact', 'skip_names', 'emit_zeroes'], { compact: true, names: false, zeros: true }],
    ] as const) {
      const theirs = askLibbpf(types, ids, bytes, flags).map(asOurs);
      const ours = ids.map((id) => types.printValue(id, bytes.subarray(0, types.sizeOf(id)), options));
      // Lines tell more than texts of a thousand of them.
      const differing = ours.flatMap((text, index) => {
        const [mine, other] = [text.split('\n'), theirs[index]?.split('\n') ?? []];
        const at = mine.findIndex((line, row) => line !== other[row]);
        return at < 0 && mine.length === other.length
          ? []
          : [`${mine[at] ?? ''} <> ${other[at] ?? ''} in ${mine[0] ?? ''}`];
      });
      expect(differing).toEqual([]);
      expect(theirs).toHaveLength(ours.length);
    }
  }

  libbpfTest('of all comparable types of the samples', () => {
    for (const name of ['maps.bpf.o', 'core.bpf.o', 'newer_types.bpf.o', 'struct_ops.bpf.o']) {
      const types = parse(
        samples()
          .find((found) => found.name === name)
          ?.sections.get('.BTF') ?? new Uint8Array(),
      );
      expectSameText(types, sample(types, 1_000));
    }
  });

  const kernelTypes = '/sys/kernel/btf/vmlinux';
  const hasBoth = existsSync(kernelTypes) && existsSync(header) && compiler !== undefined;
  testIf(hasBoth, existsSync(kernelTypes) ? 'libbpf-dev' : 'kernel BTF')("of 500 of the kernel's types", () => {
    const types = parse(readFileSync(kernelTypes));
    const ids = sample(types, 500);
    expect(ids.length).toBeGreaterThan(400);
    expectSameText(types, ids);
  });
});
