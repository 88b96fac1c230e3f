import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

import { MapType, ProgramType } from '../../../lib/abi/index.js';
import { CodeBuilder, LoadSource } from '../../../lib/asm/index.js';
import { SymbolType } from '../../../lib/elf/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';

const folder = path.join(__dirname, '../../../bpf-samples/other-compilers');
const parse = (name: string): ObjectSpec => ObjectSpec.parse(readFileSync(path.join(folder, name)), { name });

test('neither a source nor an object changes without the other', () => {
  const hash = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(path.join(folder, name)))
      .digest('hex');
  const manifest = JSON.parse(readFileSync(path.join(folder, 'manifest.json'), 'utf8')) as Record<
    string,
    { source: string; sourceHash: string; object: string }
  >;
  expect(Object.keys(manifest)).toEqual(readdirSync(folder).filter((name) => name.endsWith('.o')));
  for (const [name, { source, sourceHash, object }] of Object.entries(manifest)) {
    expect([name, hash(name), hash(source)]).toEqual([name, object, sourceHash]);
  }
});

describe.each(['gcc.bpf.o', 'gcc.bpfeb.o', 'gcc12.bpf.o'])("GCC's %s", (name) => {
  const spec = parse(name);

  test('has its program, map, functions and variables', () => {
    expect(spec.program('count')).toMatchObject({ section: 'raw_tp', type: ProgramType.RAW_TRACEPOINT });
    expect(spec.map('counts')).toMatchObject({ type: MapType.HASH, keySize: 8, valueSize: 16, maxEntries: 16 });
    expect([...spec.functions].map(([key, { linkage }]) => [key, linkage])).toEqual([
      ['add', 'static'],
      ['note', 'global'],
    ]);
    expect(spec.variable('start').value).toBe(100);
    expect(spec.variable('runs').value).toBe(0n);
    expect(spec.variable('hidden_runs').size).toBe(4);
    expect(spec.warnings).toEqual([]);
  });

  test('its code refers to the right places', () => {
    const where = (key: string): unknown[] => {
      const one = spec.functions.get(key) ?? spec.program(key).function;
      return one.references.map((reference) => {
        if (reference.kind === 'call') return reference.function;
        if (reference.kind === 'map') return reference.map;
        return reference.kind === 'data' ? `${reference.map}+${reference.offsetInMap}` : reference.kind;
      });
    };
    const runs = `.bss+${spec.variable('runs').offset}`;
    const step = spec.variable('step');
    expect(where('count')).toEqual(expect.arrayContaining([runs, 'note']));
    expect(where('add')).toEqual([`.bss+${spec.variable('hidden_runs').offset}`, `${step.section}+${step.offset}`]);
    expect(where('note').filter((target) => target === 'counts')).toHaveLength(2);
    for (const one of [...spec.functions.values(), spec.program('count').function]) {
      for (const reference of one.references) {
        if (reference.kind !== 'data') continue;
        expect(reference.offsetInMap).toBeLessThan(spec.map(reference.map).valueSize);
      }
    }
  });

  test('written and read again it is the same', () => {
    const again = ObjectSpec.parse(spec.toElf(), { name });
    expect([...again.programs.keys(), ...again.maps.keys(), ...again.functions.keys()]).toEqual([
      ...spec.programs.keys(),
      ...spec.maps.keys(),
      ...spec.functions.keys(),
    ]);
    expect(again.functions.get('note')?.references).toEqual(spec.functions.get('note')?.references);
    expect(again.program('count').function.references).toEqual(spec.program('count').function.references);
  });
});

test('lines and CO-RE relocations of GCC', () => {
  const { function: count } = parse('gcc.bpf.o').program('count');
  expect(count.lines.offsets.length).toBeGreaterThan(3);
  expect(count.coreRelocations.offsets).toHaveLength(1);
});

describe.each(['rust.bpf.o', 'rust.bpfeb.o'])("rustc's %s, as Aya has it", (name) => {
  const spec = parse(name);

  test('has its program, map, function and variable', () => {
    expect(spec.license).toBe('Dual MIT/GPL');
    expect(spec.program('count')).toMatchObject({ type: ProgramType.RAW_TRACEPOINT, attachTo: 'sys_enter' });
    expect(spec.map('COUNTS')).toMatchObject({ type: MapType.HASH, keySize: 8, valueSize: 8, maxEntries: 16 });
    expect([...spec.functions.keys()]).toEqual(['twice']);
    expect(spec.variable('RUNS').value).toBe(0n);
  });
});

describe('immediates that count from the start of the section', () => {
  /** A program that loads `loaded` and calls `called`, both behind the start of their sections. */
  function object(load: bigint, call: number, options: { comment?: string; stray?: number } = {}): Uint8Array {
    const elf = new ElfBuilder();
    const data = elf.data('.data', new Uint8Array(32));
    const helper = new CodeBuilder({ littleEndian: true }).move(0, 0).exit().move(0, 1).exit().toBytes();
    const text = elf.code('.text', helper);
    elf.function('other', text, 0, 16);
    const called = elf.function('called', text, 16, 16);
    const code = new CodeBuilder({ littleEndian: true })
      .loadWide(1, load, LoadSource.VALUE)
      .add({ opcode: 0x85, source: 1, immediate: call })
      .exit()
      .toBytes();
    const programs = elf.code('raw_tp', code);
    elf.function('main', programs, 0, code.byteLength);
    if (options.stray !== undefined) elf.code('raw_tp/stray', new Uint8Array(options.stray));
    const variable = elf.symbol({ name: 'v', section: data, value: 8, size: 8, type: SymbolType.OBJECT, binding: 1 });
    elf.relocation(programs, 0, variable).relocation(programs, 16, called, 10);
    if (options.comment !== '') elf.data('.comment', Buffer.from(options.comment ?? 'GCC: (12.2.0) 12.2.0\0'));
    return elf.encode();
  }
  const references = (bytes: Uint8Array): unknown => ObjectSpec.parse(bytes).program('main').function.references;

  test('of GNU as up to 2.40', () => {
    expect(references(object(12n, 15))).toEqual([
      { offset: 0, kind: 'data', map: '.data', offsetInMap: 12 },
      { offset: 16, kind: 'call', function: 'called' },
    ]);
  });

  test('not where a single one does not', () => {
    expect(references(object(0n, -1))).toEqual([
      { offset: 0, kind: 'data', map: '.data', offsetInMap: 8 },
      { offset: 16, kind: 'call', function: 'called' },
    ]);
    expect(references(object(12n, -1))).toEqual([
      { offset: 0, kind: 'data', map: '.data', offsetInMap: 20 },
      { offset: 16, kind: 'call', function: 'called' },
    ]);
  });

  // Found by `npm run fuzz`, as a RangeError.
  test.each([4, 12])('beside code of %i bytes that is of no function', (stray) => {
    expect(references(object(12n, 15, { stray }))).toEqual(references(object(12n, 15)));
  });

  test('not of other compilers', () => {
    expect(() => references(object(12n, 15, { comment: '' }))).toThrow('not the start of a function');
    expect(() => references(object(12n, 15, { comment: 'clang version 19' }))).toThrow('not the start of a function');
  });
});
