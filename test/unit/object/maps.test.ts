import { MapFlag, MapType } from '../../../lib/abi/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { ObjectSpec, type MapSpec } from '../../../lib/object/index.js';
import { ByteWriter } from '../../../lib/binary/index.js';
import { SymbolType } from '../../../lib/elf/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

type Attributes = (builder: ObjectBuilder) => (readonly [string, number])[];

/** The spec of a map defined by these attributes. */
function mapOf(attributes: Attributes, slots = 0): MapSpec {
  const builder = new ObjectBuilder();
  builder.map('m', attributes(builder), slots);
  return ObjectSpec.parse(builder.encode(), { name: 'x.o' }).map('m');
}

function errorOf(attributes: Attributes): string {
  try {
    mapOf(attributes);
  } catch (error) {
    if (error instanceof ObjectFormatError) return error.message;
    throw error;
  }
  return 'no error';
}

const hash: Attributes = (b) => [['type', b.uint(MapType.HASH)]];

describe('a definition in .maps', () => {
  test('gives every attribute', () => {
    const map = mapOf((b) => [
      ['type', b.uint(MapType.HASH)],
      ['max_entries', b.uint(128)],
      ['map_flags', b.uint(MapFlag.NO_PREALLOC)],
      ['numa_node', b.uint(2)],
      ['key', b.typed(b.u32)],
      ['value', b.typed(b.u64)],
      ['pinning', b.uint(1)],
      ['map_extra', b.uint(7)],
    ]);
    expect(map).toMatchObject({
      name: 'm',
      kernelName: 'm',
      kind: 'declared',
      type: MapType.HASH,
      maxEntries: 128,
      flags: MapFlag.NO_PREALLOC,
      numaNode: 2,
      keySize: 4,
      valueSize: 8,
      keyType: 2,
      valueType: 3,
      pinning: 'by-name',
      mapExtra: 7n,
      autoCreate: true,
      readOnly: false,
      inner: undefined,
      initialValue: undefined,
    });
  });

  test('may leave everything but the type out', () => {
    expect(mapOf(hash)).toMatchObject({
      type: MapType.HASH,
      maxEntries: 0,
      flags: 0,
      numaNode: undefined,
      keySize: 0,
      valueSize: 0,
      keyType: 0,
      valueType: 0,
      pinning: 'none',
      mapExtra: 0n,
    });
  });

  test('may name a type the library has no name for', () => {
    expect(mapOf((b) => [['type', b.uint(1000)]]).type).toBe(1000);
  });

  test('may give sizes beside types that agree', () => {
    const map = mapOf((b) => [
      ...hash(b),
      ['key_size', b.uint(4)],
      ['key', b.typed(b.u32)],
      ['value', b.typed(b.u64)],
      ['value_size', b.uint(8)],
    ]);
    expect(map).toMatchObject({ keySize: 4, keyType: 2, valueSize: 8, valueType: 3 });
  });

  test('may give a 64-bit map_extra as an enum', () => {
    const big = 0x1_0000_0000_0000n;
    const withEnum = (values: { name: string; value: bigint }[]): Attributes => {
      return (b) => [...hash(b), ['map_extra', b.btf.addEnum64('', { values })]];
    };
    expect(mapOf(withEnum([{ name: 'value', value: big }])).mapExtra).toBe(big);
    expect(errorOf(withEnum([]))).toContain('attribute "map_extra": it is');
    expect(
      errorOf(
        withEnum([
          { name: 'a', value: 1n },
          { name: 'b', value: 2n },
        ]),
      ),
    ).toContain('not __ulong(name, number)');
  });

  test('keeps the order of its section', () => {
    const builder = new ObjectBuilder();
    for (const name of ['zebra', 'ape', 'newt']) builder.map(name, hash(builder));
    expect([...ObjectSpec.parse(builder.encode()).maps.keys()]).toEqual(['zebra', 'ape', 'newt']);
  });

  test('cuts the name that the kernel gets', () => {
    const builder = new ObjectBuilder();
    builder.map('a_name_of_over_fifteen_characters', hash(builder));
    const [map] = ObjectSpec.parse(builder.encode()).maps.values();
    expect(map?.kernelName).toBe('a_name_of_over_');
  });

  const errors: [string, Attributes, string][] = [
    ['no type', (b) => [['max_entries', b.uint(1)]], 'map "m", attribute "type": it is missing'],
    [
      'an unknown attribute',
      (b) => [...hash(b), ['max_entires', b.uint(1)]],
      'attribute "max_entires": the attribute is unknown',
    ],
    ['an attribute twice', (b) => [...hash(b), ...hash(b)], 'attribute "type": it is given twice'],
    [
      'a number that is none',
      (b) => [['type', b.u32]],
      'attribute "type": it is "unsigned int", not __uint(name, number)',
    ],
    [
      'a pointer to no array',
      (b) => [['type', b.typed(b.u32)]],
      'attribute "type": it is "unsigned int *", not __uint',
    ],
    [
      'a key that is no type',
      (b) => [...hash(b), ['key', b.u32]],
      'attribute "key": it is "unsigned int", not __type(name, type)',
    ],
    [
      'a key size that differs',
      (b) => [...hash(b), ['key', b.typed(b.u32)], ['key_size', b.uint(8)]],
      'attribute "key_size": it says 8 bytes where another attribute says 4',
    ],
    [
      'a value that differs from its size',
      (b) => [...hash(b), ['value_size', b.uint(4)], ['value', b.typed(b.u64)]],
      'attribute "value": it says 8 bytes where another attribute says 4',
    ],
    [
      'values of a hash',
      (b) => [...hash(b), ['values', b.btf.addArray(b.uint(1), b.int, 0)]],
      'attribute "values": only maps of maps',
    ],
    [
      'values that are not last',
      (b) => [
        ['type', b.uint(MapType.PROG_ARRAY)],
        ['values', b.u32],
        ['max_entries', b.uint(1)],
      ],
      'attribute "values": it must be the last attribute',
    ],
    [
      'values with a length',
      (b) => [
        ['type', b.uint(MapType.PROG_ARRAY)],
        ['values', b.btf.addArray(b.typed(b.u32), b.int, 1)],
      ],
      'not an array without length',
    ],
    [
      'values that are not functions',
      (b) => [
        ['type', b.uint(MapType.PROG_ARRAY)],
        ['values', b.btf.addArray(b.typed(b.u32), b.int, 0)],
      ],
      'not an array of pointers to functions',
    ],
    [
      'values of values',
      (b) => {
        const outer = [['type', b.uint(MapType.ARRAY_OF_MAPS)] as const];
        const inner = b.definition([...outer, ['values', b.btf.addArray(b.typed(b.definition(outer)), b.int, 0)]]);
        return [...outer, ['values', b.btf.addArray(b.typed(inner), b.int, 0)]];
      },
      'map "m.inner", attribute "values": maps nest one level deep only',
    ],
    [
      'a pinned inner map',
      (b) => {
        const inner = b.definition([...hash(b), ['pinning', b.uint(1)]]);
        return [
          ['type', b.uint(MapType.HASH_OF_MAPS)],
          ['values', b.btf.addArray(b.typed(inner), b.int, 0)],
        ];
      },
      'map "m.inner", attribute "pinning": a map inside a map cannot be pinned',
    ],
    [
      'an inner map without a type',
      (b) => [
        ['type', b.uint(MapType.HASH_OF_MAPS)],
        ['values', b.btf.addArray(b.typed(b.definition([])), b.int, 0)],
      ],
      'map "m.inner", attribute "type": it is missing',
    ],
  ];
  test.each(errors)('is refused with %s', (_, attributes, problem) => {
    expect(errorOf(attributes)).toContain(problem);
    expect(errorOf(attributes)).toMatch(/^x\.o, section \.maps, offset 0: map "m/);
  });

  test('is refused when it is not a struct', () => {
    const builder = new ObjectBuilder();
    builder.variables('.maps', [{ name: 'm', type: builder.u32, size: 4 }], new Uint8Array(4));
    expect(() => ObjectSpec.parse(builder.encode())).toThrow(
      'map "m": it is defined by "unsigned int", not by a struct',
    );
  });

  test('is refused without BTF', () => {
    const elf = new ElfBuilder();
    elf.data('.maps', new Uint8Array(32));
    expect(() => ObjectSpec.parse(elf.encode())).toThrow(
      'maps are defined here but no BTF describes them: compile with -g',
    );
  });

  test('is refused when its variable exceeds the section', () => {
    const builder = new ObjectBuilder();
    const section = builder.elf.data('.maps', new Uint8Array(8));
    builder.elf.symbol({ name: 'm', section, value: 4, size: 8, type: SymbolType.OBJECT, binding: 1 });
    const variable = builder.btf.addVariable('m', builder.definition(hash(builder)), 1);
    builder.btf.addDataSection('.maps', 0, [{ type: variable, offset: 0, size: 8 }]);
    expect(() => ObjectSpec.parse(builder.encode())).toThrow(`variable "m" of 8 bytes exceeds the section's 8`);
  });
});

describe('initial values', () => {
  function outerOf(builder: ObjectBuilder): (readonly [string, number])[] {
    const inner = builder.definition([...hash(builder), ['value', builder.typed(builder.u64)]]);
    return [
      ['type', builder.uint(MapType.ARRAY_OF_MAPS)],
      ['values', builder.btf.addArray(builder.typed(inner), builder.int, 0)],
    ];
  }

  test('of a map of maps are maps by index', () => {
    const builder = new ObjectBuilder();
    builder.map('one', hash(builder)).map('two', hash(builder)).map('outer', outerOf(builder), 3);
    const section = builder.addMaps();
    const [one = 0, two = 0] = ['one', 'two'].map((name) => builder.symbols.get(name));
    // "one" and "two" take 8 bytes each, "outer" begins with its type.
    builder.elf.relocation(section, 16 + 8 + 16, one).relocation(section, 16 + 8, two);
    const spec = ObjectSpec.parse(builder.encode(), { name: 'x.o' });
    expect(spec.map('outer')).toMatchObject({
      valueSize: 4,
      inner: { name: 'outer.inner', type: MapType.HASH, valueSize: 8 },
      slots: [
        { index: 0, kind: 'map', name: 'two' },
        { index: 2, kind: 'map', name: 'one' },
      ],
    });
  });

  test('need keys of four bytes', () => {
    const builder = new ObjectBuilder();
    const inner = builder.definition(hash(builder));
    builder.map('one', hash(builder)).map(
      'outer',
      [
        ['type', builder.uint(MapType.HASH_OF_MAPS)],
        ['key', builder.typed(builder.u64)],
        ['values', builder.btf.addArray(builder.typed(inner), builder.int, 0)],
      ],
      1,
    );
    const section = builder.addMaps();
    builder.elf.relocation(section, 8 + 24, builder.symbols.get('one') ?? 0);
    expect(() => ObjectSpec.parse(builder.encode())).toThrow(
      'map "outer": the keys of its "values" are their places, so they need 4 bytes and not 8',
    );
  });

  test.each([
    [4, 'a value is not aligned'],
    [8, 'a relocation lies outside the "values" of every map'],
  ])('at offset %d are refused', (offset, problem) => {
    const builder = new ObjectBuilder();
    builder.map('one', hash(builder)).map('outer', outerOf(builder), 3);
    const section = builder.addMaps();
    builder.elf.relocation(section, 8 + (offset === 4 ? 8 + 4 : 0), builder.symbols.get('one') ?? 0);
    expect(() => ObjectSpec.parse(builder.encode())).toThrow(problem);
  });

  test('are refused when they are not maps', () => {
    const builder = new ObjectBuilder();
    builder.map('outer', outerOf(builder), 1);
    const section = builder.addMaps();
    builder.elf.relocation(section, 8, builder.elf.symbol({ name: 'other', binding: 1 }));
    expect(() => ObjectSpec.parse(builder.encode())).toThrow('a value is not a map of this object');
  });
});

test('pinning that libbpf does not know is told, and not done', () => {
  const builder = new ObjectBuilder();
  builder.map('m', [...hash(builder), ['pinning', builder.uint(16)]], 0);
  const spec = ObjectSpec.parse(builder.encode());
  expect(spec.map('m').pinning).toBe('none');
  expect(spec.warnings).toEqual([
    'map "m" is not pinned: its pinning 16 is neither LIBBPF_PIN_NONE (0) nor LIBBPF_PIN_BY_NAME (1)',
  ]);
});

describe('a maps section of before BTF', () => {
  function legacy(words: readonly number[], names: readonly string[] = ['m']): ObjectSpec {
    const elf = new ElfBuilder();
    const writer = new ByteWriter({ littleEndian: true });
    for (const word of words) writer.u32(word);
    const section = elf.data('maps', writer.toBytes());
    const size = (words.length * 4) / names.length;
    for (const [index, name] of names.entries()) {
      elf.symbol({ name, section, value: index * size, size, type: SymbolType.OBJECT, binding: 1 });
    }
    return ObjectSpec.parse(elf.encode(), { name: 'old.o' });
  }

  test('holds struct bpf_map_def', () => {
    const spec = legacy([1, 4, 8, 100, 1, 2, 4, 16, 200, 0], ['first', 'second']);
    expect(spec.map('first')).toMatchObject({ type: 1, keySize: 4, valueSize: 8, maxEntries: 100, flags: 1 });
    expect(spec.map('second')).toMatchObject({ type: 2, keySize: 4, valueSize: 16, maxEntries: 200, pinning: 'none' });
    expect(spec.btf).toBeUndefined();
    expect(spec.btfBytes).toBeUndefined();
  });

  test('holds what Aya writes', () => {
    expect(legacy([1, 4, 8, 100, 0, 7, 1]).map('m')).toMatchObject({ pinning: 'by-name', pinPath: undefined });
  });

  test.each([[[7, 2, 0, 0]], [[7, 2]]])("holds iproute2's definitions, which end in %j", (more) => {
    const map = legacy([1, 4, 8, 100, 0, ...more]).map('m');
    expect(map).toMatchObject({ pinning: 'by-name', pinPath: '/sys/fs/bpf/tc/globals/m' });
  });

  test("holds iproute2's maps of maps", () => {
    const inner = [1, 4, 8, 100, 0, 42, 2, 0];
    const words = [...inner, 5, ...inner, 0xffff_ffff, 12, 4, 4, 16, 0, 0, 0, 42, 0];
    const spec = legacy(words, ['first', 'second', 'outer']);
    expect(spec.map('outer')).toMatchObject({
      inner: { name: 'first', type: MapType.HASH, keySize: 4, valueSize: 8, pinning: 'none', pinPath: undefined },
      slots: [{ index: 5, kind: 'map', name: 'first' }],
    });
    expect(spec.map('first')).toMatchObject({ pinning: 'by-name', inner: undefined });
  });

  test('may have parts that are no map any more', () => {
    const elf = new ElfBuilder();
    const writer = new ByteWriter({ littleEndian: true });
    for (const word of [1, 4, 8, 100, 0, 1, 4, 8, 100, 0, 2, 4, 16, 1, 0]) writer.u32(word);
    const maps = elf.data('maps', writer.toBytes());
    elf.symbol({ name: 'first', section: maps, size: 20, type: SymbolType.OBJECT, binding: 1 });
    elf.symbol({ name: 'second', section: maps, value: 40, size: 20, type: SymbolType.OBJECT, binding: 1 });
    const spec = ObjectSpec.parse(elf.encode());
    expect([...spec.maps.values()].map(({ name, type, valueSize }) => [name, type, valueSize])).toEqual([
      ['first', 1, 8],
      ['second', 2, 16],
    ]);
  });

  test('says which pinning only tc knows', () => {
    const spec = legacy([1, 4, 8, 100, 0, 0, 1, 0, 0]);
    expect(spec.map('m').pinning).toBe('none');
    expect(spec.warnings).toEqual(['map "m" is not pinned: what its pinning 1 means is known to tc alone']);
  });

  // ir-keytable's protocols; gobpf, whose definitions end in a pinning and a name of 256 bytes.
  test.each([
    ['lirc_mode2/maps', 7],
    ['maps/state', 70],
  ])('may be named %s', (name, words) => {
    const elf = new ElfBuilder();
    const definition = new ByteWriter({ littleEndian: true });
    for (let word = 0; word < words; word++) definition.u32([2, 4, 16, 1][word] ?? 0);
    const maps = elf.data(name, definition.toBytes());
    const map = elf.symbol({ name: 'state', section: maps, size: words * 4, type: SymbolType.OBJECT, binding: 1 });
    // r1 = map; exit
    const instructions = Uint8Array.from([0x18, 1, ...new Uint8Array(14), 0x95, ...new Uint8Array(7)]);
    const code = elf.code('lirc_mode2/raw', instructions);
    elf.function('decode', code, 0, instructions.length);
    elf.relocation(code, 0, map);
    const spec = ObjectSpec.parse(elf.encode());
    expect(spec.map('state')).toMatchObject({ type: 2, keySize: 4, valueSize: 16, maxEntries: 1 });
    expect(spec.program('decode').function.references[0]).toMatchObject({ kind: 'map', map: 'state' });
  });

  test.each([
    [[1, 4, 8, 100], 'map "m": a definition of 16 bytes is of no known form'],
    [[1, 4, 8, 100, 0, 9], 'map "m": its field 5 is unknown and not 0'],
    [[12, 4, 4, 1, 0, 0, 0, 3, 0], 'map "m": no map that could be inside has the id 3'],
  ])('is refused with %j', (words, problem) => {
    expect(() => legacy(words)).toThrow(problem);
  });
});

describe('data sections', () => {
  test('become maps named as libbpf names them', () => {
    const builder = new ObjectBuilder();
    const variable = (name: string) => [{ name, type: builder.u32, size: 4 }];
    builder.variables('.rodata', variable('constant'), Uint8Array.of(1, 2, 3, 4));
    builder.variables('.data', variable('written'), Uint8Array.of(5, 6, 7, 8));
    builder.variables('.bss', variable('zeroed'));
    builder.variables('.data.custom', variable('custom'), new Uint8Array(4));
    builder.variables(
      '.rodata.str1.1',
      [{ name: 'string', type: builder.u32, size: 4, static: true }],
      new Uint8Array(4),
    );
    const spec = ObjectSpec.parse(builder.encode(), { name: '/tmp/a-long_name.bpf.o' });
    const array = { kind: 'data', type: MapType.ARRAY, keySize: 4, valueSize: 4, maxEntries: 1, keyType: 0 };
    expect(spec.map('.rodata')).toMatchObject({
      ...array,
      kernelName: 'a_long_n.rodata',
      readOnly: true,
      flags: MapFlag.MMAPABLE | MapFlag.RDONLY_PROG,
      initialValue: Uint8Array.of(1, 2, 3, 4),
    });
    expect(spec.map('.data')).toMatchObject({
      ...array,
      kernelName: 'a_long_n.data',
      readOnly: false,
      flags: MapFlag.MMAPABLE,
      initialValue: Uint8Array.of(5, 6, 7, 8),
    });
    expect(spec.map('.bss')).toMatchObject({ ...array, kernelName: 'a_long_n.bss', initialValue: undefined });
    expect(spec.map('.data.custom')).toMatchObject({ ...array, kernelName: '.data.custom' });
    expect(spec.map('.rodata.str1.1')).toMatchObject({
      kernelName: '.rodata.str1.1',
      readOnly: true,
      flags: MapFlag.RDONLY_PROG,
    });
    expect(spec.btf?.nameOf(spec.map('.bss').valueType)).toBe('.bss');
  });

  test('without BTF are maps without types', () => {
    const elf = new ElfBuilder();
    elf.data('.rodata.cst16', new Uint8Array(16));
    const spec = ObjectSpec.parse(elf.encode());
    expect(spec.map('.rodata.cst16')).toMatchObject({ valueSize: 16, valueType: 0, flags: MapFlag.RDONLY_PROG });
    expect(spec.variables.size).toBe(0);
  });

  test('of hidden variables alone are not mapped', () => {
    const builder = new ObjectBuilder();
    builder.variables('.data', [{ name: 'hidden', type: builder.u32, size: 4, visibility: 2 }], new Uint8Array(4));
    expect(ObjectSpec.parse(builder.encode()).map('.data').flags).toBe(0);
  });

  test('that are empty or named otherwise are no maps', () => {
    const elf = new ElfBuilder();
    for (const name of ['.database', 'data', '.rodatax', '.debug_str']) elf.data(name, new Uint8Array(4));
    elf.data('.bss', 0);
    expect(ObjectSpec.parse(elf.encode()).maps.size).toBe(0);
  });

  test.each([
    [
      'two of one name',
      (elf: ElfBuilder) => [elf.data('.data', new Uint8Array(4)), elf.data('.data', new Uint8Array(4))],
      'section .data: a second section of that name',
    ],
    [
      'contents missing',
      (elf: ElfBuilder) => [elf.data('.rodata', 4)],
      'section .rodata: its contents are missing: the file was stripped',
    ],
    [
      'too much of it',
      (elf: ElfBuilder) => [elf.data('.bss', 0x1_0000_0000)],
      "section .bss: 4294967296 bytes are more than a map's value",
    ],
  ])('are refused with %s', (_, add, problem) => {
    const elf = new ElfBuilder();
    add(elf);
    expect(() => ObjectSpec.parse(elf.encode())).toThrow(problem);
  });
});
