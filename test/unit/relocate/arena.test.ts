import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Instruction, LoadSource } from '../../../lib/asm/index.js';
import { UsageError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { needs, relocate, type KernelFacts } from '../../../lib/relocate/index.js';
import { facts } from './fixtures.js';

const bytes = new Uint8Array(readFileSync(join(__dirname, '../../../bpf-samples/arena.bpf.o')));

function arena(): ObjectSpec {
  return ObjectSpec.parse(bytes, { name: 'arena.bpf.o' });
}

/** Where code takes addresses in the arena. */
function addresses(object: ObjectSpec, kernel: Partial<KernelFacts>): number[] {
  const plan = relocate(object, { ...facts, ...kernel });
  return [...plan.programs()].flatMap(({ code, bindings }) => {
    const instruction = new Instruction(code, true);
    return bindings.flatMap(({ offset, map }) => {
      instruction.at((offset - 4) / 8);
      expect(instruction.source).toBe(LoadSource.MAP_VALUE);
      return map === 'memory' ? [Number(instruction.wideImmediate >> 32n)] : [];
    });
  });
}

test('global variables are at the start of the arena, or at its end where code reaches it', () => {
  const object = arena();
  const { globalsSize, initialValue } = object.map('memory');
  const places = new Set(['total', 'runs', 'label'].map((name) => object.variable(name).offset));
  expect(globalsSize).toBeGreaterThan(0);
  expect(new Set(addresses(object, {}))).toEqual(places);
  const end = 15 * 4096;
  expect(new Set(addresses(object, { fullRangeOffsets: true }))).toEqual(new Set([...places].map((at) => end + at)));
  const [plan] = relocate(object, { ...facts, fullRangeOffsets: true }).maps;
  expect(plan).toMatchObject({ arena: { size: 65_536, globalsOffset: end }, initialValue, btfValueTypeId: 0 });
  const [small] = relocate(object, { ...facts, pageSize: 65_536, fullRangeOffsets: true }).maps;
  expect(small?.arena).toEqual({ size: 16 * 65_536, globalsOffset: 15 * 65_536 });
});

test('whether code reaches the end is asked for where it matters', () => {
  const object = arena();
  expect(needs(object)).toMatchObject({ arenaGlobals: true, kernelBtf: false });
  object.map('memory').autoCreate = false;
  expect(needs(object).arenaGlobals).toBe(false);
});

test('an arena that is not created leaves its addresses poisoned', () => {
  const object = arena();
  object.map('memory').autoCreate = false;
  const [program] = relocate(object, facts).programs();
  expect(program?.poisons[0]).toMatchObject({ access: 'map "memory"', reason: 'its autoCreate is false' });
});

test('global variables that do not fit are refused', () => {
  const object = arena();
  object.map('memory').maxEntries = 0;
  expect(() => relocate(object, facts)).toThrow(UsageError);
  expect(() => relocate(object, facts)).toThrow("maps.memory.maxEntries: the arena's 0 pages have 0 bytes");
});
