import { MapFlag, MapType, ProgramType } from '../../../lib/abi/index.js';
import { Btf, BtfBuilder, BtfKind, withPlainSectionNames } from '../../../lib/btf/index.js';
import { UnsupportedError, UsageError } from '../../../lib/errors/index.js';
import { MapSpec, type MapSpecOptions, type ObjectSpec } from '../../../lib/object/index.js';
import { needs, relocate, type KernelFacts, type LoadPlan } from '../../../lib/relocate/index.js';
import { basicTypes, facts, functionSpec, member, objectOf, programSpec, type BasicTypes } from './fixtures.js';

const exit = Uint8Array.of(0x95, 0, 0, 0, 0, 0, 0, 0);

type Members = (
  builder: BtfBuilder,
  types: BasicTypes & { operation: number },
) => Parameters<BtfBuilder['addStruct']>[2];

function types(name: string, size: number, members: Members, littleEndian: boolean, value?: string): Btf {
  const builder = new BtfBuilder({ littleEndian });
  if (value !== undefined) for (let count = 0; count < 10; count++) builder.addTypedef(`unrelated_${count}`, 0);
  const basic = basicTypes(builder);
  const operation = builder.addPointer(builder.addFunctionPrototype(basic.int, []));
  const id = builder.addStruct(name, size, members(builder, { ...basic, operation }));
  if (value !== undefined) {
    builder.addStruct('bpf_struct_ops_link', 8, [member('x', basic.u64, 0)]);
    const common = builder.addStruct('bpf_struct_ops_common_value', 8, [member('refcnt', basic.u64, 0)]);
    builder.addStruct(value, 64 + size, [member('common', common, 0), member('data', id, 512)]);
  }
  return Btf.parse(builder.encode(), { name: value === undefined ? 'test.bpf.o' : 'vmlinux' });
}

/** `struct ops { u32 number; int (*first)(); int (*second)(); }`, in the kernel in another order and place. */
const ours: Members = (_, t) => [
  member('number', t.u32, 0),
  member('first', t.operation, 64),
  member('second', t.operation, 128),
];
const theirs: Members = (_, t) => [
  member('added', t.u64, 0),
  member('second', t.operation, 64),
  member('first', t.operation, 128),
  member('number', t.u32, 192),
];

interface Case {
  ours: Members;
  size: number;
  theirs: Members;
  name: string;
  value: string;
  littleEndian: boolean;
  map: Partial<MapSpecOptions>;
  kernel: Partial<KernelFacts>;
  edit: (object: ObjectSpec) => void;
}

function objectAndFacts(change: Partial<Case>): { object: ObjectSpec; kernel: KernelFacts } {
  const { littleEndian = true, name = 'ops', size = 24 } = change;
  const btf = types(name, size, change.ours ?? ours, littleEndian);
  const kernel = types('ops', 40, change.theirs ?? theirs, littleEndian, change.value ?? 'bpf_struct_ops_ops');
  const initialValue = new Uint8Array(size);
  initialValue.set([1, 2, 3, 4]);
  const map = new MapSpec({
    name: 'map',
    kind: 'struct-ops',
    type: MapType.STRUCT_OPS,
    keySize: 4,
    valueSize: size,
    maxEntries: 1,
    flags: MapFlag.LINK,
    valueType: btf.find(name) ?? 0,
    initialValue,
    operations: new Map([['first', 'one']]),
    ...change.map,
  });
  const functions = ['one', 'two'].map((each, index) =>
    functionSpec(each, exit, { section: 'struct_ops', sectionOffset: index * 8, littleEndian }),
  );
  const programs = functions.map((each) => programSpec(each, { kind: 'struct_ops', type: ProgramType.STRUCT_OPS }));
  programs.forEach((program) => (program.autoload = program.name === 'one'));
  const object = objectOf(functions, {
    btf,
    littleEndian,
    programs: new Map(programs.map((program) => [program.name, program])),
    maps: new Map([['map', map]]),
  });
  change.edit?.(object);
  return { object, kernel: { ...facts, littleEndian, btf: kernel, ...change.kernel } };
}

/** A map with the operations of `map`. */
function anotherMap(object: ObjectSpec, name: string, initialValue?: Uint8Array): MapSpec {
  const { type, valueSize, valueType, operations } = object.map('map');
  return new MapSpec({ name, kind: 'struct-ops', type, valueSize, valueType, operations, initialValue });
}

function plan(change: Partial<Case> = {}): LoadPlan {
  const { object, kernel } = objectAndFacts(change);
  return relocate(object, kernel);
}

