import { MapType } from '../../../lib/abi/index.js';
import { CodeBuilder, disassemble } from '../../../lib/asm/index.js';
import { RelocationError, UnsupportedError } from '../../../lib/errors/index.js';
import { type ExternSpec, MapSpec, type ObjectSpec, type Target } from '../../../lib/object/index.js';
import { functionSpec, objectOf, relocateOne } from './fixtures.js';

const maps = (): Map<string, MapSpec> =>
  new Map(
    ['first', 'counts', '.data'].map((name) => [
      name,
      new MapSpec({ name, type: MapType.ARRAY, keySize: 4, valueSize: 64, maxEntries: 1 }),
    ]),
  );

/** A program that loads each target's address in turn. */
function loading(targets: readonly Target[], externs: readonly ExternSpec[] = []): ObjectSpec {
  const builder = new CodeBuilder({ littleEndian: true });
  const references = targets.map((target) => {
    const offset = builder.count * 8;
    // What the compiler leaves here is of no meaning: the reference has it all.
    builder.loadWide(1, 0x5555_0000_0040n);
    return { offset, ...target };
  });
  const main = functionSpec('main', builder.exit().toBytes(), { section: 'raw_tp', references });
  return objectOf([main], { maps: maps(), externs: new Map(externs.map((extern) => [extern.name, extern])) });
}

test('maps and data become loads with a binding for the descriptor', () => {
  const plan = relocateOne(
    loading([
      { kind: 'map', map: 'counts' },
      { kind: 'data', map: '.data', offsetInMap: 24 },
      { kind: 'data', map: '.data', offsetInMap: -8 },
    ]),
  );
  expect(disassemble(plan.code, true).split('\n')).toEqual([
    '   0: (18) r1 = map[fd:0]',
    '   2: (18) r1 = map[fd:0][0]+24',
    '   4: (18) r1 = map[fd:0][0]+4294967288',
    '   6: (95) exit',
  ]);
  expect(plan.bindings).toEqual([
    { offset: 4, map: 'counts' },
    { offset: 20, map: '.data' },
    { offset: 36, map: '.data' },
  ]);
  expect(plan.poisons).toEqual([]);
});

test('a map that is not created is poison, and says so', () => {
  const object = loading([
    { kind: 'map', map: 'first' },
    { kind: 'map', map: 'counts' },
    { kind: 'data', map: '.data', offsetInMap: 0 },
  ]);
  object.map('counts').autoCreate = false;
  object.map('.data').autoCreate = false;
  const plan = relocateOne(object);
  expect(disassemble(plan.code, true).split('\n')).toEqual([
    '   0: (18) r1 = map[fd:0]',
    '   2: (85) call unknown#2001000001',
    '   3: (85) call unknown#2001000001',
    '   4: (85) call unknown#2001000002',
    '   5: (85) call unknown#2001000002',
    '   6: (95) exit',
  ]);
  expect(plan.bindings).toEqual([{ offset: 4, map: 'first' }]);
  expect(plan.poisons).toEqual([
    { kind: 'map', instruction: 2, access: 'map "counts"', reason: 'its autoCreate is false' },
    { kind: 'map', instruction: 4, access: 'map ".data"', reason: 'its autoCreate is false' },
  ]);
});

test('a map that the object does not have is refused', () => {
  expect(() => relocateOne(loading([{ kind: 'map', map: 'no such' }]))).toThrow(
    new RelocationError('the object has no map of this name', { program: 'main', instruction: 0, access: '"no such"' }),
  );
});

describe('what cannot be resolved is refused by name', () => {
  const cases: [Target, ExternSpec[], RegExp][] = [
    [
      { kind: 'extern', name: 'memcpy' },
      [{ name: 'memcpy', section: undefined, weak: false, typeId: 0 }],
      /^symbols that the object does not define: program "main" refers to "memcpy", and no BTF declares it __ksym or __kconfig$/,
    ],
    [{ kind: 'section', section: 'mine', offsetInSection: 0, symbol: '' }, [], /^custom sections: .*"mine"/],
  ];

  test.each(cases)('%j', (target, externs, message) => {
    const object = loading([target], externs);
    expect(() => relocateOne(object)).toThrow(UnsupportedError);
    expect(() => relocateOne(object)).toThrow(message);
  });

  test('and only where a program to be loaded refers to it', () => {
    const object = loading([{ kind: 'extern', name: 'memcpy' }]);
    const quiet = objectOf([
      functionSpec('quiet', new CodeBuilder({ littleEndian: true }).exit().toBytes(), {
        section: 'raw_tp',
        sectionOffset: 64,
      }),
    ]);
    for (const [name, program] of quiet.programs) object.programs.set(name, program);
    object.program('main').autoload = false;
    expect(relocateOne(object).spec.name).toBe('quiet');
  });
});

test.each<[string, Target]>([
  ['a map', { kind: 'map', map: 'counts' }],
  ['a function', { kind: 'call', function: 'main' }],
])('a reference to %s at an instruction that takes no address is refused', (_, target) => {
  const code = new CodeBuilder({ littleEndian: true }).move(0, 0).exit().toBytes();
  const object = objectOf([functionSpec('main', code, { section: 'raw_tp', references: [{ offset: 0, ...target }] })], {
    maps: maps(),
  });
  object.functions.set('main', functionSpec('main', code));
  expect(() => relocateOne(object)).toThrow(/opcode 0xb7 takes no address/);
});

test.each([4, 16, 800])('a reference at offset %i, where no instruction of the function is, is refused', (offset) => {
  const code = new CodeBuilder({ littleEndian: true }).move(0, 0).exit().toBytes();
  const references = [{ offset, kind: 'map', map: 'counts' } as const];
  const object = objectOf([functionSpec('main', code, { section: 'raw_tp', references })], { maps: maps() });
  expect(() => relocateOne(object)).toThrow(/at no instruction of it/);
});
