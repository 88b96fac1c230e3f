import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { CodeBuilder, InstructionClass, JumpOperation } from '../../../lib/asm/index.js';
import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { UsageError } from '../../../lib/errors/index.js';
import { ObjectSpec, type FunctionSpec, type Reference } from '../../../lib/object/index.js';
import { disassemble } from '../../../lib/relocate/index.js';
import { installed } from '../../helpers/installed.js';
import { testIf } from '../../helpers/skip.js';
import { basicTypes, coreRelocations, functionSpec, member, objectOf } from './fixtures.js';

const folder = join(__dirname, '../../../bpf-samples');
const objects = readdirSync(folder).filter((name) => name.endsWith('.o'));

function parse(file: string): ObjectSpec {
  const object = ObjectSpec.parse(readFileSync(join(folder, file)), { name: file });
  // By it disabled logs are left out; here all is printed that was compiled.
  object.variables.delete('node_ebpf_log_level');
  return object;
}

/** Every function of every program: its name, and its instructions by the index in its section. */
function printedFunctions(object: ObjectSpec): { spec: FunctionSpec; lines: Map<number, string> }[] {
  const found: { spec: FunctionSpec; lines: Map<number, string> }[] = [];
  const specs = [...object.functions.values(), ...[...object.programs.values()].map((program) => program.function)];
  for (const program of object.programs.keys()) {
    let first: number | undefined;
    for (const line of disassemble(object, program).split('\n')) {
      const [, index, text = ''] = /^ *(\d+): (\([0-9a-f]{2}\) .*)$/.exec(line) ?? [];
      const current = found.at(-1);
      if (index === undefined) {
        const spec = specs.find(({ name }) => line === `${name}:`);
        if (spec !== undefined) found.push({ spec, lines: new Map() });
        if (spec !== undefined) first = undefined;
      } else if (current !== undefined) {
        first ??= Number(index);
        current.lines.set(current.spec.sectionOffset / 8 + Number(index) - first, text);
      }
    }
  }
  return found;
}

test.each(objects)('%s: every instruction of every program is printed', (file) => {
  const object = parse(file);
  const printed = printedFunctions(object);
  expect(printed.length).toBeGreaterThanOrEqual(object.programs.size);
  for (const { spec, lines } of printed) {
    const wide = [...lines.values()].filter((line) => line.startsWith('(18)')).length;
    expect([spec.name, lines.size + wide]).toEqual([spec.name, spec.code.byteLength / 8]);
    for (const line of lines.values()) expect(line).not.toContain('unknown');
  }
});

test('a program is followed by the functions that it reaches, with their C lines and the names of what they use', () => {
  expect(disassemble(parse('callbacks.bpf.o'), 'each').split('\n')).toEqual([
    'each:',
    '; int each(void *context) @ callbacks.bpf.c:60',
    '   0: (b7) r1 = 0',
    '; struct sum sum = {}; @ callbacks.bpf.c:62',
    '   1: (7b) *(u64 *)(r10 -8) = r1',
    '   2: (7b) *(u64 *)(r10 -16) = r1',
    '   3: (bf) r3 = r10',
    '   4: (07) r3 += -16',
    '; bpf_for_each_map_elem(&numbers, add_number, &sum, 0); @ callbacks.bpf.c:64',
    '   5: (18) r1 = map[numbers]',
    '   7: (18) r2 = subprog[add_number]',
    '   9: (b7) r4 = 0',
    '  10: (85) call bpf_for_each_map_elem#164',
    '; each_result = sum.value * 100 + sum.calls; @ callbacks.bpf.c:65',
    '  11: (61) r1 = *(u32 *)(r10 -8)',
    '  12: (79) r2 = *(u64 *)(r10 -16)',
    '  13: (27) r2 *= 100',
    '  14: (0f) r2 += r1',
    '  15: (18) r1 = map[.bss][0]+8',
    '  17: (7b) *(u64 *)(r1 +0) = r2',
    '; return 0; @ callbacks.bpf.c:66',
    '  18: (b4) w0 = 0',
    '  19: (95) exit',
    'add_number:',
    '; static long add_number(struct bpf_map *map, __u32 *key, __u64 *value, struct sum *sum) @ callbacks.bpf.c:42',
    '  20: (bf) r6 = r4',
    '; sum->value += twice(*value); @ callbacks.bpf.c:44',
    '  21: (79) r1 = *(u64 *)(r3 +0)',
    '  22: (85) call twice',
    '  23: (79) r1 = *(u64 *)(r6 +0)',
    '  24: (0f) r1 += r0',
    '  25: (7b) *(u64 *)(r6 +0) = r1',
    '; sum->calls++; @ callbacks.bpf.c:45',
    '  26: (61) r1 = *(u32 *)(r6 +8)',
    '  27: (04) w1 += 1',
    '  28: (63) *(u32 *)(r6 +8) = r1',
    '; return 0; @ callbacks.bpf.c:46',
    '  29: (b7) r0 = 0',
    '  30: (95) exit',
    'twice:',
    '; static __noinline __u64 twice(__u64 value) @ callbacks.bpf.c:29',
    '  31: (bf) r0 = r1',
    '  32: (b7) r1 = 1',
    '; __sync_fetch_and_add(&runs, 1); @ callbacks.bpf.c:31',
    '  33: (18) r2 = map[.bss][0]+16',
    '  35: (db) lock *(u64 *)(r2 +0) += r1',
    '; return value * 2; @ callbacks.bpf.c:32',
    '  36: (67) r0 <<= 1',
    '  37: (95) exit',
  ]);
});

