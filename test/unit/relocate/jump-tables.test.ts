import { readFileSync } from 'node:fs';
import path from 'node:path';

import { CodeBuilder, Instruction, INSTRUCTION_SIZE, LoadSource } from '../../../lib/asm/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { disassemble, relocate, type ProgramPlan } from '../../../lib/relocate/index.js';
import { facts, functionSpec, objectOf, relocateOne } from './fixtures.js';

const folder = path.join(__dirname, '../../../bpf-samples/other-compilers');

function plansOf(name: string): Map<string, ProgramPlan> {
  const object = ObjectSpec.parse(readFileSync(path.join(folder, name)), { name });
  const { littleEndian } = object;
  return new Map([...relocate(object, { ...facts, littleEndian }).programs()].map((plan) => [plan.spec.name, plan]));
}

describe.each(['jump_tables.bpf.o', 'jump_tables.bpfeb.o'])('%s', (name) => {
  const littleEndian = !name.includes('eb');

  test('targets are places in the whole program, and each load of a table takes its descriptor', () => {
    const plans = plansOf(name);
    const object = ObjectSpec.parse(readFileSync(path.join(folder, name)), { name });
    for (const [program, tables] of [
      ['first', ['BPF.JT.1.0']],
      ['second', ['BPF.JT.2.0', 'BPF.JT.1.0']],
    ] as const) {
      const plan = plans.get(program);
      expect(plan?.jumpTables.map((table) => table.name)).toEqual(tables);
      const code = new Instruction(plan?.code ?? new Uint8Array(0), littleEndian);
      const ownLength = object.program(program).function.code.byteLength / INSTRUCTION_SIZE;
      for (const table of plan?.jumpTables ?? []) {
        const [offset, ...others] = table.offsets;
        expect(others).toEqual([]);
        const load = code.at(((offset ?? 0) - 4) / INSTRUCTION_SIZE);
        expect(load).toMatchObject({ isWide: true, source: LoadSource.MAP_VALUE, wideImmediate: 0n });
        const isOwn = load.index < ownLength;
        expect(table.targets).toHaveLength(5);
        for (const target of table.targets) {
          expect(target > load.index && target < code.count).toBe(true);
          expect(target < ownLength).toBe(isOwn);
        }
      }
    }
  });

  test('the print has a label for each target', () => {
    const object = ObjectSpec.parse(readFileSync(path.join(folder, name)), { name });
    const lines = disassemble(object, 'first').split('\n');
    const note = lines.find((line) => line.includes('BPF.JT.1.0+0'));
    expect(note).toMatch(/; leads to L1 L5 L3 L4 L2$/u);
    expect(lines).toContainEqual(expect.stringMatching(/\(0d\) gotox r1/u));
    for (const label of ['L1:', 'L2:', 'L3:', 'L4:', 'L5:']) expect(lines).toContain(label);
  });
});

test('an offset into the table goes into the second half, and two loads share one map', () => {
  const code = new CodeBuilder({ littleEndian: true }).loadWide(1, 0n).loadWide(2, 8n).move(0, 0).exit().toBytes();
  const targets = [32, 40];
  const references = [
    { offset: 0, kind: 'jump-table', table: 'T', targets, offsetInTable: 0 },
    { offset: 16, kind: 'jump-table', table: 'T', targets, offsetInTable: 8 },
  ] as const;
  const plan = relocateOne(objectOf([functionSpec('main', code, { section: 'raw_tp', references })]));
  expect(plan.jumpTables).toEqual([{ name: 'T', targets: Uint32Array.of(4, 5), offsets: [4, 20] }]);
  const instruction = new Instruction(plan.code, true);
  expect(instruction.at(0).wideImmediate).toBe(0n);
  expect(instruction.at(2).wideImmediate).toBe(8n << 32n);
  expect(instruction.source).toBe(LoadSource.MAP_VALUE);
});

test('an instruction that takes no address is refused', () => {
  const code = new CodeBuilder({ littleEndian: true }).move(0, 0).exit().toBytes();
  const references = [{ offset: 0, kind: 'jump-table', table: 'T', targets: [8], offsetInTable: 0 }] as const;
  const object = objectOf([functionSpec('main', code, { section: 'raw_tp', references })]);
  expect(() => relocateOne(object)).toThrow('opcode 0xb7 takes no address');
});

test('long tables, and targets within instructions, are printed as far as they can be', () => {
  const code = new CodeBuilder({ littleEndian: true }).loadWide(1, 0n).move(0, 0).exit().toBytes();
  const targets = [8, ...Array.from({ length: 70 }, () => 16)];
  const references = [{ offset: 0, kind: 'jump-table', table: 'T\n', targets, offsetInTable: 0 }] as const;
  const text = disassemble(objectOf([functionSpec('main', code, { section: 'raw_tp', references })]), 'main');
  expect(text).toContain(`r1 = T\\x0a+0`);
  expect(text).toMatch(/; leads to \?( L1){63} …$/mu);
});
