import { existsSync, readFileSync } from 'node:fs';

import fc from 'fast-check';

import { Btf, BtfBuilder, BtfKind, BtfLinkage, type BtfType } from '../../../lib/btf/index.js';
import { ObjectFormatError, UsageError } from '../../../lib/errors/index.js';
import { testIf } from '../../helpers/skip.js';
import { allTypes, everyKind, parse, samples } from './fixtures.js';

const plain = (name: string, type: number, bitOffset = 0) => ({ name, type, bitOffset, bitSize: 0 });
const build = (): BtfBuilder => new BtfBuilder({ littleEndian: true });
const deduplicated = (builder: BtfBuilder): Btf => parse(builder.encode()).deduplicate().btf;
const kinds = (btf: Btf): string[] => (allTypes(btf) as BtfType[]).map(({ kind, name }) => `${kind} ${name}`);

function merged(parts: readonly Btf[]): Btf {
  const builder = new BtfBuilder({ littleEndian: parts[0]?.littleEndian ?? true });
  for (const part of parts) builder.addAll(part);
  return parse(builder.encode());
}

describe('what is merged', () => {
  test('integers, floats, enumerations and what refers to them', () => {
    const builder = build();
    for (let round = 0; round < 2; round++) {
      const int = builder.addInt('int', { size: 4, signed: true });
      builder.addFloat('double', 8);
      builder.addEnum('colour', { values: [{ name: 'RED', value: 1 }] });
      builder.addTypedef('number', builder.addConst(builder.addVolatile(builder.addRestrict(builder.addPointer(int)))));
      builder.addArray(builder.addTypeTag('user', int), int, 3);
      const prototype = builder.addFunctionPrototype(int, [{ name: 'a', type: int }]);
      builder.addDeclarationTag('tag', builder.addFunction('f', prototype, BtfLinkage.GLOBAL));
    }
    const { btf, ids } = parse(builder.encode()).deduplicate();
    expect(btf.endId - 1).toBe((builder.nextId - 1) / 2);
    expect([...ids.subarray(btf.endId)]).toEqual([...ids.subarray(1, btf.endId)]);
    expect([...ids.subarray(0, btf.endId)]).toEqual(Array.from({ length: btf.endId }, (_, id) => id));
  });

  test('not what differs in the least', () => {
    const builder = build();
    const int = builder.addInt('int', { size: 4, signed: true });
    builder.addInt('int', { size: 4 });
    builder.addEnum('colour', { values: [{ name: 'RED', value: 1 }] });
    builder.addEnum('colour', { values: [{ name: 'RED', value: 2 }] });
    builder.addStruct('s', 8, [plain('a', int)]);
    builder.addStruct('s', 8, [plain('a', int, 32)]);
    builder.addStruct('s', 8, [plain('b', int)]);
    builder.addUnion('s', 8, [plain('a', int)]);
    builder.addArray(int, int, 3);
    builder.addArray(int, int, 4);
    builder.addFunctionPrototype(int, [{ name: 'a', type: int }]);
    builder.addFunctionPrototype(int, [{ name: 'b', type: int }]);
    expect(deduplicated(builder).endId).toBe(builder.nextId);
  });

  test('variables and data sections never are', () => {
    const builder = build();
    const int = builder.addInt('int', { size: 4 });
    for (let round = 0; round < 2; round++) {
      const variable = builder.addVariable('v', int, BtfLinkage.GLOBAL);
      builder.addDataSection('.bss', 4, [{ type: variable, offset: 0, size: 4 }]);
    }
    expect(deduplicated(builder).endId).toBe(builder.nextId);
  });

  test('an enumeration that is only declared', () => {
    for (const order of [0, 1]) {
      const builder = build();
      const add = [
        () => builder.addEnum('e', { values: [] }),
        () => builder.addEnum64('e', { values: [{ name: 'BIG', value: 1n << 40n }] }),
      ];
      for (const index of [order, 1 - order]) builder.addPointer(add[index]?.() ?? 0);
      expect(kinds(deduplicated(builder)).sort()).toEqual(['19 e', '2 ']);
      expect(deduplicated(builder).endId).toBe(3);
    }
  });
});

