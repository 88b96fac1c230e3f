import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { ProgramType } from '../../../lib/abi/index.js';
import { CallSource, CodeBuilder, Opcode } from '../../../lib/asm/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { SectionFlag, SectionIndex, SectionType, SymbolBinding, SymbolType } from '../../../lib/elf/index.js';
import { ObjectSpec, type FunctionSpec } from '../../../lib/object/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';
import { relocateOne } from '../relocate/fixtures.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

const samples = join(__dirname, '../../../bpf-samples');

function sample(name: string): ObjectSpec {
  return ObjectSpec.parse(readFileSync(join(samples, name)), { name });
}

/** Code whose first instruction is a call and whose second is an ldimm64; 4 instructions, 32 bytes. */
function code(littleEndian: boolean, callImmediate: number, wideImmediate = 0n): Uint8Array {
  return new CodeBuilder({ littleEndian })
    .add({ opcode: Opcode.CALL, source: CallSource.FUNCTION, immediate: callImmediate })
    .loadWide(1, wideImmediate)
    .exit()
    .toBytes();
}

test('an instruction that computes with the number of an undefined symbol is read, written, and refused when it is loaded', () => {
  const elf = new ElfBuilder({ littleEndian: true });
  const section = elf.code('tc', new CodeBuilder({ littleEndian: true }).move(0, 0).exit().toBytes());
  elf.function('entry', section, 0, 16, SymbolBinding.LOCAL);
  elf.relocation(section, 0, elf.symbol({ name: 'number', binding: SymbolBinding.GLOBAL }));
  const read = ObjectSpec.parse(elf.encode(), { name: 'numbers.o' });
  for (const spec of [read, ObjectSpec.parse(read.toElf(), { name: 'numbers.o' })]) {
    expect(spec.program('entry').function.references).toEqual([{ offset: 0, kind: 'extern', name: 'number' }]);
    expect(() => relocateOne(spec)).toThrow(/^symbols that the object does not define: .*"entry" refers to "number"/);
  }
});

