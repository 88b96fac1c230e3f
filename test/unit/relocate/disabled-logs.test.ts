import { AccessSize, CodeBuilder, disassemble, INSTRUCTION_SIZE } from '../../../lib/asm/index.js';
import type { FunctionSpec, Reference } from '../../../lib/object/index.js';
import { withoutDisabledLogs } from '../../../lib/relocate/disabled-logs.js';
import { coreRelocations, functionSpec } from './fixtures.js';

const littleEndian = true;
const level = { map: '.rodata', offset: 8, value: 3 };
const jumpIfBelow = 0xa5;

/** Code that notes what refers to what while it grows. */
class Draft {
  readonly code: CodeBuilder = new CodeBuilder({ littleEndian });
  readonly references: Reference[] = [];

  refer(reference: Reference extends infer R ? (R extends Reference ? Omit<R, 'offset'> : never) : never): this {
    this.references.push({ ...reference, offset: this.code.count * INSTRUCTION_SIZE });
    return this;
  }

  /** The test of the header, whose jump leads `over` so many instructions. */
  test(wanted: number, over: number, register = 0): this {
    this.refer({ kind: 'data', map: '.rodata', offsetInMap: 8 });
    this.code.loadWide(register, 0n).load(register, AccessSize.B, register, 0);
    this.code.add({ opcode: jumpIfBelow, destination: register, offset: over, immediate: wanted });
    return this;
  }

  spec(fields: Partial<FunctionSpec> = {}): FunctionSpec {
    return functionSpec('main', this.code.toBytes(), { references: this.references, ...fields });
  }
}

const text = (spec: FunctionSpec): string[] => disassemble(spec.code, littleEndian).split('\n');

test('tests disappear with what is disabled, and without what is enabled', () => {
  const draft = new Draft();
  draft.test(3, 2).code.move(1, 3).call(5);
  draft.test(4, 2).code.move(1, 4).call(6);
  draft.code.move(0, 0).exit();
  expect(text(withoutDisabledLogs(draft.spec(), level))).toEqual([
    '   0: (b7) r1 = 3',
    '   1: (85) call bpf_ktime_get_ns#5',
    '   2: (05) goto pc+0',
    '   3: (b7) r0 = 0',
    '   4: (95) exit',
  ]);
  expect(text(withoutDisabledLogs(draft.spec(), { ...level, value: 5 }))).toHaveLength(6);
  expect(text(withoutDisabledLogs(draft.spec(), { ...level, value: 0 }))).toHaveLength(4);
});

test('jumps that lead over what is gone become shorter, forward, back and long', () => {
  const draft = new Draft();
  draft.code.move(1, 1);
  draft.code.add({ opcode: 0x15, destination: 1, offset: 7, immediate: 2 }); // to the second `goto`
  draft.test(5, 2).code.move(2, 5).call(5);
  draft.code.add({ opcode: 0x06, immediate: 1 }); // gotol, to `r0 = 0`
  draft.code.add({ opcode: 0x05, offset: -10 }); // to `r1 = 1`
  draft.code.move(0, 0).exit();
  expect(text(withoutDisabledLogs(draft.spec(), level))).toEqual([
    '   0: (b7) r1 = 1',
    '   1: (15) if r1 == 0x2 goto pc+2',
    '   2: (05) goto pc+0',
    '   3: (06) gotol pc+1',
    '   4: (05) goto pc-5',
    '   5: (b7) r0 = 0',
    '   6: (95) exit',
  ]);
});

test('a body that stands elsewhere is found and removed too', () => {
  const draft = new Draft();
  draft.test(5, 1);
  draft.code.add({ opcode: 0x05, offset: 2 }); // to the body, behind the exit
  draft.code.move(0, 0).exit();
  draft.code.call(5).add({ opcode: 0x05, offset: -4 });
  expect(text(withoutDisabledLogs(draft.spec(), level))).toEqual([
    '   0: (05) goto pc+0',
    '   1: (b7) r0 = 0',
    '   2: (95) exit',
  ]);
});

