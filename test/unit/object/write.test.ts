import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { AttachType, MapType, ProgramType } from '../../../lib/abi/index.js';
import { CodeBuilder, LoadSource, Opcode } from '../../../lib/asm/index.js';
import { ElfFile } from '../../../lib/elf/index.js';
import { MapSpec, ObjectSpec, ProgramSpec, type FunctionSpec } from '../../../lib/object/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';
import { mapContent, specContent } from '../../helpers/spec-content.js';

const folder = join(__dirname, '../../../bpf-samples');
const names = readdirSync(folder).filter((name) => name.endsWith('.o'));
const bytesOf = (name: string): Uint8Array => readFileSync(join(folder, name));

function parse(name: string): ObjectSpec {
  return ObjectSpec.parse(bytesOf(`${name}.bpf.o`), { name: `${name}.bpf.o` });
}

/** What is read back from the file that is written. */
function rewritten(spec: ObjectSpec): ObjectSpec {
  return ObjectSpec.parse(spec.toElf(), { name: spec.name });
}

test.each(names)('%s reads back as an equal spec', (name) => {
  const spec = ObjectSpec.parse(bytesOf(name), { name });
  const again = rewritten(spec);
  // Maps of a section `maps` are written as BTF defines maps: libbpf reads no others.
  const added = name.startsWith('legacy_') ? { btf: undefined } : {};
  expect({ ...specContent(again), ...added }).toEqual({ ...specContent(spec), ...added });
  // And what is written from that is the same file.
  expect(Buffer.from(again.toElf()).equals(spec.toElf())).toBe(true);
});

test('local symbols come before the others, and every section has its name', () => {
  const elf = ElfFile.parse(parse('subprograms').toElf(), { name: 'written' });
  const table = elf.sections.find(({ name }) => name === '.symtab');
  const firstGlobal = elf.symbols.findIndex(({ binding }) => binding !== 0);
  expect(table?.info).toBe(firstGlobal);
  expect(elf.symbols.slice(firstGlobal).every(({ binding }) => binding !== 0)).toBe(true);
  expect(elf.sections.slice(1).every(({ name }) => name !== '')).toBe(true);
});