describe.each([
  ['little-endian', true],
  ['big-endian', false],
])('code of a %s object', (_, littleEndian) => {
  test('refers to functions by symbol, by section and by distance', () => {
    const elf = new ElfBuilder({ littleEndian });
    const exit = new CodeBuilder({ littleEndian }).exit().toBytes();
    // .text: "one" at 0 calls "two" at 32 by distance; "two" is one exit.
    const text = elf.code('.text', Uint8Array.of(...code(littleEndian, 3, 32n), ...exit));
    const section = elf.symbol({ section: text, type: SymbolType.SECTION });
    const one = elf.function('one', text, 0, 32, SymbolBinding.LOCAL);
    elf.function('two', text, 32, 8, SymbolBinding.WEAK);
    // The function's address is an addend in bytes to its section.
    elf.relocation(text, 8, section);
    const program = elf.code('xdp', Uint8Array.of(...code(littleEndian, 3), ...code(littleEndian, -1)));
    elf.function('first', program, 0, 32);
    elf.function('second', program, 32, 32);
    // A section symbol with the addend (3 + 1) * 8; then the function's own symbol.
    elf.relocation(program, 0, section, 10).relocation(program, 8, one);
    elf.relocation(program, 32, one, 10).relocation(program, 40, one);
    const spec = ObjectSpec.parse(elf.encode(), { name: 'x.o' });

    expect([...spec.functions.keys()]).toEqual(['one', 'two']);
    expect(spec.functions.get('one')).toMatchObject({
      name: 'one',
      section: '.text',
      sectionOffset: 0,
      linkage: 'static',
      littleEndian,
      references: [
        { offset: 0, kind: 'call', function: 'two' },
        { offset: 8, kind: 'function-address', function: 'two' },
      ],
    });
    expect(spec.functions.get('two')).toMatchObject({ linkage: 'weak', sectionOffset: 32, references: [] });
    expect([...spec.programs.keys()]).toEqual(['first', 'second']);
    expect(spec.program('first')).toMatchObject({ type: ProgramType.XDP, section: 'xdp', kind: 'xdp' });
    expect(spec.program('first').function.references).toEqual([
      { offset: 0, kind: 'call', function: 'two' },
      { offset: 8, kind: 'function-address', function: 'one' },
    ]);
    expect(spec.program('second').function).toMatchObject({
      sectionOffset: 32,
      linkage: 'global',
      references: [
        { offset: 0, kind: 'call', function: 'one' },
        { offset: 8, kind: 'function-address', function: 'one' },
      ],
    });
    expect(spec.program('second').function.code.byteLength).toBe(32);
  });

  test('refers to variables by symbol and by section, to externs and to unknown sections', () => {
    const elf = new ElfBuilder({ littleEndian });
    const data = elf.data('.data', new Uint8Array(64));
    const tables = elf.data('.unknown', new Uint8Array(8));
    const target = elf.code('xdp', Uint8Array.of(...code(littleEndian, -1, 8n), ...code(littleEndian, -1, -4n)));
    elf.function('program', target, 0, 64);
    const kernelFunction = elf.symbol({ name: 'bpf_kfunc', binding: SymbolBinding.WEAK });
    const variable = elf.symbol({ name: 'v', section: data, value: 16, size: 4, type: SymbolType.OBJECT, binding: 1 });
    const inTables = elf.symbol({ name: 'a', section: tables, value: 4, size: 4, type: SymbolType.OBJECT, binding: 1 });
    elf.relocation(target, 0, kernelFunction, 10).relocation(target, 8, variable);
    elf.relocation(target, 32, kernelFunction, 10).relocation(target, 40, inTables);
    const spec = ObjectSpec.parse(elf.encode());
    expect(spec.program('program').function.references).toEqual([
      { offset: 0, kind: 'extern', name: 'bpf_kfunc' },
      { offset: 8, kind: 'data', map: '.data', offsetInMap: 24 },
      { offset: 32, kind: 'extern', name: 'bpf_kfunc' },
      { offset: 40, kind: 'section', section: '.unknown', offsetInSection: 0, symbol: 'a' },
    ]);
    expect([...spec.externs.values()]).toEqual([{ name: 'bpf_kfunc', section: undefined, weak: true, typeId: 0 }]);
  });
});

