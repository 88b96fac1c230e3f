import fc from 'fast-check';

import type { Btf } from '../../../lib/btf/index.js';
import { BtfBuilder, BtfExt, BtfKind, BtfLinkage, typeName } from '../../../lib/btf/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { metered } from '../../helpers/fuzz/meter.js';
import { everyKind, parse, samples } from './fixtures.js';

const member = (type: number, bitOffset = 0) => ({ name: '', type, bitOffset, bitSize: 0 });
const good = everyKind(true).builder.encode();

function patched(bytes: Uint8Array, ...patches: readonly [offset: number, value: number][]): Uint8Array {
  const copy = bytes.slice();
  const view = new DataView(copy.buffer);
  for (const [offset, value] of patches) view.setUint32(offset, value, true);
  return copy;
}

/** All that a reader may ask of a BTF; errors of the format are answers, any other error is a bug. */
function askEverything(btf: Btf): void {
  const attempt = (ask: () => unknown): boolean => {
    try {
      ask();
      return true;
    } catch (error) {
      if (!(error instanceof ObjectFormatError)) throw error;
      return false;
    }
  };
  const valid = attempt(() => {
    btf.validate();
  });
  attempt(() => btf.find('int'));
  attempt(() => btf.findByEssentialName('thing'));
  for (let id = 0; id < btf.endId; id++) {
    const read = attempt(() => btf.type(id));
    if (valid && !read) throw new Error(`validate found nothing wrong, and type ${id} cannot be read`);
    attempt(() => btf.skipModifiers(id));
    attempt(() => btf.sizeOf(id));
    attempt(() => btf.alignmentOf(id));
    attempt(() => typeName(btf, id));
  }
}

describe('a malformed header', () => {
  const length = good.byteLength;
  test.each<[string, Uint8Array, number, string]>([
    ['nothing', new Uint8Array(), 0, 'a BTF header has 24 bytes, here are 0'],
    ['half a header', good.subarray(0, 23), 0, 'a BTF header has 24 bytes, here are 23'],
    ['another file', new Uint8Array(64).fill(0x41), 0, 'this is not BTF: it starts with 0x4141, not 0xeb9f'],
    ['version 2', patched(good, [0, 0x0002eb9f]), 2, 'BTF version 2 is not supported, only 1 is'],
    ['flags', patched(good, [0, 0x8001eb9f]), 3, 'BTF flags 0x80 are not supported'],
    ['a short header length', patched(good, [4, 8]), 4, `the header claims 8 bytes, it must have 24 to ${length}`],
    [
      'a header longer than the data',
      patched(good, [4, length + 1]),
      4,
      `the header claims ${length + 1} bytes, it must have 24 to ${length}`,
    ],
    [
      'types past the end',
      patched(good, [12, 0xffff_fffc]),
      8,
      `the types claim bytes 24 to 4294967316, the data ends at ${length}`,
    ],
    ['types at 4 GiB', patched(good, [8, 0xffff_fffc]), 8, 'the types claim bytes 4294967316'],
    ['strings past the end', patched(good, [20, 0xffff_ffff]), 16, 'the strings claim bytes'],
    ['types out of step', patched(good, [8, 1]), 8, 'the types start at 25, which is not a multiple of 4'],
    ['types of odd length', patched(good, [12, 13]), 36, 'the types have 13 bytes, not a multiple of 4'],
    ['overlap', patched(good, [16, 8]), 16, 'types and strings overlap'],
    ['no strings', patched(good, [20, 0]), 20, 'there are no strings, not even the empty one'],
  ])('%s', (_, bytes, offset, message) => {
    const error = refusal(bytes);
    expect(error.message).toContain(message);
    expect(error).toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT', object: 'test.o', section: '.BTF', offset });
  });

  test('strings that do not start or end with NUL', () => {
    const start = new DataView(good.buffer).getUint32(16, true) + 24;
    const first = good.slice();
    first[start] = 0x41;
    expect(refusal(first).message).toContain('the first string is not empty');
    const last = good.slice();
    last[last.length - 1] = 0x41;
    expect(refusal(last).message).toContain('the last string has no terminating NUL');
  });

  test('cut off anywhere', () => {
    for (let end = 0; end < good.byteLength; end++) expect(refusal(good.subarray(0, end)).section).toBe('.BTF');
  });
});

