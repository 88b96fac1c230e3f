import { CodeBuilder, disassemble } from '../../../lib/asm/index.js';
import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { RelocationError } from '../../../lib/errors/index.js';
import type { FunctionSpec, Reference } from '../../../lib/object/index.js';
import { relocate } from '../../../lib/relocate/index.js';
import { facts, functionSpec, objectOf, relocateOne } from './fixtures.js';

const little = { littleEndian: true };
const caught = (run: () => unknown): RelocationError => {
  try {
    run();
  } catch (error) {
    if (error instanceof RelocationError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

/** A function that calls others in turn, then exits: one instruction each. */
function caller(name: string, section: string, sectionOffset: number, callees: readonly string[]): FunctionSpec {
  const builder = new CodeBuilder(little);
  const references: Reference[] = callees.map((callee, index) => {
    builder.add({ opcode: 0x85, source: 1, immediate: -1 });
    return { offset: index * 8, kind: 'call', function: callee };
  });
  return functionSpec(name, builder.exit().toBytes(), { section, sectionOffset, references });
}

test('each function is appended once, in the order of a walk into the calls', () => {
  const object = objectOf([
    caller('main', 'raw_tp', 0, ['b', 'a', 'b']),
    caller('a', '.text', 0, ['c']),
    caller('b', '.text', 16, ['d', 'c']),
    caller('c', '.text', 40, []),
    caller('d', '.text', 48, ['c']),
    caller('unused', '.text', 64, ['a']),
  ]);
  expect(disassemble(relocateOne(object).code, true).split('\n')).toEqual([
    '   0: (85) call pc+3', // main: b at 4
    '   1: (85) call pc+8', // a at 10
    '   2: (85) call pc+1',
    '   3: (95) exit',
    '   4: (85) call pc+2', // b: d at 7
    '   5: (85) call pc+3', // c at 9
    '   6: (95) exit',
    '   7: (85) call pc+1', // d
    '   8: (95) exit',
    '   9: (95) exit', // c
    '  10: (85) call pc-2', // a
    '  11: (95) exit',
  ]);
});

test('every program gets its own copy, and the object’s code is never written', () => {
  const functions = [
    caller('first', 'raw_tp', 0, ['shared']),
    caller('second', 'raw_tp', 16, ['shared']),
    caller('shared', '.text', 0, []),
  ];
  const before = functions.map(({ code }) => Buffer.from(code).toString('hex'));
  const object = objectOf(functions);
  for (const program of object.programs.values()) program.autoload = false;
  const codes = [...object.programs.values()].map((program) => {
    program.autoload = true;
    const plan = relocateOne(object);
    program.autoload = false;
    return plan.code;
  });
  expect(codes.map((code) => code.byteLength)).toEqual([24, 24]);
  expect(codes[0]?.buffer).not.toBe(codes[1]?.buffer);
  expect(functions.map(({ code }) => Buffer.from(code).toString('hex'))).toEqual(before);
});

test('two names of one function are one function', () => {
  const callee = caller('callee', '.text', 0, []);
  const object = objectOf([
    caller('main', 'raw_tp', 0, ['callee', 'alias']),
    callee,
    { ...callee, key: 'alias', name: 'alias' },
  ]);
  expect(disassemble(relocateOne(object).code, true)).toBe(
    '   0: (85) call pc+2\n   1: (85) call pc+1\n   2: (95) exit\n   3: (95) exit',
  );
});

test('functions of one name in different places are different functions', () => {
  const object = objectOf([
    caller('main', 'raw_tp', 0, ['same (.text+0x0)', 'same (.text+0x8)']),
    { ...caller('same', '.text', 0, []), key: 'same (.text+0x0)' },
    { ...caller('same', '.text', 8, []), key: 'same (.text+0x8)' },
  ]);
  expect(relocateOne(object).code.byteLength).toBe(5 * 8);
});

/** `rN = address of callee`, then what else. */
function taker(name: string, section: string, sectionOffset: number, callee: string): FunctionSpec {
  const code = new CodeBuilder(little).loadWide(2, 0n).exit().toBytes();
  return functionSpec(name, code, {
    section,
    sectionOffset,
    references: [{ offset: 0, kind: 'function-address', function: callee }],
  });
}

test('the address of a function counts from the instruction after the load’s first half', () => {
  const object = objectOf([taker('main', 'raw_tp', 0, 'callback'), caller('callback', '.text', 0, [])]);
  expect(disassemble(relocateOne(object).code, true)).toBe(
    '   0: (18) r2 = subprog[+2]\n   2: (95) exit\n   3: (95) exit',
  );
});

test('a callback may take its own address, as a timer that starts itself again does', () => {
  const object = objectOf([taker('main', 'raw_tp', 0, 'callback'), taker('callback', '.text', 0, 'callback')]);
  expect(disassemble(relocateOne(object).code, true).split('\n')[2]).toBe('   3: (18) r2 = subprog[-1]');
});

describe('recursion is refused with the chain of calls', () => {
  test.each([
    ['of one function', [caller('a', '.text', 0, ['a'])], 'a calls a'],
    [
      'of several',
      [caller('a', '.text', 0, ['b']), caller('b', '.text', 16, ['c']), caller('c', '.text', 32, ['b'])],
      'b calls c calls b',
    ],
    [
      'behind a callback',
      [taker('a', '.text', 0, 'b'), caller('b', '.text', 24, ['c']), caller('c', '.text', 40, ['b'])],
      'b calls c calls b',
    ],
  ])('%s', (_, functions, chain) => {
    const object = objectOf([caller('main', 'raw_tp', 0, ['a']), ...functions]);
    const error = caught(() => relocateOne(object));
    expect(error.message).toContain(`BPF functions cannot be recursive: ${chain}`);
    expect(error.program).toBe('main');
  });

  test('of 50,000 functions in a circle, without exhausting the stack', () => {
    const count = 50_000;
    const functions = Array.from({ length: count }, (_, index) =>
      caller(`f${index}`, '.text', index * 16, [`f${(index + 1) % count}`]),
    );
    const object = objectOf([caller('main', 'raw_tp', 0, ['f0']), ...functions]);
    expect(caught(() => relocateOne(object)).message).toMatch(
      /f0 calls f1 calls f2 calls f3 calls f4 calls f5 calls … calls f49996 .* calls f0$/,
    );
  });
});

test('what is no function of .text cannot be called', () => {
  const object = objectOf([caller('main', 'raw_tp', 0, ['other']), caller('other', 'raw_tp', 16, [])]);
  expect(caught(() => relocateOne(object)).message).toMatch(/^program main: "other": it cannot be called/);
});

test('an exception callback is appended though nobody calls it', () => {
  const builder = new BtfBuilder(little);
  const prototype = builder.addFunctionPrototype(0, []);
  const main = builder.addFunction('main', prototype, 1);
  builder.addDeclarationTag('exception_callback:handler', main);
  const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });
  const program = { ...caller('main', 'raw_tp', 0, []), btfTypeId: main };
  const handler = caller('handler', '.text', 0, ['helper']);
  const helper = caller('helper', '.text', 16, []);
  expect(relocateOne(objectOf([program, handler, helper], { btf })).code.byteLength).toBe(4 * 8);
  const hidden = objectOf([program, { ...handler, linkage: 'static' }, helper], { btf });
  expect(() => relocateOne(hidden)).toThrow(/"handler": an exception callback must be a global function/);
});

describe('debug information', () => {
  const builder = new BtfBuilder(little);
  const prototype = builder.addFunctionPrototype(0, []);
  const ids = ['main', 'callee'].map((name) => builder.addFunction(name, prototype, 1));
  const file = builder.string('/home/someone/src/test.bpf.c');
  const texts = ['  callee();  ', '}', '', 'return\u001b[2J;'].map((text) => builder.string(text));
  const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });
  const lines = (rows: [offset: number, line: number, text: number][]): FunctionSpec['lines'] => ({
    offsets: Uint32Array.from(rows, ([offset]) => offset),
    fileNames: Uint32Array.from(rows, () => file),
    texts: Uint32Array.from(rows, ([, , text]) => texts[text] ?? 0),
    lineColumns: Uint32Array.from(rows, ([, line]) => (line << 10) | 3),
  });
  const main: FunctionSpec = {
    ...caller('main', 'raw_tp', 8, ['callee']),
    btfTypeId: ids[0] ?? 0,
    lines: lines([
      [0, 41, 0],
      [8, 42, 1],
    ]),
  };
  const callee: FunctionSpec = {
    ...functionSpec('callee', new CodeBuilder(little).move(0, 1).move(0, 2).exit().toBytes()),
    btfTypeId: ids[1] ?? 0,
    lines: lines([
      [0, 7, 2],
      [16, 8, 3],
    ]),
  };
  const words = (bytes: Uint8Array | undefined): number[] | undefined =>
    bytes === undefined ? undefined : [...new Uint32Array(bytes.slice().buffer)];

  test('counts instructions of the whole program', () => {
    const plan = relocateOne(objectOf([main, callee], { btf }));
    expect(words(plan.functionInfo)).toEqual([0, ids[0], 2, ids[1]]);
    expect(words(plan.lineInfo)).toEqual([
      ...[0, file, texts[0], (41 << 10) | 3],
      ...[1, file, texts[1], (42 << 10) | 3],
      ...[2, file, texts[2], (7 << 10) | 3],
      ...[4, file, texts[3], (8 << 10) | 3],
    ]);
    expect([plan.functionInfoRecordSize, plan.lineInfoRecordSize]).toEqual([8, 16]);
  });

  test('names the line of each instruction, with what could move a terminal escaped', () => {
    const plan = relocateOne(objectOf([main, callee], { btf }));
    expect([0, 1, 2, 3, 4, 5, -1].map((index) => plan.sourceLine(index))).toEqual([
      'test.bpf.c:41: callee();',
      'test.bpf.c:42: }',
      'test.bpf.c:7',
      'test.bpf.c:7',
      'test.bpf.c:8: return\\x1b[2J;',
      undefined,
      undefined,
    ]);
  });

  test('is left out when a function has none, as the kernel takes all or nothing', () => {
    const plan = relocateOne(objectOf([main, { ...callee, btfTypeId: 0, lines: lines([[8, 7, 1]]) }], { btf }));
    expect([plan.functionInfo, plan.lineInfo]).toEqual([undefined, undefined]);
    expect(plan.sourceLine(3)).toBe('test.bpf.c:7: }');
  });

  test('has one line for an instruction, the last, and none for the second half of a load', () => {
    const code = new CodeBuilder(little).loadWide(1, 1n).exit().toBytes();
    const rows = lines([
      [0, 1, 0],
      [0, 2, 0],
      [8, 3, 0],
      [12, 4, 0],
      [16, 5, 0],
    ]);
    const spec = functionSpec('main', code, { section: 'raw_tp', btfTypeId: ids[0] ?? 0, lines: rows });
    const plan = relocateOne(objectOf([spec], { btf }));
    const records = words(plan.lineInfo) ?? [];
    const shown = [0, 4, 8].map((at) => [records[at], (records[at + 3] ?? 0) >>> 10]);
    expect(shown.slice(0, records.length / 4)).toEqual([
      [0, 2],
      [2, 5],
    ]);
    expect(plan.sourceLine(0)).toBe('test.bpf.c:2: callee();');
  });

  test('is left out for an object without types', () => {
    const plan = relocateOne(objectOf([main, callee]));
    expect([plan.functionInfo, plan.lineInfo, plan.sourceLine(0)]).toEqual([undefined, undefined, undefined]);
  });

  test('is in errors', () => {
    const error = caught(() => relocateOne(objectOf([main], { btf })));
    expect(error.line).toBe('test.bpf.c:41: callee();');
    expect(error.message).toContain('\n    at test.bpf.c:41: callee();');
  });

  test('makes hidden global functions and those of compilers static in the types that are loaded', () => {
    const linkage = (object: ReturnType<typeof objectOf>): unknown => {
      const bytes = relocate(object, facts).btf;
      const loaded = Btf.parse(bytes ?? new Uint8Array(0), { name: 'loaded' });
      return ids.map((id) => loaded.type(id)).map((type) => ('linkage' in type ? type.linkage : undefined));
    };
    expect(linkage(objectOf([main, callee], { btf }))).toEqual([1, 1]);
    const before = Buffer.from(btf.bytes).toString('hex');
    expect(linkage(objectOf([main, { ...callee, hidden: true }], { btf }))).toEqual([1, 0]);
    expect(linkage(objectOf([main, { ...callee, name: 'memmove' }], { btf }))).toEqual([1, 0]);
    expect(Buffer.from(btf.bytes).toString('hex')).toBe(before);
  });
});