describe('functions', () => {
  test('of one name are told apart by where they are', () => {
    const elf = new ElfBuilder();
    const text = elf.code('.text', Uint8Array.of(...code(true, 3), ...code(true, -5)));
    elf.function('helper', text, 0, 32, SymbolBinding.LOCAL);
    elf.function('helper', text, 32, 32, SymbolBinding.LOCAL);
    const spec = ObjectSpec.parse(elf.encode());
    expect([...spec.functions]).toMatchObject([
      [
        'helper (.text+0x0)',
        { name: 'helper', key: 'helper (.text+0x0)', references: [{ function: 'helper (.text+0x20)' }] },
      ],
      ['helper (.text+0x20)', { name: 'helper', references: [{ function: 'helper (.text+0x0)' }] }],
    ]);
  });

  test('may have several names and share their tables', () => {
    const elf = new ElfBuilder();
    const text = elf.code('.text', code(true, -1));
    elf.function('one', text, 0, 32);
    elf.function('alias', text, 0, 32);
    const { functions } = ObjectSpec.parse(elf.encode());
    expect(functions.get('alias')?.references).toEqual([{ offset: 0, kind: 'call', function: 'one' }]);
    expect(functions.get('alias')?.references).toBe(functions.get('one')?.references);
  });

  test('of many names cost no more than one', () => {
    const elf = new ElfBuilder();
    const calls = Array.from({ length: 20_000 }, () => ({ opcode: Opcode.CALL, source: CallSource.FUNCTION }));
    const builder = new CodeBuilder({ littleEndian: true });
    for (const [index, call] of calls.entries()) builder.add({ ...call, immediate: -1 - index });
    const bytes = builder.toBytes();
    const text = elf.code('.text', bytes);
    for (let count = 0; count < 20_000; count++) elf.function(`f${count}`, text, 0, bytes.byteLength);
    const file = elf.encode();
    const start = process.cpuUsage();
    expect(ObjectSpec.parse(file).functions.size).toBe(20_000);
    expect(process.cpuUsage(start).user).toBeLessThan(3_000_000);
  });

  test('that are static in a program section are programs unless they are called', () => {
    const elf = new ElfBuilder();
    const section = elf.code('tc', Uint8Array.of(...code(true, 3), ...code(true, -1)));
    elf.function('main', section, 0, 32);
    elf.function('inner', section, 32, 32, SymbolBinding.LOCAL);
    const alone = elf.code('xdp', new CodeBuilder({ littleEndian: true }).exit().toBytes());
    elf.function('alone', alone, 0, 8, SymbolBinding.LOCAL);
    const spec = ObjectSpec.parse(elf.encode());
    expect([...spec.programs.keys()]).toEqual(['main', 'alone']);
    expect([...spec.functions.keys()]).toEqual(['inner']);
  });

  test("in code that no symbol names are nobody's", () => {
    const elf = new ElfBuilder();
    const section = elf.code(
      'xdp',
      Uint8Array.of(...code(true, 99), ...new CodeBuilder({ littleEndian: true }).exit().toBytes()),
    );
    elf.function('program', section, 32, 8);
    elf.relocation(section, 8, elf.symbol({ name: 'gone', section: SectionIndex.ABS }));
    expect(ObjectSpec.parse(elf.encode()).program('program').function.references).toEqual([]);
  });

  test('of sections that say nothing are programs without a type', () => {
    const elf = new ElfBuilder();
    elf.function('filter', elf.code('?my_filter', new CodeBuilder({ littleEndian: true }).exit().toBytes()), 0, 8);
    expect(ObjectSpec.parse(elf.encode()).program('filter')).toMatchObject({
      section: '?my_filter',
      kind: '',
      type: ProgramType.UNSPEC,
      attachTo: undefined,
      autoload: false,
    });
  });
});