describe('structs', () => {
  /** A list of things in two compilation units; in the second what the list points to may be unknown. */
  function unit(builder: BtfBuilder, known: boolean, member = 'value'): void {
    const int = builder.addInt('int', { size: 4 });
    const list = builder.nextId;
    builder.addStruct('list', 16, [plain('next', list + 1), plain('thing', list + 2, 64)]);
    builder.addPointer(list);
    builder.addPointer(list + 3);
    if (known) builder.addStruct('thing', 16, [plain(member, int), plain('list', list + 1, 64)]);
    else builder.addForward('thing');
  }

  test('that lead back to themselves', () => {
    const builder = build();
    unit(builder, true);
    unit(builder, true);
    expect(kinds(deduplicated(builder))).toEqual(['1 int', '4 list', '2 ', '2 ', '4 thing']);
  });

  test.each([
    [true, false],
    [false, true],
  ])('a forward declaration stands for the struct of its name (%s, %s)', (first, second) => {
    const builder = build();
    unit(builder, first);
    unit(builder, second);
    expect(kinds(deduplicated(builder)).sort()).toEqual(['1 int', '2 ', '2 ', '4 list', '4 thing']);
  });

  test('that lead to different ones stay apart', () => {
    const builder = build();
    unit(builder, true, 'value');
    unit(builder, true, 'other');
    expect(kinds(deduplicated(builder)).filter((name) => name === '4 list')).toHaveLength(2);
  });

  test('a declaration that nothing else decides is resolved by its name, unless that is ambiguous', () => {
    for (const [count, expected] of [
      [1, ['1 int', '4 thing', '2 ']],
      [2, ['1 int', '7 thing', '2 ', '4 thing', '4 thing']],
    ] as const) {
      const builder = build();
      const int = builder.addInt('int', { size: 4 });
      builder.addPointer(builder.addForward('thing'));
      builder.addForward('thing', { union: true });
      for (let index = 0; index < count; index++) builder.addStruct('thing', 4 + index * 4, [plain('a', int)]);
      expect(
        kinds(deduplicated(builder))
          .filter((name) => name !== '7 thing' || count === 2)
          .sort(),
      ).toEqual([...expected, ...(count === 2 ? ['7 thing'] : [])].sort());
    }
  });

  test('an array that one unit describes twice does not keep structs apart', () => {
    const builder = build();
    const int = builder.addInt('int', { size: 4 });
    const once = builder.addArray(int, int, 2);
    builder.addStruct('s', 16, [plain('a', once), plain('b', once, 64)]);
    builder.addStruct('s', 16, [
      plain('a', builder.addArray(int, int, 2)),
      plain('b', builder.addArray(int, int, 2), 64),
    ]);
    // The struct refers to arrays that come before it.
    expect(kinds(deduplicated(builder))).toEqual(['1 int', '3 ', '4 s']);
  });
});