test('jumps say which label they lead to, externs have their names', () => {
  expect(disassemble(parse('kfunc.bpf.o'), 'guarded').split('\n').slice(9, 20)).toEqual([
    '   7: (85) call bpf_rcu_read_lock',
    '; bpf_rcu_read_unlock(); @ kfunc.bpf.c:24',
    '   8: (85) call bpf_rcu_read_unlock',
    '; locked++; @ kfunc.bpf.c:25',
    '   9: (18) r1 = map[.bss][0]+0',
    '  11: (61) r2 = *(u32 *)(r1 +0)',
    '  12: (04) w2 += 1',
    '  13: (63) *(u32 *)(r1 +0) = r2',
    'L1:',
    '; if (bpf_no_such_function) @ kfunc.bpf.c:27',
    '  14: (18) r1 = bpf_no_such_function',
  ]);
  expect(disassemble(parse('kfunc.bpf.o'), 'guarded')).toContain(
    '   3: (15) if r1 == 0x0 goto pc+10 <L1>\n   4: (18) r1 = bpf_rcu_read_unlock\n   6: (15) if r1 == 0x0 goto pc+7 <L1>\n',
  );
});

test.each(['execsnoop.bpf.o', 'execsnoop.bpfeb.o'])('%s: CO-RE relocations say what they access', (file) => {
  const notes = disassemble(parse(file), 'exec')
    .split('\n')
    .filter((line) => line.includes('CO-RE'));
  expect(notes.slice(0, 4)).toEqual([
    '   0: (b7) r2 = 8                                  ; CO-RE task_struct.real_parent',
    '   9: (b7) r1 = 4                                  ; CO-RE task_struct.tgid',
    '  16: (b7) r1 = 16                                 ; CO-RE task_struct.cred',
    '  24: (b7) r1 = 0                                  ; CO-RE cred.uid.val',
  ]);
});

test('jumps of every kind; those to no instruction have no label', () => {
  const { JMP, JMP32 } = InstructionClass;
  const code = new CodeBuilder({ littleEndian: true })
    .add({ opcode: JMP32 | JumpOperation.JA, immediate: 3 })
    .add({ opcode: JMP | JumpOperation.JCOND, offset: -2 })
    .add({ opcode: JMP | JumpOperation.JA | 0x08, destination: 3 })
    .add({ opcode: JMP | JumpOperation.JA, offset: 1 })
    .loadWide(1, 5n, 0)
    .add({ opcode: JMP | JumpOperation.JA, offset: 32767 })
    .add({ opcode: JMP | JumpOperation.JA, offset: -32768 })
    .exit()
    .toBytes();
  expect(disassemble(objectOf([functionSpec('jumps', code, { section: 'raw_tp' })]), 'jumps').split('\n')).toEqual([
    'jumps:',
    'L1:',
    '   0: (06) gotol pc+3 <L2>',
    '   1: (e5) may_goto pc-2 <L1>',
    '   2: (0d) gotox r3',
    '   3: (05) goto pc+1',
    'L2:',
    '   4: (18) r1 = 0x5',
    '   6: (05) goto pc+32767',
    '   7: (05) goto pc-32768',
    '   8: (95) exit',
  ]);
});