function refusal(bytes: Uint8Array): ObjectFormatError {
  try {
    parse(bytes);
  } catch (error) {
    if (error instanceof ObjectFormatError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

describe('malformed types', () => {
  test.each<[string, number, string]>([
    ['kind 0', 0, 'offset 28: type 1 is of kind 0, which no type can be'],
    ['kind 20', 20 << 24, 'offset 28: type 1 is of kind 20, newer than this reader, which knows kinds up to 19'],
    ['kind 127', 0x7f00_0000, 'type 1 is of kind 127'],
    ['members past the end', 0x0400_ffff, 'offset 24: type 1 (STRUCT, 65535 items) extends past the end of the types'],
    ['as many members as fit the field', 0x04ff_ffff, 'type 1 (STRUCT, 16777215 items) extends past the end'],
  ])('%s', (_, info, message) => {
    expect(refusal(patched(good, [28, info])).message).toContain(message);
  });

  test('half a type at the end', () => {
    const strings = new DataView(good.buffer).getUint32(20, true);
    const builder = new BtfBuilder({ littleEndian: true });
    builder.addPointer(0);
    const bytes = builder.encode();
    expect(strings).toBeGreaterThan(0);
    // 12 bytes of types become 8, the rest is a gap.
    expect(refusal(patched(bytes, [12, 8])).message).toContain('type 1 (PTR, 0 items) extends past the end');
  });

  test('a name outside the strings is no name to queries and an error to readers', () => {
    const btf = parse(patched(good, [24, 0xffff_fff0]));
    expect(btf.find('thing')).toBeDefined();
    expect(() => btf.nameOf(1)).toThrow('string offset 4294967280 lies outside the strings');
    expect(() => btf.type(1)).toThrow(ObjectFormatError);
    expect(() => {
      btf.validate();
    }).toThrow('type 1 has a name at string offset 4294967280');
    expect(typeName(btf, 1)).toBe('(malformed type 1)');
  });

  test.each([-1, 0.5, NaN, 1e9, 0xffff_ffff])('there is no type %p', (id) => {
    const btf = parse(good);
    for (const ask of [
      () => btf.kind(id),
      () => btf.type(id),
      () => btf.nameOf(id),
      () => btf.sizeOf(id),
      () => btf.alignmentOf(id),
      () => btf.skipModifiers(id),
    ]) {
      expect(ask).toThrow(`there is no type ${id}; the ids end at ${btf.endId - 1}`);
    }
    expect(typeName(btf, id)).toBe(`(no type ${id})`);
  });
});

describe('types that contain themselves', () => {
  const build = (add: (builder: BtfBuilder) => unknown): Btf => {
    const builder = new BtfBuilder({ littleEndian: true });
    add(builder);
    return parse(builder.encode());
  };
  test.each<[string, Btf]>([
    ['a typedef of itself', build((builder) => builder.addTypedef('t', 1))],
    ['two typedefs of each other', build((builder) => [builder.addTypedef('a', 2), builder.addTypedef('b', 1)])],
    ['const and volatile', build((builder) => [builder.addConst(2), builder.addVolatile(1)])],
    ['an array of itself', build((builder) => builder.addArray(1, 1, 2))],
    ['a struct', build((builder) => builder.addStruct('s', 8, [member(1)]))],
    [
      'a struct through an array and a typedef',
      build((builder) => [
        builder.addStruct('s', 8, [member(2)]),
        builder.addArray(3, 3, 1),
        builder.addTypedef('t', 1),
      ]),
    ],
    ['a variable', build((builder) => builder.addVariable('v', 1, 1))],
  ])('%s', (_, btf) => {
    expect(() => {
      btf.validate();
    }).toThrow(ObjectFormatError);
    expect(() => btf.alignmentOf(1)).toThrow(/contains itself/);
    expect(() => typeName(btf, 1)).not.toThrow();
    askEverything(btf);
  });

  test('pointers to themselves are refused by validate and named in bounded length', () => {
    const btf = build((builder) => [builder.addPointer(2), builder.addPointer(1)]);
    expect(() => {
      btf.validate();
    }).toThrow('type 1 refers to nothing but itself');
    expect(typeName(btf, 1).length).toBeLessThan(600);
  });

  test('a list whose nodes point at each other is fine', () => {
    const btf = build((builder) => [builder.addStruct('node', 8, [member(2)]), builder.addPointer(1)]);
    expect(() => {
      btf.validate();
    }).not.toThrow();
    expect([btf.sizeOf(1), btf.alignmentOf(1)]).toEqual([8, 8]);
  });

  test('100,000 typedefs in a row are refused without a deep stack, at once', () => {
    const btf = build((builder) => {
      for (let id = 1; id < 100_000; id++) builder.addTypedef('t', id + 1);
      builder.addInt('int', { size: 4 });
    });
    expect(() => btf.sizeOf(1)).toThrow('type 1 contains itself, or is nested deeper than 128 types');
    expect(() => btf.skipModifiers(1)).toThrow(ObjectFormatError);
    expect(() => btf.alignmentOf(1)).toThrow(ObjectFormatError);
    expect(btf.sizeOf(100_000 - 100)).toBe(4);
    expect(() => {
      btf.validate();
    }).not.toThrow();
  });

  test('function prototypes of themselves are named in bounded length', () => {
    const btf = build((builder) =>
      builder.addFunctionPrototype(
        1,
        Array.from({ length: 2_000 }, () => ({ name: '', type: 1 })),
      ),
    );
    expect(typeName(btf, 1).length).toBeLessThan(600);
  });
});

describe('validate refuses', () => {
  test.each<[string, (builder: BtfBuilder, int: number) => unknown, string]>([
    ['a pointer to nowhere', (b) => b.addPointer(999), 'type 2 refers to type 999; the ids end at 2'],
    ['an array of nowhere', (b, int) => b.addArray(int, 7, 1), 'type 2 refers to type 7'],
    ['an int of 3 bytes', (b) => b.addInt('x', { size: 3 }), 'type 2 (INT) has 3 bytes'],
    ['more bits than bytes', (b) => b.addInt('x', { size: 1, bits: 9 }), 'type 2 has 9 bits in 1 bytes'],
    [
      'a member past the end',
      (b, int) => b.addStruct('s', 4, [member(int, 8)]),
      'member 0 of type 2 takes bits 8 to 40, the type has 4 bytes',
    ],
    [
      'a bit-field past the end',
      (b, int) => b.addStruct('s', 4, [{ name: 'f', type: int, bitOffset: 30, bitSize: 3 }]),
      'member 0 of type 2 takes bits 30 to 33, the type has 4 bytes',
    ],
    ['a member of type void', (b) => b.addStruct('s', 4, [member(0)]), 'type 0 has no size: it is VOID'],
    ['an enum of 3 bytes', (b) => b.addEnum('e', { size: 3, values: [] }), 'type 2 (ENUM) has 3 bytes'],
    ['an enum64 of 16 bytes', (b) => b.addEnum64('e', { size: 16, values: [] }), 'type 2 (ENUM64) has 16 bytes'],
    [
      'a function that is an int',
      (b, int) => b.addFunction('f', int, 0),
      'type 2 is a function of type 1, which is no FUNC_PROTO',
    ],
    ['a linkage of 3', (b, int) => b.addVariable('v', int, 3), 'type 2 has the unknown linkage 3'],
    [
      'a void parameter that is not the last',
      (b, int) =>
        b.addFunctionPrototype(0, [
          { name: '', type: 0 },
          { name: '', type: int },
        ]),
      'type 2 has a parameter of type void',
    ],
    [
      'a section of ints',
      (b, int) => b.addDataSection('.data', 4, [{ type: int, offset: 0, size: 4 }]),
      'entry 0 of the section that is type 2 is INT, not a variable',
    ],
    [
      'a variable past the end of its section',
      (b, int) => {
        const variable = b.addVariable('v', int, 1);
        b.addDataSection('.data', 4, [{ type: variable, offset: 0xffff_ffff, size: 0xffff_ffff }]);
      },
      'entry 0 of the section that is type 3 ends at 8589934590, the section at 4',
    ],
    ['a float of 5 bytes', (b) => b.addFloat('f', 5), 'type 2 (FLOAT) has 5 bytes'],
    ['a tag of component -2', (b, int) => b.addDeclarationTag('t', int, -2), 'type 2 tags component -2'],
  ])('%s', (_, add, message) => {
    const builder = new BtfBuilder({ littleEndian: true });
    add(builder, builder.addInt('int', { size: 4 }));
    const btf = parse(builder.encode());
    expect(() => {
      btf.validate();
    }).toThrow(
      expect.objectContaining({ section: '.BTF', message: expect.stringContaining(message) as string }) as Error,
    );
    askEverything(btf);
  });
});

describe('bounded time and memory', () => {
  /** 10,000 types, each named by another suffix of one string that is one megabyte long. */
  function suffixes(unit: string): Uint8Array {
    const builder = new BtfBuilder({ littleEndian: true });
    const text = unit.repeat(Math.floor(1_000_000 / unit.length));
    const offset = builder.string(text);
    for (let index = 0; index < 10_000; index++) builder.addForward('');
    const bytes = builder.encode();
    const view = new DataView(bytes.buffer);
    for (let index = 0; index < 10_000; index++) view.setUint32(24 + index * 12, offset + index, true);
    return bytes;
  }

  test.each(['x', 'a___'])(
    'names that are all suffixes of %j repeated',
    (unit) => {
      const btf = parse(suffixes(unit));
      expect(btf.find('no such name')).toBeUndefined();
      expect(btf.findByEssentialName('a')).toEqual([]);
      // 10,000 copies of up to a megabyte are not made.
      expect(() => {
        for (let id = 1; id < btf.endId; id++) btf.nameOf(id);
      }).toThrow('the strings overlap so often that this file cannot have been made by a compiler');
      btf.validate();
    },
    10_000,
  );

  test('one name for 100,000 types', () => {
    const builder = new BtfBuilder({ littleEndian: true });
    for (let index = 0; index < 100_000; index++) builder.addForward('same');
    const btf = parse(builder.encode());
    expect(btf.findAll('same')).toHaveLength(100_000);
    expect(btf.find('same')).toBe(1);
    expect(btf.find('same', BtfKind.STRUCT)).toBeUndefined();
  });

  test('a struct of the largest count in few bytes allocates nothing', () => {
    const bytes = patched(good, [28, 0x04ff_ffff]);
    const cost = metered(1_000, () => {
      expect(() => parse(bytes)).toThrow(ObjectFormatError);
    });
    expect(cost.allocated).toBeLessThan(10 * bytes.byteLength);
  });
});

describe('mutations', () => {
  const objects = samples().map(({ sections }) => ({
    btf: sections.get('.BTF') ?? good,
    ext: sections.get('.BTF.ext') ?? new Uint8Array(),
  }));
  objects.push({ btf: good, ext: new Uint8Array() }, { btf: everyKind(false).builder.encode(), ext: new Uint8Array() });

  const mutation = fc.record({
    at: fc.nat(),
    value: fc.oneof(
      fc.constantFrom(0, 1, 0xff, 0xffff, 0xff_ffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff),
      fc.nat(64),
      fc.integer({ min: 0, max: 0xffff_ffff }),
    ),
    bytes: fc.constantFrom(1, 4),
  });
  const damage = fc.record({
    object: fc.nat(objects.length - 1),
    mutations: fc.array(mutation, { minLength: 1, maxLength: 4 }),
    cut: fc.option(fc.nat(), { freq: 8 }),
    inExt: fc.boolean(),
  });

  function damaged(bytes: Uint8Array, { mutations, cut }: Pick<Damage, 'mutations' | 'cut'>): Uint8Array {
    const copy = bytes.slice(0, cut === null ? bytes.byteLength : cut % (bytes.byteLength + 1));
    const view = new DataView(copy.buffer);
    for (const { at, value, bytes: width } of mutations) {
      if (copy.byteLength < 4) break;
      const offset = at % (copy.byteLength - 3);
      if (width === 1) view.setUint8(offset, value & 0xff);
      else view.setUint32(offset & ~3, value, true);
    }
    return copy;
  }
  type Damage = typeof damage extends fc.Arbitrary<infer T> ? T : never;

  test('of real objects are answered or refused, with little work and memory', () => {
    fc.assert(
      fc.property(damage, (change) => {
        const object = objects[change.object] ?? { btf: good, ext: new Uint8Array() };
        const cost = metered(5_000_000, () => {
          try {
            const btf = parse(change.inExt ? object.btf : damaged(object.btf, change));
            if (!change.inExt) askEverything(btf);
            if (object.ext.byteLength > 0) {
              BtfExt.parse(change.inExt ? damaged(object.ext, change) : object.ext, btf, { name: 'test.o' });
            }
          } catch (error) {
            if (!(error instanceof ObjectFormatError)) throw error;
          }
        });
        expect(cost.allocated).toBeLessThan(1_000_000);
      }),
      { numRuns: 1_500 },
    );
  }, 60_000);

  test('linkage constants are what the kernel calls them', () => {
    expect(BtfLinkage).toEqual({ STATIC: 0, GLOBAL: 1, EXTERN: 2 });
  });
});