describe('malformed code', () => {
  /** An object of one function in `xdp`; `change` adds what is wrong. */
  function object(change: (elf: ElfBuilder, section: number) => void, bytes = code(true, -1)): Uint8Array {
    const elf = new ElfBuilder();
    const section = elf.code('xdp', bytes);
    change(elf, section);
    return elf.encode();
  }
  const whole = (elf: ElfBuilder, section: number): number => elf.function('f', section, 0, 32);
  const external = (elf: ElfBuilder): number => elf.symbol({ name: 'x', binding: 1 });
  const cases: [string, Uint8Array, string][] = [
    [
      'a function without code',
      object((elf, s) => elf.function('f', s, 0, 0)),
      'section xdp, offset 0: function "f" has no code',
    ],
    ['a function without a name', object((elf, s) => elf.function('', s, 0, 8)), 'function "" has no name'],
    [
      'a function between instructions',
      object((elf, s) => elf.function('f', s, 4, 8)),
      'offset 4: function "f" of 8 bytes does not begin and end between',
    ],
    [
      'a function of half an instruction',
      object((elf, s) => elf.function('f', s, 0, 12)),
      'function "f" of 12 bytes does not begin',
    ],
    [
      'a function beyond its section',
      object((elf, s) => elf.function('f', s, 8, 32)),
      'function "f" of 32 bytes exceeds the section\'s 32',
    ],
    [
      'functions that overlap',
      object((elf, s) => [elf.function('f', s, 0, 16), elf.function('g', s, 8, 24)]),
      'offset 8: function "g" overlaps function "f"',
    ],
    [
      'two programs of one name',
      object((elf, s) => [elf.function('f', s, 0, 8), elf.function('f', s, 24, 8)], code(true, 2)),
      'two programs are named "f"',
    ],
    [
      'a load cut off',
      object((elf, s) => elf.function('f', s, 8, 8)),
      'section xdp, offset 8: the last instruction is cut off',
    ],
    [
      'a relocation between instructions',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 4, external(elf))]),
      'offset 4: a relocation between two instructions',
    ],
    [
      'a relocation of the second half of a load',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 16, external(elf))]),
      'offset 16: a relocation of half an instruction',
    ],
    [
      'a relocation beyond the code',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 32, external(elf))]),
      'offset 32: a relocation beyond the end of the code',
    ],
    [
      'two relocations of one instruction',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 0, external(elf)), elf.relocation(s, 0, external(elf))]),
      'offset 0: two relocations of one instruction',
    ],
    [
      'a relocation of an exit',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 24, external(elf))]),
      'offset 24: a relocation of an instruction that takes no address, opcode 0x95',
    ],
    [
      'a relocation of a move, to what lies in a section',
      object(
        (elf, s) => [whole(elf, s), elf.relocation(s, 0, elf.symbol({ name: 't', section: s }))],
        new CodeBuilder({ littleEndian: true }).move(0, 0).exit().exit().exit().toBytes(),
      ),
      'offset 0: a relocation of an instruction that takes no address, opcode 0xb7',
    ],
    [
      'a relocation of a helper call',
      object(
        (elf, s) => [whole(elf, s), elf.relocation(s, 0, elf.symbol({ name: 't', section: s }))],
        new CodeBuilder({ littleEndian: true }).call(1).exit().exit().exit().toBytes(),
      ),
      'a relocation of a helper call',
    ],
    [
      'a relocation without a symbol',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 0, 0)]),
      'a relocation without a symbol',
    ],
    [
      'a common symbol',
      object((elf, s) => [
        whole(elf, s),
        elf.relocation(s, 8, elf.symbol({ name: 'c', section: SectionIndex.COMMON })),
      ]),
      'variable "c" is a common symbol: initialize it',
    ],
    [
      'an absolute symbol',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 8, elf.symbol({ name: 'c', section: SectionIndex.ABS }))]),
      'symbol "c" has no place that code can refer to',
    ],
    [
      'an undefined local symbol',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 8, elf.symbol({ name: 'c' }))]),
      'symbol "c" has no place that code can refer to',
    ],
    [
      'an address into an extern',
      object((elf, s) => [whole(elf, s), elf.relocation(s, 8, external(elf))], code(true, -1, 4n)),
      'an address 4 bytes into extern "x", of which only the start is known',
    ],
    [
      'a call into the middle of a function',
      object(whole, code(true, 1)),
      'offset 0: a call of "xdp" offset 16, which is not the start of a function',
    ],
    ['a call before the code', object(whole, code(true, -2147483648)), 'a call of "xdp" offset -17179869176'],
    [
      'an address in the middle of a function',
      object((elf, s) => elf.relocation(s, 8, whole(elf, s)), code(true, -1, 16n)),
      'offset 8: "xdp" offset 16 is not the start of a function',
    ],
    [
      'two sections of one name',
      object((elf) => elf.code('xdp', code(true, -1))),
      'section xdp: a second section of that name',
    ],
    [
      'relocations with addends',
      object((elf, s) => [
        whole(elf, s),
        external(elf),
        elf.section({
          name: '.relaxdp',
          type: SectionType.RELA,
          bytes: new Uint8Array(24),
          entrySize: 24,
          link: 3,
          info: s,
        }),
      ]),
      'relocations with addends (SHT_RELA) are not BPF',
    ],
  ];
  test.each(cases)('%s', (_, bytes, problem) => {
    expect(() => ObjectSpec.parse(bytes, { name: 'bad.o' })).toThrow(ObjectFormatError);
    expect(() => ObjectSpec.parse(bytes, { name: 'bad.o' })).toThrow(problem);
  });

  test('a call of no map', () => {
    const builder = new ObjectBuilder();
    builder.map('m', [['type', builder.uint(1)]]);
    const maps = builder.addMaps();
    const section = builder.elf.code('xdp', code(true, -1));
    builder.elf.function('f', section, 0, 32);
    builder.elf.relocation(section, 8, builder.elf.symbol({ section: maps, value: 4, type: SymbolType.SECTION }));
    expect(() => ObjectSpec.parse(builder.encode())).toThrow('".maps" offset 4 is not the start of a map');
  });

  test('without a symbol table', () => {
    const bytes = object(whole);
    const view = new DataView(bytes.buffer);
    // The symbol table's header is the third: it becomes a note.
    view.setUint32(Number(view.getBigUint64(40, true)) + 2 * 64 + 4, SectionType.NOTE, true);
    expect(() => ObjectSpec.parse(bytes)).toThrow('there is code but no symbol table: the file was stripped');
  });

  test('that is no object or not for BPF', () => {
    const elf = new ElfBuilder();
    elf.type = 2;
    expect(() => ObjectSpec.parse(elf.encode(), { name: 'x' })).toThrow(
      'x, offset 16: ELF type 2: a BPF object is relocatable',
    );
    elf.type = 1;
    elf.machine = 62;
    expect(() => ObjectSpec.parse(elf.encode(), { name: 'x' })).toThrow(
      'x, offset 18: ELF machine 62: the object is not compiled for BPF',
    );
    elf.machine = 0;
    expect(ObjectSpec.parse(elf.encode()).programs.size).toBe(0);
  });

  test('in sections that overlap', () => {
    const bytes = object(whole);
    const view = new DataView(bytes.buffer);
    const first = Number(view.getBigUint64(40, true)) + 64;
    view.setBigUint64(first + 32, 48n, true);
    expect(() => ObjectSpec.parse(bytes)).toThrow('section .symtab: its bytes overlap those of section "xdp"');
  });
});