test('hostile names are escaped', () => {
  const name = '\x1b[31m\n\u202ename';
  const builder = new BtfBuilder({ littleEndian: true });
  const { int } = basicTypes(builder);
  const struct = builder.addStruct(name, 4, [member(name, int, 0)]);
  const [access, text] = [builder.string('0:0'), builder.string(`/tmp/${name}`)];
  const kinds = ['map', 'data', 'section', 'extern', 'function-address'] as const;
  const code = new CodeBuilder({ littleEndian: true });
  const references = kinds.map((kind, index): Reference => {
    code.loadWide(1, 0n, 0);
    const offset = index * 16;
    switch (kind) {
      case 'map':
        return { kind, offset, map: name };
      case 'data':
        return { kind, offset, map: name, offsetInMap: -1 };
      case 'section':
        return { kind, offset, section: name, offsetInSection: 8, symbol: name };
      case 'extern':
        return { kind, offset, name };
      case 'function-address':
        return { kind, offset, function: name };
    }
  });
  code.add({ opcode: 0x85, source: 1, immediate: -1 });
  const main = functionSpec(name, code.exit().toBytes(), {
    section: 'raw_tp',
    references: [...references, { kind: 'call', offset: kinds.length * 16, function: name }],
    lines: {
      offsets: Uint32Array.of(0),
      fileNames: Uint32Array.of(text),
      texts: Uint32Array.of(text),
      lineColumns: Uint32Array.of(7 << 10),
    },
    coreRelocations: coreRelocations({ offset: 0, typeId: struct, access, kind: 0 }),
  });
  const callee = functionSpec(name, new CodeBuilder({ littleEndian: true }).exit().toBytes(), { sectionOffset: 800 });
  const object = objectOf([main, callee], { btf: Btf.parse(builder.encode(), { name: 'test' }) });
  const shown = '\\x1b[31m\\x0a\\u202ename';
  expect(disassemble(object, name).split('\n')).toEqual([
    `${shown}:`,
    `; /tmp/${shown} @ ${shown}:7`,
    `   0: (18) r1 = map[${shown}]`.padEnd(50) + ` ; CO-RE ${shown}.${shown}`,
    `   2: (18) r1 = map[${shown}][0]-1`,
    `   4: (18) r1 = ${shown}+8`,
    `   6: (18) r1 = ${shown}`,
    `   8: (18) r1 = subprog[${shown}]`,
    `  10: (85) call ${shown}`,
    '  11: (95) exit',
    `${shown}:`,
    '  12: (95) exit',
  ]);
});

test('a program that the object does not have', () => {
  expect(() => disassemble(parse('execsnoop.bpf.o'), 'exce')).toThrow(UsageError);
  expect(() => disassemble(parse('execsnoop.bpf.o'), 'exce')).toThrow('did you mean "exec"?');
});

/** By section and index, what LLVM prints. */
function printedByLlvm(file: string): Map<string, string> {
  const text = execFileSync('llvm-objdump-19', ['-d', '--no-show-raw-insn', join(folder, file)], { encoding: 'utf8' });
  const printed = new Map<string, string>();
  let section = '';
  for (const line of text.split('\n')) {
    section = /^Disassembly of section (.*):$/.exec(line)?.[1] ?? section;
    const [, index, instruction = ''] = /^ *(\d+):\t(.*)$/.exec(line) ?? [];
    if (index !== undefined) printed.set(`${section} ${index}`, instruction);
  }
  return printed;
}

/** LLVM's words for an instruction, with numbers as the kernel writes them. */
function inKernelWords(text: string): string {
  return text
    .replace(/ <[^<>]*>$/, '')
    .replace(/^call (0x\w+)$/, (_, helper: string) => `call #${Number(helper)}`)
    .replace(/-(0x[0-9a-f]+) ll$/, (_, number: string) => BigInt.asUintN(64, -BigInt(number)).toString())
    .replace(/-(0x[0-9a-f]+) goto/, (_, number: string) => `${BigInt.asUintN(32, -BigInt(number))} goto`)
    .replace(/0x[0-9a-f]+/g, (number) => BigInt(number).toString())
    .replace(/ ([-+]) (\d+)\)/g, ' $1$2)')
    .replace(/ ll$/, '')
    .replace(/atomic_(fetch_\w+)\(\(u64/, 'atomic64_$1((u64')
    .replace(/goto ([-+]\d+)$/, 'goto pc$1');
}

/** What {@link disassemble} printed, without names and in decimal. */
function withoutNames(text: string): string {
  return text
    .replace(/^\(..\) /, '')
    .replace(/ +; CO-RE .*$/, '')
    .replace(/ <L\d+>$/, '')
    .replace(/^call \w+#(\d+)$/, 'call #$1')
    .replace(/0x[0-9a-f]+/g, (number) => BigInt(number).toString());
}

describe('what LLVM prints for the same code', () => {
  for (const file of objects) {
    testIf(installed('llvm-objdump-19'), 'llvm-objdump')(file, () => {
      const llvm = printedByLlvm(file);
      let compared = 0;
      for (const { spec, lines } of printedFunctions(parse(file))) {
        const named = new Set(spec.references.map(({ offset }) => (spec.sectionOffset + offset) / 8));
        // What a load fills in has a name on one side only.
        const shown = (index: number, text: string): string =>
          named.has(index) ? text.replace(/^(call|r\d+ =) .*$/, '$1 …') : text;
        for (const [index, line] of lines) {
          const expected = llvm.get(`${spec.section} ${index}`);
          expect(shown(index, withoutNames(line))).toBe(shown(index, inKernelWords(expected ?? 'missing')));
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(0);
    });
  }
});
