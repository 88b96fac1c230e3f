import { MapType } from '../../../lib/abi/index.js';
import { CodeBuilder, disassemble } from '../../../lib/asm/index.js';
import { Btf, BtfBuilder, BtfLinkage } from '../../../lib/btf/index.js';
import { RelocationError } from '../../../lib/errors/index.js';
import { MapSpec, type ObjectSpec, VariableSpec } from '../../../lib/object/index.js';
import { type KconfigFacts, needs, relocate } from '../../../lib/relocate/index.js';
import { type BasicTypes, basicTypes, facts, functionSpec, objectOf, relocateOne } from './fixtures.js';

interface Declared {
  readonly type: (builder: BtfBuilder, basic: BasicTypes) => number;
  readonly weak?: boolean;
}

const types = {
  bool: (builder: BtfBuilder) => builder.addInt('_Bool', { size: 1, bool: true }),
  char: (builder: BtfBuilder) => builder.addInt('char', { size: 1, signed: true }),
  tristate: (builder: BtfBuilder) =>
    builder.addEnum('libbpf_tristate', {
      values: ['TRI_NO', 'TRI_YES', 'TRI_MODULE'].map((name, value) => ({ name, value })),
    }),
  u16: (builder: BtfBuilder) => builder.addTypedef('__u16', builder.addInt('unsigned short', { size: 2 })),
  s16: (builder: BtfBuilder) => builder.addInt('short', { size: 2, signed: true }),
  u32: (_: BtfBuilder, basic: BasicTypes) => basic.u32,
  s32: (builder: BtfBuilder, basic: BasicTypes) => builder.addConst(builder.addVolatile(basic.int)),
  u64: (_: BtfBuilder, basic: BasicTypes) => basic.u64,
  s64: (_: BtfBuilder, basic: BasicTypes) => basic.long,
  string: (builder: BtfBuilder, basic: BasicTypes) =>
    builder.addArray(builder.addConst(builder.addInt('char', { size: 1, signed: true })), basic.int, 6),
} as const;

/** A program that reads each value's address; every value has eight bytes of the map. */
function reading(declared: Readonly<Record<string, Declared>>, littleEndian = true): ObjectSpec {
  const builder = new BtfBuilder({ littleEndian });
  const basic = basicTypes(builder);
  const names = Object.keys(declared);
  const variables = Object.entries(declared).map(([name, { type }]) => {
    const typeId = type(builder, basic);
    return { name, typeId, id: builder.addVariable(name, typeId, BtfLinkage.EXTERN) };
  });
  builder.addDataSection(
    '.kconfig',
    0,
    variables.map(({ id }) => ({ type: id, offset: 0, size: 0 })),
  );
  const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });
  const code = new CodeBuilder({ littleEndian });
  const references = names.map((name) => {
    const offset = code.count * 8;
    code.loadWide(1, 0n);
    return { offset, kind: 'extern', name } as const;
  });
  const main = functionSpec('main', code.exit().toBytes(), { section: 'raw_tp', references, littleEndian });
  const map = new MapSpec({
    name: '.kconfig',
    kind: 'data',
    type: MapType.ARRAY,
    keySize: 4,
    valueSize: 8 * names.length,
    maxEntries: 1,
    readOnly: true,
  });
  return objectOf([main], {
    btf,
    littleEndian,
    maps: new Map([['.kconfig', map]]),
    externs: new Map(
      variables.map(({ name, id }) => [
        name,
        { name, section: '.kconfig', weak: declared[name]?.weak === true, typeId: id },
      ]),
    ),
    variables: new Map(
      variables.map(({ name, typeId }, index) => [
        name,
        new VariableSpec({ name, map, offset: 8 * index, size: btf.sizeOf(typeId), btf, typeId }),
      ]),
    ),
  });
}

function given(options: Readonly<Record<string, string>>): KconfigFacts {
  return {
    options: new Map(Object.entries(options).map(([name, text]) => [name, { text, source: '/proc/config.gz' }])),
    places: ['/proc/config.gz'],
  };
}