describe('side tables', () => {
  test.each(['subprograms.bpf.o', 'subprograms.bpfeb.o'])('of %s are cut per function', (name) => {
    const spec = sample(name);
    const { btf } = spec;
    if (btf === undefined) throw new Error('the sample has no BTF');
    const everyFunction: FunctionSpec[] = [
      ...Array.from(spec.programs.values(), (program) => program.function),
      ...spec.functions.values(),
    ];
    for (const one of everyFunction) {
      expect(btf.nameOf(one.btfTypeId)).toBe(one.name);
      const { offsets, fileNames, texts, lineColumns } = one.lines;
      expect(offsets[0]).toBe(0);
      expect([fileNames.length, texts.length, lineColumns.length]).toEqual(Array(3).fill(offsets.length));
      expect(offsets.every((offset, row) => offset < one.code.byteLength && offset > (offsets[row - 1] ?? -1))).toBe(
        true,
      );
      expect(btf.string(fileNames[0] ?? 0)).toMatch(/subprograms\.bpf\.c$/);
    }
    const twice = spec.functions.get('twice');
    const texts = Array.from(twice?.lines.texts ?? [], (offset) => btf.string(offset));
    expect(texts[0]).toContain('twice');
  });

  test('of execsnoop have its CO-RE relocations', () => {
    const { btf, programs } = sample('execsnoop.bpf.o');
    const table = programs.get('exec')?.function.coreRelocations;
    const accesses = Array.from(table?.offsets ?? [], (offset, row) => [
      offset,
      btf?.nameOf(table?.typeIds[row] ?? 0),
      btf?.string(table?.accessStrings[row] ?? 0),
      table?.kinds[row],
    ]);
    expect(accesses.map(([, type]) => type)).toContain('task_struct');
    expect(accesses.every(([offset]) => typeof offset === 'number' && offset % 8 === 0)).toBe(true);
    expect(accesses.every(([, , access]) => typeof access === 'string' && access.startsWith('0:'))).toBe(true);
  });
});

test('execsnoop is read as it was written', () => {
  const spec = sample('execsnoop.bpf.o');
  expect(spec.license).toBe('Dual MIT/GPL');
  expect(spec.warnings).toEqual([]);
  expect(spec.program('exec')).toMatchObject({
    section: 'tp_btf/sched_process_exec',
    kind: 'tp_btf',
    type: ProgramType.TRACING,
    attachTo: 'sched_process_exec',
    autoload: true,
  });
  expect([...spec.maps.keys()]).toEqual(['events', 'execs_by_uid', '.rodata', '.bss']);
  expect([...spec.functions.keys()]).toEqual(['describe']);
});