describe('edits', () => {
  test('of maps are in the definitions that BTF has', () => {
    const spec = parse('maps');
    const [first] = spec.maps.values();
    if (first === undefined) throw new Error('the sample has no map');
    first.maxEntries = 12_345;
    first.flags |= 0x40;
    first.numaNode = 0;
    first.mapExtra = 0x1_0000_0002n;
    first.pinning = 'by-name';
    const again = rewritten(spec);
    expect(mapContent(again.map(first.name))).toEqual(mapContent(first));
    expect(again.maps.size).toBe(spec.maps.size);
    expect([...again.maps.values()].map(mapContent)).toEqual([...spec.maps.values()].map(mapContent));
    expect(again.btf?.endId).toBeGreaterThan(spec.btf?.endId ?? 0);
  });

  test('of variables, the license and the version', () => {
    const spec = parse('maps');
    spec.variable('data_u8').value = 77;
    spec.license = 'MIT';
    spec.kernelVersion = 0x050a00;
    const again = rewritten(spec);
    expect(again.variable('data_u8').value).toBe(77);
    expect(again).toMatchObject({ license: 'MIT', kernelVersion: 0x050a00 });
  });

  test('of a variable in .bss', () => {
    const spec = parse('ring_burst');
    const variable = [...spec.variables.values()].find(({ section, size }) => section === '.bss' && size === 8);
    if (variable === undefined) throw new Error('the sample has no such variable');
    variable.value = 5n;
    expect(rewritten(spec).variable(variable.name).value).toBe(5n);
  });

  test('a program that is taken out is not written, and the others keep their places', () => {
    const spec = parse('raw_tracepoint');
    const [first] = spec.programs.keys();
    spec.programs.delete(first ?? '');
    const again = rewritten(spec);
    expect(specContent(again)).toEqual(specContent(spec));
    expect(again.programs.has(first ?? '')).toBe(false);
  });

  test('what a program is becomes the name of its section', () => {
    const spec = parse('raw_tracepoint');
    const [program] = spec.programs.values();
    if (program === undefined) throw new Error('the sample has no program');
    program.type = ProgramType.TRACING;
    program.attachType = AttachType.TRACE_RAW_TP;
    program.attachTo = 'sched_switch';
    program.autoload = false;
    const again = rewritten(spec).program(program.name);
    expect(again).toMatchObject({ section: '?tp_btf/sched_switch', kind: 'tp_btf', autoload: false });
    expect(again.type).toBe(ProgramType.TRACING);
  });

  test('a map under another name', () => {
    const spec = parse('execsnoop');
    const map = spec.map('events');
    spec.renameMap('events', 'happenings');
    const again = rewritten(spec);
    expect(again.maps.has('events')).toBe(false);
    expect(again.map('happenings')).toMatchObject({ type: map.type, maxEntries: map.maxEntries });
    const uses = (of: ObjectSpec, name: string): number =>
      [...of.programs.values()]
        .flatMap(({ function: { references } }) => references)
        .filter((reference) => reference.kind === 'map' && reference.map === name).length;
    expect(uses(again, 'happenings')).toBeGreaterThan(0);
    expect(uses(again, 'happenings')).toBe(uses(parse('execsnoop'), 'events'));
    expect(specContent(again)).toEqual({ ...specContent(spec), btf: expect.any(String) });
  });

  test('a map that is taken out is no longer declared', () => {
    const spec = parse('maps');
    spec.programs.clear();
    spec.functions.clear();
    const [map] = [...spec.maps.values()].filter(({ kind }) => kind === 'declared');
    if (map === undefined) throw new Error('the sample declares no map');
    spec.maps.delete(map.name);
    const again = rewritten(spec);
    expect([...again.maps.keys()]).toEqual([...spec.maps.keys()]);
  });

  test('a map that is added is declared', () => {
    const spec = parse('execsnoop');
    const added = new MapSpec({ name: 'added', type: MapType.HASH, keySize: 4, valueSize: 16, maxEntries: 9 });
    spec.maps.set('added', added);
    expect(mapContent(rewritten(spec).map('added'))).toEqual(mapContent(added));
  });

  test('what an object file cannot say is refused', () => {
    const spec = parse('execsnoop');
    spec.map('events').pinPath = '/sys/fs/bpf/x';
    expect(() => spec.toElf()).toThrow(
      /^maps\.events\.pinPath: an object file cannot say that it is \/sys\/fs\/bpf\/x/,
    );
    const other = parse('execsnoop');
    other.map('events').autoCreate = false;
    expect(() => other.toElf()).toThrow('maps.events.autoCreate');
    const third = parse('execsnoop');
    for (const program of third.programs.values()) program.flags = 0x8000;
    expect(() => third.toElf()).toThrow(/^programs\..*\.flags/);
  });

  test('code that refers to what was taken out is refused by name', () => {
    const spec = parse('execsnoop');
    spec.maps.delete('events');
    expect(() => spec.toElf()).toThrow(
      /function "\w+" of section ".*" refers to map "events", which the object no longer has/,
    );
  });
});

