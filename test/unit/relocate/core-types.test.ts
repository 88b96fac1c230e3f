import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { CoreRelocationKind as Kind } from '../../../lib/relocate/core/core-relocation-kind.js';
import { CoreResolver } from '../../../lib/relocate/core/core-resolver.js';
import { type BasicTypes, type Build, member, TwoSides } from './fixtures.js';

describe('a type', () => {
  const sides = new TwoSides(
    (builder, { int }) => {
      builder.addStruct('here', 4, [member('a', int, 0)]);
      builder.addStruct('gone', 4, [member('a', int, 0)]);
      builder.addForward('here___declared');
      builder.addUnion('union', 4, [member('a', int, 0)]);
    },
    (builder, { int, u64 }) => {
      builder.addStruct('here', 12, [member('b', u64, 0), member('a', int, 64)]);
      builder.addStruct('union', 4, [member('a', int, 0)]);
    },
  );

  test('is known by its name and kind', () => {
    expect(sides.ask(Kind.TYPE_EXISTS, 'here', '0')).toMatchObject({ value: 1n, expected: 1n, access: 'struct here' });
    expect(sides.ask(Kind.TYPE_SIZE, 'here', '0')).toMatchObject({ value: 12n, expected: 4n });
    expect(sides.ask(Kind.TYPE_ID_TARGET, 'here', '0')).toMatchObject({ value: 17n, expected: undefined });
    expect(sides.ask(Kind.TYPE_ID_LOCAL, 'here', '0')).toMatchObject({ value: 7n, expected: undefined });
    expect(sides.ask(Kind.TYPE_EXISTS, 'union', '0').value).toBe(0n);
    expect(sides.ask(Kind.TYPE_EXISTS, 'here___declared', '0').value).toBe(0n);
  });

  test('that is missing gives 0', () => {
    for (const kind of [Kind.TYPE_EXISTS, Kind.TYPE_SIZE, Kind.TYPE_ID_TARGET, Kind.TYPE_MATCHES]) {
      expect(sides.ask(kind, 'gone', '0')).toMatchObject({ value: 0n, reason: 'the kernel has no struct "gone"' });
    }
    expect(sides.ask(Kind.TYPE_ID_LOCAL, 'gone', '0').value).toBe(8n);
  });

  test('without a name cannot be looked for, but has an id', () => {
    const builder = new BtfBuilder({ littleEndian: true });
    const id = builder.addUnion('', 0, []);
    const access = builder.string('0');
    const resolver = new CoreResolver(Btf.parse(builder.encode(), { name: 'test.bpf.o' }), sides.target);
    expect(() => resolver.resolve(Kind.TYPE_EXISTS, id, access)).toThrow(/the UNION has no name in the object/);
    expect(resolver.resolve(Kind.TYPE_ID_LOCAL, id, access).value).toBe(1n);
  });

  test('of the object itself needs no kernel', () => {
    const builder = new BtfBuilder({ littleEndian: true });
    const id = builder.addInt('int', { size: 4 });
    const access = builder.string('0');
    const resolver = new CoreResolver(Btf.parse(builder.encode(), { name: 'test.bpf.o' }), undefined);
    expect(resolver.resolve(Kind.TYPE_ID_LOCAL, id, access).value).toBe(1n);
    expect(() => resolver.resolve(Kind.TYPE_EXISTS, id, access)).toThrow(/needs the kernel's BTF/);
  });

  test('is looked for once, however many questions there are', () => {
    const builder = new BtfBuilder({ littleEndian: true });
    const int = builder.addInt('int', { size: 4 });
    const id = builder.addStruct('here', 4, [member('a', int, 0)]);
    const type = builder.string('0');
    const field = builder.string('0:0');
    const search = jest.spyOn(sides.target, 'findByEssentialName');
    const resolver = new CoreResolver(Btf.parse(builder.encode(), { name: 'test.bpf.o' }), sides.target);
    for (let round = 0; round < 3; round++) {
      resolver.resolve(Kind.TYPE_SIZE, id, type);
      resolver.resolve(Kind.FIELD_BYTE_OFFSET, id, field);
      resolver.resolve(Kind.FIELD_BYTE_SIZE, id, field);
    }
    expect(search).toHaveBeenCalledTimes(1);
    search.mockRestore();
  });
});

describe('enumerators', () => {
  const value = (name: string, number: number): { name: string; value: number } => ({ name, value: number });
  const sides = new TwoSides(
    (builder) => {
      const states = [value('RUNNING', 0), value('GONE', 1), value('DEAD___old', 2), value('NEGATIVE', -3)];
      builder.addEnum('state', { signed: true, values: states });
      builder.addEnum64('large', { values: [{ name: 'BIG', value: 1n << 40n }] });
      builder.addEnum('grown', { values: [value('ALL', 0xffff_ffff)] });
      builder.addEnum('absent', { values: [value('X', 1)] });
    },
    (builder) => {
      const states = [value('NEGATIVE', -1), value('RUNNING', 7), value('DEAD', 9)];
      builder.addEnum('state', { signed: true, values: states });
      builder.addEnum64('large', { signed: true, values: [{ name: 'BIG', value: -(1n << 40n) }] });
      builder.addEnum64('grown', { values: [{ name: 'ALL', value: 0xffff_ffff_ffff_fff0n }] });
    },
  );

  test.each([
    ['state', '0', 'state.RUNNING', 7n, 0n],
    ['state', '2', 'state.DEAD___old', 9n, 2n],
    ['state', '3', 'state.NEGATIVE', 0xffff_ffff_ffff_ffffn, 0xffff_ffff_ffff_fffdn],
    ['large', '0', 'large.BIG', BigInt.asUintN(64, -(1n << 40n)), 1n << 40n],
    ['grown', '0', 'grown.ALL', 0xffff_ffff_ffff_fff0n, 0xffff_ffffn],
  ])('have the kernel’s value: %s %s', (type, access, spelling, wanted, expected) => {
    const answer = sides.ask(Kind.ENUMVAL_VALUE, type, access);
    expect(answer).toMatchObject({ value: wanted, expected, access: spelling });
    expect(sides.ask(Kind.ENUMVAL_EXISTS, type, access)).toMatchObject({ value: 1n, expected: 1n });
  });

  test('that are missing have no value and do not exist', () => {
    const reason = 'the kernel\'s "enum state" has no value "GONE"';
    expect(sides.ask(Kind.ENUMVAL_VALUE, 'state', '1')).toMatchObject({ value: undefined, reason });
    expect(sides.ask(Kind.ENUMVAL_EXISTS, 'state', '1').value).toBe(0n);
    expect(sides.ask(Kind.ENUMVAL_VALUE, 'absent', '0').reason).toBe('the kernel has no enum "absent"');
    expect(sides.ask(Kind.ENUMVAL_EXISTS, 'absent', '0').value).toBe(0n);
  });

  test('that two kernel enums disagree on are refused', () => {
    const both = new TwoSides(
      (builder) => {
        builder.addEnum('e', { values: [value('A', 1)] });
      },
      (builder) => {
        builder.addEnum('e', { values: [value('A', 2)] });
        builder.addEnum('e', { values: [value('A', 3)] });
      },
    );
    expect(() => both.ask(Kind.ENUMVAL_VALUE, 'e', '0')).toThrow(
      'e.A of enum e (BTF id 17, 4 bytes) gives 2, but e.A of enum e (BTF id 18, 4 bytes) gives 3',
    );
    expect(both.ask(Kind.ENUMVAL_EXISTS, 'e', '0').value).toBe(1n);
  });
});

type MakeType = (builder: BtfBuilder, types: BasicTypes) => number;
const alias =
  (make: MakeType): Build =>
  (builder, types) =>
    void builder.addTypedef('t', make(builder, types));
const plain =
  (make: MakeType): Build =>
  (builder, types) =>
    void make(builder, types);
const prototype = (parameters: (keyof BasicTypes)[], returns: keyof BasicTypes): Build =>
  alias((builder, types) =>
    builder.addFunctionPrototype(
      types[returns],
      parameters.map((type) => ({ name: '', type: types[type] })),
    ),
  );
const pointerTo = (make: MakeType): Build => alias((builder, types) => builder.addPointer(make(builder, types)));

// Each side builds a type `t`: does the kernel's exist for the object, and does it match?
const comparisons: [what: string, exists: boolean, matches: boolean, local: Build, target: Build][] = [
  ['integers of one kind', true, true, alias((_, { int }) => int), alias((_, { int }) => int)],
  ['integers of other names, sizes and signs', true, false, alias((_, { int }) => int), alias((_, { u64 }) => u64)],
  [
    'integers of one name and other signs',
    true,
    false,
    alias((builder) => builder.addInt('n', { size: 4 })),
    alias((builder) => builder.addInt('n', { size: 4, signed: true })),
  ],
  [
    'integers that start within their bytes',
    false,
    true,
    alias((builder) => builder.addInt('n', { size: 4, bits: 8, bitOffset: 4 })),
    alias((builder) => builder.addInt('n', { size: 4, bits: 8, bitOffset: 4 })),
  ],
  ['void', true, true, alias(() => 0), alias(() => 0)],
  ['an integer and a pointer', false, false, alias((_, { u64 }) => u64), alias((_, { pointer }) => pointer)],
  [
    'a typedef of a struct and the struct',
    false,
    false,
    alias((builder) => builder.addStruct('u', 0, [])),
    plain((builder) => builder.addStruct('t', 0, [])),
  ],
  [
    'floating-point numbers',
    false,
    false,
    alias((builder) => builder.addFloat('double', 8)),
    alias((builder) => builder.addFloat('double', 8)),
  ],
  [
    'arrays of other lengths',
    true,
    false,
    alias((builder, { int }) => builder.addArray(int, int, 3)),
    alias((builder, { int }) => builder.addArray(int, int, 4)),
  ],
  [
    'arrays of one length',
    true,
    true,
    alias((builder, { int }) => builder.addArray(int, int, 3)),
    alias((builder, { int }) => builder.addArray(int, int, 3)),
  ],
  [
    'arrays of other elements',
    false,
    false,
    alias((builder, { int }) => builder.addArray(int, int, 3)),
    alias((builder, { int, pointer }) => builder.addArray(pointer, int, 3)),
  ],
  [
    'pointers to structs of other names',
    true,
    false,
    pointerTo((builder) => builder.addStruct('a', 0, [])),
    pointerTo((builder) => builder.addStruct('b', 0, [])),
  ],
  [
    'pointers to structs of other members',
    true,
    true,
    pointerTo((builder, { int }) => builder.addStruct('a', 4, [member('x', int, 0)])),
    pointerTo((builder) => builder.addStruct('a', 0, [])),
  ],
  [
    'a pointer to a struct that the kernel only declares',
    false,
    true,
    pointerTo((builder) => builder.addStruct('a', 0, [])),
    pointerTo((builder) => builder.addForward('a')),
  ],
  [
    'a pointer to a union that the object only declares',
    false,
    true,
    pointerTo((builder) => builder.addForward('a', { union: true })),
    pointerTo((builder) => builder.addUnion('a', 0, [])),
  ],
  [
    'a pointer to a struct that is declared, and to a union',
    false,
    false,
    pointerTo((builder) => builder.addForward('a')),
    pointerTo((builder) => builder.addUnion('a', 0, [])),
  ],
  [
    'a struct that both only declare',
    true,
    true,
    alias((builder) => builder.addForward('a')),
    alias((builder) => builder.addForward('a')),
  ],
  [
    'a struct that the object only declares',
    false,
    false,
    alias((builder) => builder.addForward('a')),
    alias((builder) => builder.addStruct('a', 0, [])),
  ],
  [
    'a struct with a member more in the kernel',
    true,
    true,
    plain((builder, { int }) => builder.addStruct('t', 4, [member('a', int, 0)])),
    plain((builder, { int }) => builder.addStruct('t', 8, [member('b', int, 0), member('a', int, 32)])),
  ],
  [
    'a struct with a member less in the kernel',
    true,
    false,
    plain((builder, { int }) => builder.addStruct('t', 8, [member('a', int, 0), member('b', int, 32)])),
    plain((builder, { int }) => builder.addStruct('t', 4, [member('a', int, 0)])),
  ],
  [
    'a struct with a member of another type',
    true,
    false,
    plain((builder, { int }) => builder.addStruct('t', 4, [member('a', int, 0)])),
    plain((builder, { u32 }) => builder.addStruct('t', 4, [member('a', u32, 0)])),
  ],
  [
    'a struct with a flavoured struct within',
    true,
    true,
    plain((builder, { int }) => {
      const inner = builder.addStruct('inner___mine', 4, [member('x', int, 0)]);
      return builder.addStruct('t', 4, [member('a', inner, 0)]);
    }),
    plain((builder, { int }) => {
      const inner = builder.addStruct('inner', 8, [member('w', int, 0), member('x', int, 32)]);
      return builder.addStruct('t', 8, [member('a', inner, 0)]);
    }),
  ],
  [
    'an enum with a value more in the kernel',
    true,
    true,
    plain((builder) => builder.addEnum('t', { values: [{ name: 'A', value: 1 }] })),
    plain((builder) =>
      builder.addEnum('t', {
        values: [
          { name: 'B', value: 1 },
          { name: 'A', value: 2 },
        ],
      }),
    ),
  ],
  [
    'enums of other sizes',
    true,
    false,
    plain((builder) => builder.addEnum('t', { values: [{ name: 'A', value: 1 }] })),
    plain((builder) => builder.addEnum64('t', { values: [{ name: 'A', value: 1n }] })),
  ],
  [
    'enums of other values',
    true,
    false,
    plain((builder) => builder.addEnum('t', { values: [{ name: 'A', value: 1 }] })),
    plain((builder) => builder.addEnum('t', { values: [{ name: 'B', value: 1 }] })),
  ],
  ['functions of one kind', true, true, prototype(['int', 'pointer'], 'int'), prototype(['int', 'pointer'], 'int')],
  ['functions of other integers', true, false, prototype(['int'], 'int'), prototype(['long'], 'long')],
  ['functions of other parameters', false, false, prototype(['pointer'], 'int'), prototype(['int'], 'int')],
  ['functions of more parameters', false, false, prototype(['int'], 'int'), prototype(['int', 'int'], 'int')],
  ['functions of other results', false, false, prototype(['int'], 'int'), prototype(['int'], 'pointer')],
];

test.each(comparisons)('%s: exists %s, matches %s', (_, exists, matches, local, target) => {
  const sides = new TwoSides(local, target);
  expect(sides.ask(Kind.TYPE_EXISTS, 't', '0').value).toBe(exists ? 1n : 0n);
  expect(sides.ask(Kind.TYPE_MATCHES, 't', '0').value).toBe(matches ? 1n : 0n);
});

describe('crafted types', () => {
  test('that nest pointers without end are refused', () => {
    const endless: Build = (builder) => {
      // A pointer to itself, which no compiler writes.
      builder.addTypedef('t', builder.nextId + 1);
      builder.addPointer(builder.nextId);
    };
    const sides = new TwoSides(endless, endless);
    expect(() => sides.ask(Kind.TYPE_EXISTS, 't', '0')).toThrow(/nested deeper than 32 levels/);
    expect(() => sides.ask(Kind.TYPE_MATCHES, 't', '0')).toThrow(/nested deeper than 32 levels/);
  });

  test('that ask for 2^30 comparisons are refused', () => {
    const doubling: Build = (builder, { int }) => {
      let type = int;
      for (let depth = 0; depth < 30; depth++) {
        const parameter = { name: '', type };
        type = builder.addFunctionPrototype(0, [parameter, parameter]);
      }
      builder.addTypedef('t', type);
    };
    const sides = new TwoSides(doubling, doubling);
    expect(() => sides.ask(Kind.TYPE_EXISTS, 't', '0')).toThrow(/comparing them would not end/);
    expect(() => sides.ask(Kind.TYPE_MATCHES, 't', '0')).toThrow(/comparing them would not end/);
  });

  test('that hide a member under 2^30 anonymous unions are refused', () => {
    const sides = new TwoSides(
      (builder, { int }) => {
        builder.addStruct('s', 4, [member('wanted', int, 0)]);
      },
      (builder, { int }) => {
        let type = builder.addStruct('', 4, [member('other', int, 0)]);
        for (let depth = 0; depth < 30; depth++) {
          type = builder.addUnion('', 4, [member('', type, 0), member('', type, 0)]);
        }
        builder.addStruct('s', 4, [member('', type, 0)]);
      },
    );
    expect(() => sides.ask(Kind.FIELD_EXISTS, 's', '0:0')).toThrow(/comparing them would not end/);
  });

  test('an anonymous struct that contains itself is refused', () => {
    const sides = new TwoSides(
      (builder, { int }) => {
        builder.addStruct('s', 4, [member('wanted', int, 0)]);
      },
      (builder) => {
        builder.addStruct('s', 4, [member('', builder.nextId + 1, 0)]);
        builder.addStruct('', 4, [member('', builder.nextId, 0)]);
      },
    );
    expect(() => sides.ask(Kind.FIELD_EXISTS, 's', '0:0')).toThrow(
      /anonymous structs are nested deeper than 32 levels/,
    );
  });
});