test('the license is cut where libbpf cuts it, with a warning', () => {
  const elf = new ElfBuilder();
  elf.section({ name: 'license', bytes: Buffer.from(`${'G'.repeat(70)}\0`), flags: SectionFlag.ALLOC });
  const spec = ObjectSpec.parse(elf.encode());
  expect(spec.license).toBe('G'.repeat(63));
  expect(spec.warnings).toEqual(['the license was cut to 63 characters, as libbpf does']);
});

test('a version has four bytes', () => {
  const elf = new ElfBuilder({ littleEndian: false });
  elf.section({ name: 'version', bytes: Uint8Array.of(0, 5, 10, 1) });
  expect(ObjectSpec.parse(elf.encode())).toMatchObject({ kernelVersion: 0x050a01, license: '', littleEndian: false });
  const wrong = new ElfBuilder();
  wrong.section({ name: 'version', bytes: new Uint8Array(8) });
  expect(() => ObjectSpec.parse(wrong.encode())).toThrow('section version: a version has 4 bytes, not 8');
});

test('the only function of an object is a program in .text too', () => {
  const elf = new ElfBuilder();
  const exit = new CodeBuilder({ littleEndian: true }).exit().toBytes();
  elf.function('entry', elf.code('.text', exit), 0, 8);
  const spec = ObjectSpec.parse(elf.encode());
  expect([...spec.programs.values()]).toMatchObject([{ name: 'entry', section: '.text', type: ProgramType.UNSPEC }]);
  expect(spec.functions.size).toBe(0);
});

describe('functions of an object by LLVM before 8', () => {
  const exits = (count: number): Uint8Array =>
    Array.from({ length: count })
      .reduce<CodeBuilder>((builder) => builder.exit(), new CodeBuilder({ littleEndian: true }))
      .toBytes();
  const untyped = { type: SymbolType.NOTYPE, size: 0 };

  test('are what symbols of no type name, each to the next one', () => {
    const elf = new ElfBuilder();
    const text = elf.code('.text', exits(5));
    const xdp = elf.code('xdp', exits(3));
    elf.symbol({ ...untyped, name: 'second', section: text, value: 16, binding: SymbolBinding.GLOBAL });
    elf.symbol({ ...untyped, name: 'alias', section: text, value: 16, binding: SymbolBinding.GLOBAL });
    elf.symbol({ ...untyped, name: 'first', section: text, binding: SymbolBinding.GLOBAL });
    elf.symbol({ ...untyped, name: 'LBB0_1', section: xdp, value: 8, binding: SymbolBinding.LOCAL });
    elf.symbol({ ...untyped, name: 'entry', section: xdp, binding: SymbolBinding.GLOBAL });
    const spec = ObjectSpec.parse(elf.encode());
    const programs = [...spec.programs.values()].map((program) => program.function);
    const sizes = [...spec.functions.values(), ...programs].map(({ name, sectionOffset, code: { byteLength } }) => {
      return [name, sectionOffset, byteLength];
    });
    expect(sizes).toEqual([
      ['first', 0, 16],
      ['second', 16, 24],
      ['alias', 16, 24],
      ['entry', 0, 24],
    ]);
    expect([...spec.programs.keys()]).toEqual(['entry']);
  });

  test('are no functions where others have a type', () => {
    const elf = new ElfBuilder();
    const xdp = elf.code('xdp', exits(3));
    elf.function('entry', xdp, 0, 24);
    elf.symbol({ ...untyped, name: 'out', section: xdp, value: 16, binding: SymbolBinding.LOCAL });
    const spec = ObjectSpec.parse(elf.encode());
    expect([...spec.programs.keys(), ...spec.functions.keys()]).toEqual(['entry']);
  });
});