describe.each([true, false])('an object made without a compiler, little-endian: %s', (littleEndian) => {
  function functionOf(name: string, code: Uint8Array, rest: Partial<FunctionSpec> = {}): FunctionSpec {
    const none = new Uint32Array(0);
    return {
      key: name,
      name,
      section: 'socket',
      sectionOffset: 0,
      linkage: 'global',
      hidden: false,
      code,
      littleEndian,
      references: [],
      btfTypeId: 0,
      lines: { offsets: none, fileNames: none, texts: none, lineColumns: none },
      coreRelocations: { offsets: none, typeIds: none, accessStrings: none, kinds: none },
      ...rest,
    };
  }

  test('has its maps in a section that needs no BTF', () => {
    const code = new CodeBuilder({ littleEndian }).loadWide(1, 0n, LoadSource.VALUE).move(0, 0).exit().toBytes();
    const make = (name: string): ProgramSpec =>
      new ProgramSpec({
        name,
        section: 'socket',
        kind: 'socket',
        type: ProgramType.SOCKET_FILTER,
        attachType: AttachType.CGROUP_INET_INGRESS,
        function: functionOf(name, code.slice(), { references: [{ kind: 'map', map: 'counts', offset: 0 }] }),
      });
    const counts = new MapSpec({ name: 'counts', type: MapType.ARRAY, keySize: 4, valueSize: 8, maxEntries: 3 });
    const pinned = new MapSpec({
      name: 'pinned',
      type: MapType.HASH,
      keySize: 4,
      valueSize: 8,
      maxEntries: 3,
      pinning: 'by-name',
    });
    const spec = new ObjectSpec({
      name: 'made.o',
      littleEndian,
      license: 'GPL',
      programs: new Map(['one', 'two'].map((name) => [name, make(name)])),
      maps: new Map([counts, pinned].map((map) => [map.name, map])),
    });
    const again = rewritten(spec);
    expect(again.littleEndian).toBe(littleEndian);
    expect(again.map('counts')).toEqual(counts);
    expect(again.map('pinned')).toEqual(pinned);
    expect(again.program('one').function.sectionOffset).toBe(0);
    // The second does not lie where the first is.
    expect(again.program('two').function.sectionOffset).toBe(code.byteLength);
    expect(again.program('two').function.references).toEqual([{ kind: 'map', map: 'counts', offset: 0 }]);
  });

  test('calls functions of its own and of other sections', () => {
    const call = new CodeBuilder({ littleEndian })
      .add({ opcode: Opcode.CALL, source: 1, immediate: 999 })
      .add({ opcode: Opcode.CALL, source: 1, immediate: 999 })
      .loadWide(2, 0n)
      .exit()
      .toBytes();
    const leaf = new CodeBuilder({ littleEndian }).move(0, 0).exit().toBytes();
    const functions = [
      functionOf('near', leaf, { linkage: 'static' }),
      functionOf('far', leaf, { section: '.text', sectionOffset: 16, linkage: 'static' }),
    ];
    const main = functionOf('main', call, {
      references: [
        { kind: 'call', function: 'near', offset: 0 },
        { kind: 'call', function: 'far', offset: 8 },
        { kind: 'function-address', function: 'far', offset: 16 },
      ],
    });
    const program = new ProgramSpec({
      name: 'main',
      section: 'socket',
      kind: 'socket',
      type: ProgramType.SOCKET_FILTER,
      attachType: AttachType.CGROUP_INET_INGRESS,
      function: main,
    });
    const spec = new ObjectSpec({
      name: 'made.o',
      littleEndian,
      programs: new Map([['main', program]]),
      functions: new Map(functions.map((one) => [one.key, one])),
    });
    const again = rewritten(spec);
    expect(again.program('main').function.references).toEqual(main.references);
    expect([...again.functions.keys()].sort()).toEqual(['far', 'near']);
  });
});

test('addresses of data without BTF are kept, whatever symbol they were counted from', () => {
  const elf = new ElfBuilder();
  const data = elf.data(
    '.data',
    Uint8Array.from({ length: 16 }, (_, index) => index),
  );
  const code = new CodeBuilder({ littleEndian: true })
    .loadWide(1, 4n)
    .loadWide(2, 0n)
    .loadWide(3, -8n)
    .move(0, 0)
    .exit();
  const section = elf.code('socket', code.toBytes());
  elf.function('main', section, 0, code.toBytes().byteLength);
  const own = elf.symbol({ section: data, type: 3 });
  const inner = elf.symbol({ name: 'inner', section: data, value: 8, type: 1, binding: 1 });
  elf.relocation(section, 0, own).relocation(section, 16, inner).relocation(section, 32, own);
  const spec = ObjectSpec.parse(elf.encode(), { name: 'data.o' });
  expect(spec.program('main').function.references.map((one) => 'offsetInMap' in one && one.offsetInMap)).toEqual([
    4, 8, -8,
  ]);
  expect(specContent(rewritten(spec))).toEqual(specContent(spec));
});