describe('two units with a struct of one member', () => {
  type Make = (builder: BtfBuilder, int: number) => number;
  const cases: readonly (readonly [what: string, first: Make, second: Make, structs: number])[] = [
    ['a struct and a declared one', (b, int) => b.addStruct('x', 4, [plain('a', int)]), (b) => b.addForward('x'), 1],
    [
      'a struct and a declared union',
      (b, int) => b.addStruct('x', 4, [plain('a', int)]),
      (b) => b.addForward('x', { union: true }),
      2,
    ],
    ['a declared struct and a declared union', (b) => b.addForward('x'), (b) => b.addForward('x', { union: true }), 2],
    [
      'an enumeration and a declared one',
      (b) => b.addEnum('e', { values: [{ name: 'A', value: 1 }] }),
      (b) => b.addEnum('e', { values: [] }),
      1,
    ],
    [
      'nameless enumerations, one of nothing',
      (b) => b.addEnum('', { values: [{ name: 'A', value: 1 }] }),
      (b) => b.addEnum('', { values: [] }),
      2,
    ],
    [
      'enumerations of two sizes, one declared',
      (b) => b.addEnum64('e', { values: [{ name: 'A', value: 1n << 40n }] }),
      (b) => b.addEnum('e', { values: [] }),
      1,
    ],
    [
      'enumerations of two sizes',
      (b) => b.addEnum64('e', { values: [{ name: 'A', value: 1n }] }),
      (b) => b.addEnum('e', { values: [{ name: 'A', value: 1 }] }),
      2,
    ],
    [
      'nameless enumerations of two sizes, one of nothing',
      (b) => b.addEnum64('', { values: [{ name: 'A', value: 1n }] }),
      (b) => b.addEnum('', { values: [] }),
      2,
    ],
    ['an integer and an enumeration', (b) => b.addInt('e', { size: 4 }), (b) => b.addEnum('e', { values: [] }), 2],
    ['an integer and a typedef', (b, int) => b.addTypedef('x', int), (b) => b.addInt('x', { size: 4 }), 2],
    ['prototypes', (b) => b.addFunctionPrototype(0, [{ name: 'a', type: 0 }]), (b) => b.addFunctionPrototype(0, []), 2],
    [
      'prototypes of other names',
      (b, int) => b.addFunctionPrototype(0, [{ name: 'a', type: int }]),
      (b, int) => b.addFunctionPrototype(0, [{ name: 'b', type: int }]),
      2,
    ],
    ['arrays', (b, int) => b.addArray(int, int, 2), (b, int) => b.addArray(int, int, 3), 2],
    ['the same arrays', (b, int) => b.addArray(int, int, 2), (b, int) => b.addArray(int, int, 2), 1],
    ['tags', (b, int) => b.addTypeTag('a', int), (b, int) => b.addTypeTag('a', int, { attribute: true }), 2],
  ];

  test.each(cases)('%s', (_, first, second, structs) => {
    for (const makes of [
      [first, second],
      [second, first],
    ]) {
      const builder = build();
      const int = builder.addInt('int', { size: 4 });
      for (const make of makes) {
        // The struct comes before what its member is, as clang writes it.
        const struct = builder.nextId;
        builder.addStruct('s', 8, [plain('p', struct + 1)]);
        builder.addPointer(struct + 2);
        expect(make(builder, int)).toBe(struct + 2);
      }
      const found = kinds(parse(builder.encode()).deduplicate().btf).filter((name) => name === '4 s');
      expect(found).toHaveLength(structs);
    }
  });
});