test('references, lines and CO-RE relocations follow their instructions', () => {
  const draft = new Draft();
  draft.refer({ kind: 'map', map: 'first' }).code.loadWide(1, 0n);
  draft.test(5, 2);
  draft.refer({ kind: 'map', map: 'logged' }).code.loadWide(1, 0n);
  draft.refer({ kind: 'map', map: 'last' }).code.loadWide(1, 0n);
  draft.code.move(2, 8).move(0, 0).exit();
  const lines = {
    offsets: Uint32Array.of(0, 16, 48, 64, 80),
    fileNames: Uint32Array.of(1, 1, 1, 1, 1),
    texts: Uint32Array.of(10, 20, 30, 40, 50),
    lineColumns: Uint32Array.of(1024, 2048, 3072, 4096, 5120),
  };
  const relocation = (offset: number): Parameters<typeof coreRelocations>[0] => ({
    ...{ offset, typeId: offset, access: 1, kind: 0 },
  });
  const pruned = withoutDisabledLogs(
    draft.spec({ lines, coreRelocations: coreRelocations(relocation(48), relocation(80)) }),
    level,
  );
  expect(pruned.code.byteLength / 8).toBe(8);
  expect(pruned.references).toEqual([
    { kind: 'map', map: 'first', offset: 0 },
    { kind: 'map', map: 'last', offset: 24 },
  ]);
  // The jump that is left is of the log's line; what follows it of its own.
  expect([...pruned.lines.offsets]).toEqual([0, 16, 24, 40]);
  expect([...pruned.lines.lineColumns]).toEqual([1024, 2048, 4096, 5120]);
  expect([...pruned.lines.texts]).toEqual([10, 20, 40, 50]);
  expect([...pruned.coreRelocations.offsets]).toEqual([40]);
  expect([...pruned.coreRelocations.typeIds]).toEqual([80]);
});

test('targets of jump tables count as reached, and move', () => {
  const draft = new Draft();
  draft.test(5, 1).code.call(5);
  draft.refer({ kind: 'jump-table', table: 'BPF.JT', targets: [64, 72], offsetInTable: 0 }).code.loadWide(1, 0n);
  draft.code.add({ opcode: 0x0d, destination: 1 }); // gotox
  draft.code.exit().exit();
  const pruned = withoutDisabledLogs(draft.spec(), level);
  expect(pruned.references).toEqual([
    { kind: 'jump-table', table: 'BPF.JT', targets: [32, 40], offsetInTable: 0, offset: 8 },
  ]);
});

test.each([
  [
    'another variable',
    (draft: Draft) => draft.refer({ kind: 'data', map: '.rodata', offsetInMap: 9 }).code.loadWide(0, 0n),
  ],
  ['only a load', (draft: Draft) => draft.refer({ kind: 'data', map: '.rodata', offsetInMap: 8 }).code.loadWide(0, 0n)],
  [
    'another comparison',
    (draft: Draft) =>
      draft
        .refer({ kind: 'data', map: '.rodata', offsetInMap: 8 })
        .code.loadWide(0, 0n)
        .load(0, AccessSize.B, 0, 0)
        .add({ opcode: 0x25, destination: 0, offset: 1, immediate: 4 }),
  ],
  [
    'another register',
    (draft: Draft) =>
      draft
        .refer({ kind: 'data', map: '.rodata', offsetInMap: 8 })
        .code.loadWide(0, 0n)
        .load(2, AccessSize.B, 0, 0)
        .add({ opcode: jumpIfBelow, destination: 2, offset: 1, immediate: 4 }),
  ],
  ['a jump out of the function', (draft: Draft) => draft.test(5, 3)],
  ['a jump to before the function', (draft: Draft) => draft.test(5, -9)],
])('%s is left to the verifier', (_, add) => {
  const draft = new Draft();
  add(draft);
  draft.code.call(5).exit();
  const spec = draft.spec();
  expect(withoutDisabledLogs(spec, level)).toBe(spec);
});