/** The eight bytes of the only value, in hexadecimal. */
function valueOf(type: Declared['type'], text: string, littleEndian = true): string {
  const object = reading({ CONFIG_X: { type } }, littleEndian);
  const [map] = relocate(object, { ...facts, littleEndian, kconfig: given({ CONFIG_X: text }) }).maps;
  return Buffer.from(map?.initialValue ?? []).toString('hex');
}

test.each<[keyof typeof types, string, string]>([
  ['bool', 'y', '01'],
  ['bool', 'n', '00'],
  ['bool', '1', '01'],
  ['bool', '0', '00'],
  ['char', 'y', '79'],
  ['char', 'm', '6d'],
  ['char', '-128', '80'],
  ['tristate', 'n', '00000000'],
  ['tristate', 'y', '01000000'],
  ['tristate', 'm', '02000000'],
  ['u16', '65535', 'ffff'],
  ['u16', '0x1234', '3412'],
  ['s16', '-32768', '0080'],
  ['s16', '32767', 'ff7f'],
  ['u32', '4294967295', 'ffffffff'],
  ['u32', '010', '08000000'],
  ['s32', '-1', 'ffffffff'],
  ['s32', '+17', '11000000'],
  ['u64', '18446744073709551615', 'ffffffffffffffff'],
  ['u64', '-1', 'ffffffffffffffff'],
  ['s64', '-9223372036854775808', '0000000000000080'],
  ['s64', '0xffffffff80000000', '00000080ffffffff'],
  ['string', '"abc"', '616263000000'],
  ['string', '""', '000000000000'],
  ['string', '"a\\"\\\\"', '61225c000000'],
  ['string', '"12345"', '313233343500'],
])('%s %s', (type, text, bytes) => {
  expect(valueOf(types[type], text)).toBe(bytes.padEnd(16, '0'));
});

test('values are in the byte order of the object', () => {
  expect(valueOf(types.u16, '0x1234', false)).toBe('1234000000000000');
  expect(valueOf(types.tristate, 'm', false)).toBe('0000000200000000');
  expect(valueOf(types.s64, '-2', false)).toBe('fffffffffffffffe');
});

test.each<[keyof typeof types, string, string]>([
  ['bool', 'm', 'is a module: declare it enum libbpf_tristate, and the object declares "_Bool"'],
  ['bool', '2', 'is a number, and'],
  ['bool', '"y"', 'is a string, and'],
  ['tristate', '1', 'is a number, and the object declares "enum libbpf_tristate"'],
  ['u16', 'y', 'is an answer of y, n or m, and the object declares "__u16"'],
  ['u16', '65536', 'is a number outside 0 to 65535'],
  ['u16', '-1', 'is a number outside 0 to 65535'],
  ['s16', '32768', 'is a number outside -32768 to 32767'],
  ['char', '128', 'is a number outside -128 to 127'],
  ['u32', '4294967296', 'is a number outside 0 to 4294967295'],
  ['s32', '-2147483649', 'is a number outside -2147483648 to 2147483647'],
  ['u64', '18446744073709551616', 'is a number outside -9223372036854775808 to 18446744073709551615'],
  ['u32', '12 monkeys', 'is neither y, n, m, a string nor a number'],
  ['u32', '08', 'is neither y, n, m, a string nor a number'],
  ['string', 'y', 'is an answer of y, n or m, and the object declares "const char [6]"'],
  ['string', '17', 'is a number, and'],
])('%s cannot take %s', (type, text, problem) => {
  expect(() => valueOf(types[type], text)).toThrow(RelocationError);
  expect(() => valueOf(types[type], text)).toThrow(`program main: "CONFIG_X": "${text}" of /proc/config.gz ${problem}`);
});

test('a string that does not end is none', () => {
  expect(() => valueOf(types.string, '"abc')).toThrow('""abc" of /proc/config.gz is a string without its end');
});

test.each<[string, Declared['type']]>([
  ['a struct', (builder) => builder.addStruct('s', 4, [])],
  ['another enumeration', (builder) => builder.addEnum('other', { values: [] })],
  ['an array of int', (builder, { int }) => builder.addArray(int, int, 2)],
  ['a pointer', (_, { pointer }) => pointer],
  ['sixteen bytes', (builder) => builder.addInt('__int128', { size: 16, bits: 128 })],
])('a configuration value cannot be %s', (_, type) => {
  expect(() => valueOf(type, 'y')).toThrow(/"CONFIG_X": a configuration value cannot be of type/);
});