describe('what one unit describes twice', () => {
  type Make = (builder: BtfBuilder, int: number, variant: number) => number;
  const makers: readonly (readonly [what: string, make: Make])[] = [
    ['struct', (b, int, v) => b.addStruct('x', 8, [plain(v === 1 ? 'other' : 'a', int)])],
    ['struct of another size', (b, int, v) => b.addStruct('x', v === 1 ? 16 : 8, [plain('a', int)])],
    ['struct of another name', (b, int, v) => b.addStruct(v === 1 ? 'y' : 'x', 8, [plain('a', int)])],
    ['union', (b, int, v) => b.addUnion('x', 8, [plain('a', int, v === 1 ? 1 : 0)])],
    ['array', (b, int, v) => b.addArray(int, int, v === 1 ? 3 : 2)],
    ['array of others', (b, int, v) => b.addArray(v === 1 ? b.addFloat('double', 4) : int, int, 2)],
    ['struct of others', (b, int, v) => b.addStruct('x', 8, [plain('a', v === 1 ? b.addFloat('double', 4) : int)])],
    ['union of another size', (b, int, v) => b.addUnion('x', v === 1 ? 8 : 4, [plain('a', int)])],
    ['prototype that returns others', (b, int, v) => b.addFunctionPrototype(v === 1 ? 0 : int, [])],
    ['prototype that takes others', (b, int, v) => b.addFunctionPrototype(0, [{ name: 'a', type: v === 1 ? 0 : int }])],
    ['typedef of others', (b, int, v) => b.addTypedef('t', v === 1 ? 0 : int)],
    ['const of others', (b, int, v) => b.addConst(v === 1 ? 0 : int)],
    ['volatile of others', (b, int, v) => b.addVolatile(v === 1 ? 0 : int)],
    ['restrict of others', (b, int, v) => b.addRestrict(v === 1 ? 0 : int)],
    ['type tag of another name', (b, int, v) => b.addTypeTag(v === 1 ? 'rcu' : 'user', int)],
    ['type tag of others', (b, int, v) => b.addTypeTag('user', v === 1 ? 0 : int)],
    ['prototype', (b, int, v) => b.addFunctionPrototype(int, [{ name: v === 1 ? 'b' : 'a', type: int }])],
    ['prototype of more', (b, int, v) => b.addFunctionPrototype(int, v === 1 ? [] : [{ name: 'a', type: int }])],
    ['pointer', (b, int, v) => b.addPointer(v === 1 ? b.addFloat('double', 8) : int)],
    ['typedef', (b, int, v) => b.addTypedef(v === 1 ? 'u' : 't', int)],
    ['const', (b, int, v) => (v === 1 ? b.addVolatile(int) : b.addConst(int))],
    ['restrict', (b, int, v) => (v === 1 ? b.addConst(int) : b.addRestrict(int))],
    ['type tag', (b, int, v) => b.addTypeTag('user', int, { attribute: v === 1 })],
    ['enumeration', (b, _, v) => b.addEnum('e', { values: [{ name: 'A', value: v }] })],
    ['integer', (b, _, v) => b.addInt('long', { size: 8, signed: v === 1 })],
  ];

  /** How many types a maker adds before the one that it returns. */
  function typesBefore(make: Make, variant: number): number {
    const builder = build();
    return make(builder, builder.addInt('int', { size: 4 }), variant) - 2;
  }

  /** Two units with a struct of two members; in the second their types are described apart, the second maybe differently. */
  function units(make: Make, variant: number, [p, q]: readonly [number, number]): Btf {
    const builder = build();
    const int = builder.addInt('int', { size: 4 });
    for (const copies of [1, 2]) {
      const struct = builder.nextId;
      // The struct comes before what its members are, as clang writes it.
      builder.addStruct('s', 16, [plain('p', struct + p), plain('q', struct + q, 64)]);
      builder.addPointer(struct + 3);
      builder.addPointer(struct + 3 + (copies === 2 ? 2 + typesBefore(make, variant) : 0));
      expect(make(builder, int, 0)).toBe(struct + 3);
      if (copies === 1) continue;
      // What the second refers to is described apart as well.
      const own = builder.addInt('int', { size: 4 });
      expect(make(builder, own, variant)).toBe(struct + 5 + typesBefore(make, variant));
    }
    return parse(builder.encode());
  }

  const structs = (btf: Btf): number => kinds(btf.deduplicate().btf).filter((name) => name === '4 s').length;

  // Which is compared with the first unit's, and which with that one then, is not said.
  test.each(
    makers.flatMap(([what, make]) => [[what, 'last', make, [1, 2]] as const, [what, 'first', make, [2, 1]] as const]),
  )('a %s, %s: the same keeps nothing apart, another does', (_, __, make, members) => {
    expect([structs(units(make, 0, members)), structs(units(make, 1, members))]).toEqual([1, 2]);
  });

  // What cannot be compared stays apart, which is never wrong.
  test.each([
    [16, 1],
    [17, 2],
  ])('%i pointers deep: structs are %i', (depth, count) => {
    const builder = build();
    const int = builder.addInt('int', { size: 4 });
    const pointers = (): number => {
      let id = int;
      for (let level = 0; level < depth; level++) id = builder.addPointer(id);
      return id;
    };
    const once = pointers();
    builder.addStruct('s', 16, [plain('p', once), plain('q', once, 64)]);
    builder.addStruct('s', 16, [plain('p', pointers()), plain('q', pointers(), 64)]);
    expect(structs(parse(builder.encode()))).toBe(count);
  });
});