function caught(change: Partial<Case>): Error {
  try {
    plan(change);
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error('nothing was thrown');
}

test.each([
  [true, 0],
  [false, 4],
])('members are copied by name to where the kernel has them (little-endian: %s)', (littleEndian, inPointer) => {
  const { maps, programs } = plan({ littleEndian });
  const value = new Uint8Array(64 + 40);
  value.set([1, 2, 3, 4], 64 + 24);
  const kernel = objectAndFacts({ littleEndian }).kernel.btf;
  expect(maps[0]).toMatchObject({
    kernelName: 'map',
    initialValue: undefined,
    btfValueTypeId: 0,
    structOps: {
      valueTypeId: kernel?.find('bpf_struct_ops_ops', BtfKind.STRUCT),
      value,
      programs: [{ program: 'one', offset: 64 + 16 + inPointer }],
    },
  });
  const [program, second] = [...programs()];
  expect(program).toMatchObject({ attachBtfId: kernel?.find('ops', BtfKind.STRUCT), attachType: 2 });
  expect(second).toBeUndefined();
});

test('a module may have the structure', () => {
  const { object, kernel } = objectAndFacts({ value: 'bpf_struct_ops_x' });
  const base = kernel.btf;
  if (base === undefined) throw new Error('the kernel has types');
  const builder = new BtfBuilder({ littleEndian: true, base });
  const id = builder.addStruct('ops', 16, [member('first', operationOf(base), 0)]);
  const value = builder.addStruct('bpf_struct_ops_ops', 80, [member('data', id, 512)]);
  const module = Btf.parse(builder.encode(), { name: 'scheduler', base });
  object.map('map').initialValue = new Uint8Array(24);
  const { maps, programs } = relocate(object, { ...kernel, modules: [module] });
  expect(maps[0]?.structOps).toMatchObject({ valueTypeId: value, module: 'scheduler', programs: [{ offset: 64 }] });
  expect([...programs()][0]).toMatchObject({ attachBtfId: id, attachModule: 'scheduler', attachType: 0 });
});

/** The type of `first` in the kernel's structure. */
function operationOf(btf: Btf): number {
  const type = btf.type(btf.find('ops') ?? 0);
  const first = 'members' in type ? type.members.find(({ name }) => name === 'first') : undefined;
  return first?.type ?? 0;
}

test('flavours are of the kernel structure without them', () => {
  expect(plan({ name: 'ops___other' }).maps[0]?.structOps?.value).toHaveLength(104);
});

test('the kernel types are asked for', () => {
  const { object } = objectAndFacts({});
  expect(needs(object)).toMatchObject({
    kernelBtf: true,
    kernelIds: true,
    typeNames: new Map([
      ['ops', new Set([BtfKind.STRUCT])],
      ['bpf_struct_ops_ops', new Set([BtfKind.STRUCT])],
    ]),
    reasons: ['map "map": struct ops'],
  });
  object.map('map').autoCreate = false;
  expect(needs(object).kernelBtf).toBe(false);
  expect(() => plan({ kernel: { btf: undefined } })).toThrow(/It is needed for:\n {4}map "map": struct ops$/);
});

describe('programs', () => {
  const loaded = (change: Partial<Case>) => [...plan(change).programs()].map(({ spec }) => spec.name);

  test('are loaded when a map to be created names them, whatever they say themselves', () => {
    expect(
      loaded({ map: { operations: new Map([['second', 'two']]) }, edit: (o) => (o.program('one').autoload = false) }),
    ).toEqual(['two']);
    expect(loaded({ map: { autoCreate: false } })).toEqual([]);
  });

  test('for members that the kernel does not have are not', () => {
    const change: Partial<Case> = {
      ours: (_, t) => [member('number', t.u32, 0), member('gone', t.operation, 64), member('second', t.operation, 128)],
      map: {
        operations: new Map([
          ['gone', 'one'],
          ['second', 'two'],
        ]),
      },
    };
    expect(loaded(change)).toEqual(['two']);
    expect(plan(change).maps[0]?.structOps?.programs).toHaveLength(1);
    const both = {
      ...change,
      map: {
        operations: new Map([
          ['gone', 'one'],
          ['second', 'one'],
        ]),
      },
    };
    expect(loaded(both)).toEqual(['one']);
  });

  test('may serve several maps in one place', () => {
    const edit = (object: ObjectSpec): void => {
      const twin = anotherMap(object, 'twin');
      object.maps.set('twin', twin);
    };
    expect(loaded({ edit })).toEqual(['one']);
  });

  test.each([
    [
      'that implements nothing',
      { map: { operations: new Map() } },
      'program "one": no structure of a section ".struct_ops"',
    ],
    [
      'in two places',
      {
        map: {
          operations: new Map([
            ['first', 'one'],
            ['second', 'one'],
          ]),
        },
      },
      'maps.map.operations.second: program "one" implements another member already',
    ],
    [
      'of another type',
      { edit: (o: ObjectSpec) => (o.program('one').type = ProgramType.XDP) },
      'maps.map.operations.first: program "one" of section "struct_ops" is no struct_ops program',
    ],
    [
      'that is not there',
      { map: { operations: new Map([['first', 'onee']]) } },
      'no program for maps.map.operations.first is named "onee"; did you mean "one"',
    ],
    [
      'for no member',
      { map: { operations: new Map([['frist', 'one']]) } },
      'no member of struct ops in map "map" is named "frist"; did you mean "first"',
    ],
  ])('one %s is refused', (_, change, problem) => {
    const error = caught(change);
    expect(error).toBeInstanceOf(UsageError);
    expect(error.message).toContain(problem);
  });
});

test('a member that the kernel does not have must be zero', () => {
  const gone: Members = (_, t) => [member('gone', t.u32, 0), member('first', t.operation, 64)];
  expect(caught({ ours: gone }).message).toBe(
    'member "gone" of struct ops: map "map": this kernel has no such member, and the object gives it a value',
  );
  expect(plan({ ours: gone, map: { initialValue: undefined } }).maps).toHaveLength(1);
});

test.each<[string, Partial<Case>, string]>([
  [
    'a bit-field',
    { ours: (_, t) => [member('number', t.u32, 0, 3), member('first', t.operation, 64)] },
    'bit-fields cannot be given to the kernel',
  ],
  [
    'a bit-field in the kernel',
    { theirs: (_, t) => [member('number', t.u32, 0, 3), member('first', t.operation, 64)] },
    "it is a bit-field in the kernel's structure",
  ],
  [
    'of another size',
    { ours: (_, t) => [member('number', t.u64, 0), member('first', t.operation, 64)] },
    'it has 8 bytes here and 4 in this kernel',
  ],
  [
    'of another kind',
    { theirs: (_, t) => [member('number', t.pointer, 0), member('first', t.operation, 64)] },
    'it is of kind INT here and of kind PTR in this kernel',
  ],
  [
    'another address',
    {
      ours: (_, t) => [member('number', t.pointer, 0), member('first', t.operation, 64)],
      theirs: (_, t) => [member('number', t.pointer, 0), member('first', t.operation, 64)],
    },
    'only programs can be put into pointers',
  ],
  [
    'no function',
    { theirs: (_, t) => [member('number', t.u32, 0), member('first', t.pointer, 64)] },
    'in this kernel it is no pointer to a function',
  ],
  [
    'a number where a program is put',
    { map: { operations: new Map([['number', 'one']]) } },
    'a program is put where no function goes',
  ],
])('a member that is %s is refused', (_, change, problem) => {
  const error = caught(change);
  expect(error).toBeInstanceOf(UnsupportedError);
  expect(error.message).toMatch(new RegExp(`^member "(number|first)" of struct ops: map "map": ${problem}$`));
});

test.each<[string, Partial<Case>, string]>([
  [
    'structure',
    { name: 'unheard_of' },
    'struct unheard_of: neither this kernel nor a loaded module has such a structure for map "map"',
  ],
  ['value', { value: 'bpf_struct_ops_x' }, 'programs for struct ops: this kernel does not let map "map" implement it'],
])('a kernel without the %s is named', (_, change, problem) => {
  const error = caught(change);
  expect(error).toBeInstanceOf(UnsupportedError);
  expect(error.message).toContain(problem);
});

test('a kernel without links takes structures without them', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  const basic = basicTypes(builder);
  const operation = builder.addPointer(builder.addFunctionPrototype(basic.int, []));
  const id = builder.addStruct('ops', 40, theirs(builder, { ...basic, operation }));
  builder.addStruct('bpf_struct_ops_ops', 48, [member('refcnt', basic.u32, 0), member('data', id, 64)]);
  const kernel = { btf: Btf.parse(builder.encode(), { name: 'vmlinux' }) };
  const error = caught({ kernel });
  expect(error).toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '6.4' });
  expect(error.message).toContain('put "map" into the section ".struct_ops"');
  expect(plan({ kernel, map: { flags: 0 } }).maps[0]?.structOps?.programs).toEqual([{ program: 'one', offset: 24 }]);
});

test('contents of another length are refused', () => {
  const edit = (object: ObjectSpec): void => {
    const map = anotherMap(object, 'map', new Uint8Array(8));
    object.maps.set('map', map);
  };
  expect(caught({ edit }).message).toBe('maps.map.initialValue: 8 bytes were given for struct ops, which has 24');
});

test.each([true, false])('a section name that old kernels refuse is changed (little-endian: %s)', (littleEndian) => {
  const builder = new BtfBuilder({ littleEndian });
  const number = builder.addInt('int', { size: 4 });
  const id = builder.addDataSection('?.struct_ops', 4, [
    { type: builder.addVariable('x', number, 1), offset: 0, size: 4 },
  ]);
  const btf = Btf.parse(builder.encode(), { name: 'x' });
  const changed = Btf.parse(withPlainSectionNames(btf), { name: 'x' });
  expect(changed.nameOf(id)).toBe('_.struct_ops');
  expect(btf.nameOf(id)).toBe('?.struct_ops');
  expect(withPlainSectionNames(changed)).toBe(changed.bytes);
});