test('a map made smaller has no room for it', () => {
  const object = reading({ CONFIG_X: { type: types.u32 } });
  object.map('.kconfig').valueSize = 3;
  expect(() => relocate(object, { ...facts, kconfig: given({ CONFIG_X: '1' }) })).toThrow(
    '"CONFIG_X": it lies beyond the 3 bytes of map .kconfig',
  );
});

test('a string that is too long is cut, and that is told', () => {
  const object = reading({ CONFIG_X: { type: types.string } });
  const plan = relocate(object, { ...facts, kconfig: given({ CONFIG_X: '"abcdefgh"' }) });
  expect(Buffer.from(plan.maps[0]?.initialValue ?? []).toString('latin1')).toBe('abcde\0\0\0');
  expect(plan.warnings).toEqual(['CONFIG_X of test.bpf.o is cut to 5 characters: /proc/config.gz has "abcdefgh"']);
});

describe('a value that is not set', () => {
  const weak = { type: types.u32, weak: true };

  test('is zero when it is weak', () => {
    const object = reading({ CONFIG_X: weak, LINUX_OF_THE_FUTURE: weak });
    for (const kconfig of [given({}), undefined]) {
      expect(relocate(object, { ...facts, kconfig }).maps[0]?.initialValue).toEqual(new Uint8Array(16));
    }
  });

  test('is an error that says where it was looked for', () => {
    const object = reading({ CONFIG_X: { type: types.u32 } });
    const kconfig = {
      options: new Map(),
      places: ['the option kconfig', '/boot/config-6.1 (ENOENT)', '/proc/config.gz'],
    };
    expect(() => relocate(object, { ...facts, kconfig })).toThrow(
      new RelocationError(
        "the kernel's configuration does not set it (looked for in the option kconfig, then /boot/config-6.1 (ENOENT), " +
          'then /proc/config.gz). Declare it __weak to have zero in its place, or give it: ' +
          'Ebpf.load(…, { kconfig: { CONFIG_X: … } })',
        { program: 'main', access: '"CONFIG_X"' },
      ),
    );
  });

  test('and is none of the kernel’s options, neither', () => {
    expect(() => relocate(reading({ LINUX_X: { type: types.u32 } }), { ...facts, kconfig: given({}) })).toThrow(
      '"LINUX_X": no value of this name is known; LINUX_KERNEL_VERSION',
    );
  });

  test('nor may it have any name, weak or not', () => {
    expect(() => relocate(reading({ HZ: weak }), { ...facts, kconfig: given({}) })).toThrow(
      '"HZ": the name of a configuration value begins with CONFIG_ or LINUX_',
    );
  });
});

test('code takes the address of its place in the map', () => {
  const object = reading({ CONFIG_X: { type: types.u32 }, CONFIG_Y: { type: types.u32 } });
  expect([...needs(object).kconfig]).toEqual(['CONFIG_X', 'CONFIG_Y']);
  const plan = relocateOne(object, { kconfig: given({ CONFIG_X: '1', CONFIG_Y: '2' }) });
  expect(disassemble(plan.code, true).split('\n')).toEqual([
    '   0: (18) r1 = map[fd:0][0]+0',
    '   2: (18) r1 = map[fd:0][0]+8',
    '   4: (95) exit',
  ]);
  expect(plan.bindings).toEqual([
    { offset: 4, map: '.kconfig' },
    { offset: 20, map: '.kconfig' },
  ]);
});

test('a map that is not created, or has contents already, asks for nothing', () => {
  const off = reading({ CONFIG_X: { type: types.u32 } });
  off.map('.kconfig').autoCreate = false;
  expect(needs(off).kconfig.size).toBe(0);
  const plan = relocateOne(off);
  expect(plan.poisons).toMatchObject([{ kind: 'map', instruction: 0 }]);
  const own = reading({ CONFIG_X: { type: types.u32 } });
  own.map('.kconfig').initialValue = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  expect(needs(own).kconfig.size).toBe(0);
  expect(relocate(own, facts).maps[0]?.initialValue).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
});