describe('an enumeration that is only declared, behind structs', () => {
  const values = [{ name: 'A', value: 1 }];

  test.each<readonly [what: string, declared: string, add: (builder: BtfBuilder) => number, own: number]>([
    ['is what the base declares', 'e', (b) => b.addEnum('e', { values }), 0],
    ['is of any size', 'e', (b) => b.addEnum64('e', { values: [{ name: 'A', value: 1n << 40n }] }), 0],
    ['has a name', '', (b) => b.addEnum('', { values }), 1],
    ['has its own name', 'other', (b) => b.addEnum('e', { values }), 1],
  ])('%s', (_, declared, add, own) => {
    const base = build();
    base.addStruct('s', 8, [plain('p', base.addPointer(base.addEnum(declared, { values: [] })))]);
    const parsed = parse(base.encode());
    const builder = new BtfBuilder({ littleEndian: true, base: parsed });
    builder.addStruct('s', 8, [plain('p', builder.addPointer(add(builder)))]);
    const { btf } = parse(builder.encode(), parsed).deduplicate();
    // The base is as it was: that the struct is its own is all that can be said.
    expect(kinds(btf).filter((name) => name === '4 s')).toHaveLength(own);
  });

  test('is any one of its name, where there are two', () => {
    const builder = build();
    builder.addEnum('e', { values });
    for (const each of [[{ name: 'B', value: 2 }], []]) {
      builder.addStruct('s', 8, [plain('p', builder.addPointer(builder.addEnum('e', { values: each })))]);
    }
    expect(kinds(deduplicated(builder)).filter((name) => name === '4 s')).toHaveLength(1);
  });

  test('is none that has values, where the base has others', () => {
    const base = build();
    base.addStruct('s', 8, [plain('p', base.addPointer(base.addEnum('e', { values })))]);
    const parsed = parse(base.encode());
    const builder = new BtfBuilder({ littleEndian: true, base: parsed });
    builder.addStruct('s', 8, [
      plain('p', builder.addPointer(builder.addEnum('e', { values: [{ name: 'A', value: 2 }] }))),
    ]);
    expect(kinds(parse(builder.encode(), parsed).deduplicate().btf)).toContain('4 s');
  });
});

test('split BTF is merged into its base, which stays as it is', () => {
  const base = parse(everyKind(true).builder.encode());
  const builder = new BtfBuilder({ littleEndian: true, base });
  const int = builder.addInt('int', { size: 4, signed: true });
  const pointer = builder.addPointer(int);
  builder.addStruct('own', 8, [plain('p', pointer)]);
  const { btf, ids } = parse(builder.encode(), base).deduplicate();
  expect(btf.base).toBe(base);
  expect(kinds(btf)).toEqual(['4 own']);
  expect(ids[int]).toBe(base.find('int'));
  expect(btf.type(base.endId)).toMatchObject({ members: [{ name: 'p', type: ids[pointer] }] });
  expect(() => new BtfBuilder({ littleEndian: true }).addAll(btf)).toThrow(UsageError);
});

test('types that refer to nothing but themselves are refused, and so are ids that do not exist', () => {
  const loop = build();
  loop.addPointer(2);
  loop.addConst(1);
  expect(() => deduplicated(loop)).toThrow(ObjectFormatError);
  const outside = build();
  outside.addPointer(77);
  expect(() => deduplicated(outside)).toThrow(ObjectFormatError);
});

