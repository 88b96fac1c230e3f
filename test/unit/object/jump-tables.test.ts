import { readFileSync } from 'node:fs';
import path from 'node:path';

import { CodeBuilder, INSTRUCTION_SIZE, LoadSource } from '../../../lib/asm/index.js';
import { SymbolType } from '../../../lib/elf/index.js';
import { ObjectSpec, type Reference } from '../../../lib/object/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';

const folder = path.join(__dirname, '../../../bpf-samples/other-compilers');

type JumpTable = Reference & { kind: 'jump-table' };

function tablesOf(references: readonly Reference[]): JumpTable[] {
  return references.filter((reference): reference is JumpTable => reference.kind === 'jump-table');
}

describe.each(['jump_tables.bpf.o', 'jump_tables.bpfeb.o'])('what clang 22 and later write: %s', (name) => {
  const spec = ObjectSpec.parse(readFileSync(path.join(folder, name)), { name });

  test('each table leads to instructions of its function, counted from there', () => {
    const { function: second } = spec.program('second');
    const shared = spec.functions.get('shared');
    expect(second.sectionOffset).toBeGreaterThan(0);
    for (const one of [second, shared]) {
      const [table, ...others] = tablesOf(one?.references ?? []);
      expect(others).toEqual([]);
      expect(table).toMatchObject({ offsetInTable: 0 });
      expect(table?.table).toMatch(/^BPF\.JT\.\d\.0$/u);
      expect(table?.targets).toHaveLength(5);
      for (const target of table?.targets ?? []) {
        expect(target % INSTRUCTION_SIZE).toBe(0);
        expect(target).toBeLessThan(one?.code.byteLength ?? 0);
      }
    }
  });

  test('written and read again they lead to the same places', () => {
    const again = ObjectSpec.parse(spec.toElf(), { name });
    expect(tablesOf(again.program('second').function.references)).toEqual(
      tablesOf(spec.program('second').function.references),
    );
    expect(tablesOf(again.functions.get('shared')?.references ?? [])).toEqual(
      tablesOf(spec.functions.get('shared')?.references ?? []),
    );
  });

  test('also when the code moves, as what stands before it was taken out', () => {
    const edited = spec.clone();
    edited.program('second').attachTo = 'sys_enter';
    const again = ObjectSpec.parse(edited.toElf(), { name });
    expect(again.program('second').function.sectionOffset).toBe(0);
    expect(tablesOf(again.program('second').function.references)).toEqual(
      tablesOf(spec.program('second').function.references),
    );
  });
});

/** A program that loads the address of a table; `targets` are offsets in its section, the program begins at 16. */
function object(
  targets: readonly bigint[],
  table: { size?: number; value?: number; immediate?: number; loads?: number } = {},
): Uint8Array {
  const elf = new ElfBuilder();
  const bytes = new Uint8Array(BigUint64Array.from(targets).buffer);
  const section = elf.data('.jumptables', bytes);
  const code = new CodeBuilder({ littleEndian: true }).move(0, 0).exit();
  for (let load = 0; load < (table.loads ?? 1); load++) {
    code.loadWide(1, BigInt(table.immediate ?? 0), LoadSource.VALUE);
  }
  code.move(0, 0).exit();
  const programs = elf.code('raw_tp', code.toBytes());
  elf.function('first', programs, 0, 16);
  elf.function('second', programs, 16, code.toBytes().byteLength - 16);
  const { size = bytes.byteLength, value = 0 } = table;
  const symbol = elf.symbol({ name: 'BPF.JT.0.0', section, value, size, type: SymbolType.OBJECT, binding: 1 });
  for (let load = 0; load < (table.loads ?? 1); load++) elf.relocation(programs, 16 + load * 16, symbol);
  return elf.encode();
}

const referencesOf = (bytes: Uint8Array): readonly Reference[] =>
  ObjectSpec.parse(bytes).program('second').function.references;

test('targets count from the function, in any order, and may repeat', () => {
  expect(referencesOf(object([40n, 32n, 32n], { immediate: 8 }))).toEqual([
    { offset: 0, kind: 'jump-table', table: 'BPF.JT.0.0', targets: [24, 16, 16], offsetInTable: 8 },
  ]);
});

test('two loads of one table share its targets', () => {
  const [one, two] = tablesOf(referencesOf(object([48n, 16n], { loads: 2 })));
  expect(one?.targets).toBe(two?.targets);
});

test.each([
  ['before the function', [8n], {}, 'jump table "BPF.JT.0.0" leads to 8, which is no instruction of function "second"'],
  ['behind it', [48n], {}, 'leads to 48, which is no instruction'],
  ['between instructions', [36n], {}, 'leads to 36, which is no instruction'],
  ['nowhere', [1n << 63n], {}, 'the value 0x8000000000000000 is too large'],
] as const)('a table that leads %s is refused', (_, targets, table, message) => {
  expect(() => referencesOf(object(targets, table))).toThrow(message);
});

test.each([
  [{ size: 12 }, 'jump table "BPF.JT.0.0" of 12 bytes is no row of targets of 8 bytes'],
  [{ value: 4, size: 8 }, 'of 8 bytes is no row of targets of 8 bytes'],
  [{ size: 32 }, "of 32 bytes exceeds the section's 16"],
  [{ value: 16, size: 8 }, "of 8 bytes exceeds the section's 16"],
])('a table that is none, %j, is refused', (table, message) => {
  expect(() => referencesOf(object([32n, 40n], table))).toThrow(message);
});

test('an address without a size is that of a section', () => {
  expect(referencesOf(object([32n], { size: 0 }))).toEqual([
    { offset: 0, kind: 'section', section: '.jumptables', offsetInSection: 0, symbol: 'BPF.JT.0.0' },
  ]);
});

test('tables that overlap again and again are refused in time', () => {
  const elf = new ElfBuilder();
  const section = elf.data('.jumptables', new Uint8Array(8 * 1000));
  const code = new CodeBuilder({ littleEndian: true });
  for (let load = 0; load < 1000; load++) code.loadWide(1, 0n, LoadSource.VALUE);
  const bytes = code.move(0, 0).exit().toBytes();
  const programs = elf.code('raw_tp', bytes);
  elf.function('main', programs, 0, bytes.byteLength);
  for (let load = 0; load < 1000; load++) {
    elf.relocation(programs, load * 16, elf.symbol({ name: `t${load}`, section, size: 8000, type: SymbolType.OBJECT }));
  }
  expect(() => ObjectSpec.parse(elf.encode())).toThrow('its tables overlap');
});