describe('random graphs', () => {
  const target = fc.integer({ min: 0, max: 11 });
  const name = fc.constantFrom('', 'a', 'b', 'c');
  const node = fc.oneof(
    fc.record({ make: fc.constant('pointer' as const), name, to: fc.array(target, { minLength: 1, maxLength: 1 }) }),
    fc.record({ make: fc.constant('const' as const), name, to: fc.array(target, { minLength: 1, maxLength: 1 }) }),
    fc.record({ make: fc.constant('typedef' as const), name, to: fc.array(target, { minLength: 1, maxLength: 1 }) }),
    fc.record({ make: fc.constant('struct' as const), name, to: fc.array(target, { maxLength: 3 }) }),
    fc.record({ make: fc.constant('prototype' as const), name, to: fc.array(target, { minLength: 1, maxLength: 3 }) }),
    fc.record({ make: fc.constant('forward' as const), name, to: fc.constant([0]) }),
  );
  type Node = typeof node extends fc.Arbitrary<infer T> ? T : never;

  /** Twelve types; only structs may lead to later ones, so that none refers to nothing but itself. */
  function add(builder: BtfBuilder, nodes: readonly Node[]): void {
    const first = builder.addInt('int', { size: 4 });
    nodes.forEach(({ make, name: called, to }, index) => {
      const ids = to.map((id) => first + (make === 'struct' ? id % nodes.length : id % (index + 1)));
      const [id = first] = ids;
      if (make === 'pointer') builder.addPointer(id);
      else if (make === 'const') builder.addConst(id);
      else if (make === 'typedef') builder.addTypedef(called === '' ? 't' : called, id);
      else if (make === 'forward') builder.addForward(called === '' ? 'f' : called);
      else if (make === 'prototype')
        builder.addFunctionPrototype(
          id,
          ids.slice(1).map((type) => ({ name: called, type })),
        );
      else
        builder.addStruct(
          called,
          8,
          ids.map((type, member) => plain(`m${member}`, type, member)),
        );
    });
  }

  /** Whether each old type and its new one lead to the same, a declaration and its struct being the same. */
  function expectSame(old: Btf, { btf, ids }: { btf: Btf; ids: Uint32Array }): void {
    for (let id = 1; id < old.endId; id++) {
      const before = old.type(id);
      const after = btf.type(ids[id] ?? 0);
      expect(after.name).toBe(before.name);
      if (before.kind !== BtfKind.FWD) expect(after.kind).toBe(before.kind);
      else expect([BtfKind.FWD, BtfKind.STRUCT]).toContain(after.kind);
      if (after.kind !== before.kind) continue;
      // References first seen elsewhere are the ids of the same types.
      const moved = (type: BtfType, move: (id: number) => number): unknown[] => {
        switch (type.kind) {
          case BtfKind.STRUCT:
            return type.members.map((member) => [member.name, member.bitOffset, move(member.type)]);
          case BtfKind.FUNC_PROTO:
            return [
              move(type.returnType),
              ...type.parameters.map((parameter) => [parameter.name, move(parameter.type)]),
            ];
          case BtfKind.PTR:
          case BtfKind.CONST:
          case BtfKind.TYPEDEF:
            return [move(type.type)];
          default:
            return [];
        }
      };
      expect(moved(after, (reference) => reference)).toEqual(moved(before, (reference) => ids[reference] ?? 0));
    }
  }

  test('mean what they meant, and merging again changes nothing', () => {
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 12 }), (nodes) => {
        const builder = build();
        add(builder, nodes);
        const old = parse(builder.encode());
        const result = old.deduplicate();
        expectSame(old, result);
        expect(allTypes(result.btf.deduplicate().btf)).toEqual(allTypes(result.btf));
      }),
      { numRuns: 300 },
    );
  });

  test('have the same number of types in either byte order', () => {
    fc.assert(
      fc.property(fc.array(node, { minLength: 1, maxLength: 12 }), (nodes) => {
        const builder = build();
        add(builder, nodes);
        add(builder, nodes);
        const little = parse(builder.encode());
        const big = parse(BtfBuilder.from(little, { littleEndian: false }).encode());
        expect(allTypes(big.deduplicate().btf)).toEqual(allTypes(little.deduplicate().btf));
      }),
      { numRuns: 100 },
    );
  });
});

describe('the samples', () => {
  const own = samples().map(({ name, sections }) => Btf.parse(sections.get('.BTF') ?? new Uint8Array(), { name }));

  test.each([true, false])(
    'merged into one (little-endian: %s), structs of one name are there once',
    (littleEndian) => {
      const parts = own.filter((btf) => btf.littleEndian === littleEndian);
      const whole = merged(parts);
      const { btf, ids } = whole.deduplicate();
      btf.validate();
      expect(btf.endId).toBeLessThan(whole.endId * 0.7);
      expect(btf.bytes.byteLength).toBeLessThan(whole.bytes.byteLength * 0.9);
      expect(btf.findAll('int', BtfKind.INT)).toHaveLength(1);
      for (let id = 1; id < whole.endId; id += 7) expect(btf.nameOf(ids[id] ?? 0)).toBe(whole.nameOf(id));
      // What an object adds that is there already changes nothing.
      expect(merged([btf, btf, btf]).deduplicate().btf.endId - btf.endId).toBe(2 * variables(btf));
    },
  );

  function variables(btf: Btf): number {
    return (allTypes(btf) as BtfType[]).filter(({ kind }) => kind === BtfKind.VAR || kind === BtfKind.DATASEC).length;
  }
});

const kernelPath = '/sys/kernel/btf/vmlinux';

testIf(existsSync(kernelPath), 'kernel BTF')('the kernel has nothing twice, as pahole has deduplicated it', () => {
  const btf = Btf.parse(readFileSync(kernelPath), { name: 'vmlinux' });
  const { btf: again } = btf.deduplicate();
  // Linux's build adds types after that, a handful.
  expect(btf.endId - again.endId).toBeLessThan(btf.endId / 1_000);
});
