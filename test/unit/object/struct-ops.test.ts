import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { MapFlag, MapType, ProgramType } from '../../../lib/abi/index.js';
import { SymbolBinding } from '../../../lib/elf/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

const samples = join(__dirname, '../../../bpf-samples');

/** `return 0` */
const code = Uint8Array.of(0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);

interface Structures {
  builder: ObjectBuilder;
  section: number;
  program: number;
}

/** Two structures `struct ops { u64 number; int (*first)(); int (*second)(); }` side by side, and a program. */
function structures(name = '.struct_ops', bytes = new Uint8Array(48)): Structures {
  const builder = new ObjectBuilder();
  const pointer = builder.btf.addPointer(builder.btf.addFunctionPrototype(builder.int, []));
  const type = builder.btf.addStruct('ops', 24, [
    { name: 'number', type: builder.u64, bitOffset: 0, bitSize: 0 },
    { name: 'first', type: pointer, bitOffset: 64, bitSize: 0 },
    { name: 'second', type: pointer, bitOffset: 128, bitSize: 0 },
  ]);
  const text = builder.elf.code('struct_ops/first', code);
  const program = builder.elf.function('implementation', text, 0, code.byteLength);
  const section = builder.variables(
    name,
    [
      { name: 'one', type, size: 24 },
      { name: 'two', type, size: 24 },
    ],
    bytes,
  );
  return { builder, section, program };
}

function parse({ builder }: { builder: ObjectBuilder }): ObjectSpec {
  return ObjectSpec.parse(builder.encode(), { name: 'x.o' });
}

test.each([
  ['.struct_ops', 0, true],
  ['.struct_ops.link', MapFlag.LINK, true],
  ['?.struct_ops', 0, false],
  ['?.struct_ops.link', MapFlag.LINK, false],
])('variables of %s are maps', (name, flags, autoCreate) => {
  const bytes = new Uint8Array(48);
  bytes[24] = 7;
  const { builder, section, program } = structures(name, bytes);
  builder.elf.relocation(section, 24 + 16, program).relocation(section, 8, program);
  const spec = parse({ builder });
  expect([...spec.maps.keys()]).toEqual(['one', 'two']);
  expect(spec.map('two')).toMatchObject({
    kind: 'struct-ops',
    kernelName: 'two',
    type: MapType.STRUCT_OPS,
    keySize: 4,
    valueSize: 24,
    maxEntries: 1,
    flags,
    autoCreate,
    keyType: 0,
    initialValue: bytes.subarray(24),
    operations: new Map([['second', 'implementation']]),
  });
  expect(spec.btf?.nameOf(spec.map('two').valueType)).toBe('ops');
  expect(spec.map('one').operations).toEqual(new Map([['first', 'implementation']]));
  expect(spec.program('implementation')).toMatchObject({ type: ProgramType.STRUCT_OPS, attachTo: 'first' });
});

test('a static program is named by its section', () => {
  const { builder, section } = structures();
  const text = builder.elf.code('struct_ops', Buffer.concat([code, code]));
  builder.elf.function('before', text, 0, 16, SymbolBinding.LOCAL);
  builder.elf.function('unseen', text, 16, 16, SymbolBinding.LOCAL);
  const bytes = new Uint8Array(48);
  bytes[8] = 16;
  const other = structures('.struct_ops', bytes);
  const otherText = other.builder.elf.code('struct_ops', Buffer.concat([code, code]));
  other.builder.elf.function('unseen', otherText, 16, 16, SymbolBinding.LOCAL);
  other.builder.elf.relocation(other.section, 8, other.builder.elf.symbol({ section: otherText, type: 3 }));
  expect(parse(other).map('one').operations).toEqual(new Map([['first', 'unseen']]));
  builder.elf.relocation(section, 8, builder.elf.symbol({ section: text, type: 3 }));
  expect(parse({ builder }).map('one').operations).toEqual(new Map([['first', 'before']]));
});

test('a copy has operations of its own', () => {
  const { builder, section, program } = structures();
  builder.elf.relocation(section, 8, program);
  const spec = parse({ builder });
  const copy = spec.clone();
  copy.map('one').operations.set('second', 'implementation');
  copy.map('one').writableInitialValue()[0] = 1;
  expect(spec.map('one').operations.size).toBe(1);
  expect(spec.map('one').initialValue?.[0]).toBe(0);
  expect(copy.map('one')).toMatchObject({ kind: 'struct-ops', autoCreate: true });
});

test.each([
  [[4], 'offset 4: no member of variable "one" begins there'],
  [[20], 'offset 20: a relocation lies outside every variable'],
  [[44], 'offset 44: a relocation lies outside every variable'],
  [[8, 8], 'offset 8: two variables or relocations claim member "one.first"'],
])('relocations at %j are refused', (offsets, problem) => {
  const { builder, section, program } = structures();
  for (const offset of offsets) builder.elf.relocation(section, offset, program);
  expect(() => parse({ builder })).toThrow(`x.o, section .struct_ops, ${problem}`);
});

test('a member that is no program is refused', () => {
  const { builder, section } = structures();
  builder.elf.relocation(section, 32, builder.symbols.get('one') ?? 0);
  expect(() => parse({ builder })).toThrow('offset 32: member "two.first" is not a program of this object');
});

test('a variable must be a struct with a name', () => {
  const number = new ObjectBuilder();
  number.variables('.struct_ops', [{ name: 'n', type: number.u32, size: 4 }], new Uint8Array(4));
  expect(() => parse({ builder: number })).toThrow(
    'variable "n" is of type "unsigned int", which is no struct with a name',
  );
  const nameless = new ObjectBuilder();
  const type = nameless.definition([['first', nameless.typed(0)]]);
  nameless.variables('.struct_ops', [{ name: 'n', type, size: 8 }], new Uint8Array(8));
  expect(() => parse({ builder: nameless })).toThrow('which is no struct with a name');
});

test('the struct must fit into the section, whatever the variable says', () => {
  const builder = new ObjectBuilder();
  const type = builder.btf.addStruct('ops', 0xffff_fff8, []);
  builder.variables('.struct_ops', [{ name: 'n', type, size: 8 }], new Uint8Array(8));
  expect(() => parse({ builder })).toThrow('variable "n" of 4294967288 bytes exceeds the section');
});

test('contents and types must be there', () => {
  const noContents = new ObjectBuilder();
  const type = noContents.btf.addStruct('ops', 8, []);
  noContents.variables('.struct_ops', [{ name: 'n', type, size: 8 }]);
  expect(() => parse({ builder: noContents })).toThrow('section type 8 holds no contents');
  const noTypes = new ObjectBuilder();
  noTypes.elf.data('.struct_ops.link', new Uint8Array(8));
  expect(() => parse({ builder: noTypes })).toThrow('structures are defined here but no BTF describes them');
});

test.each(['bpf', 'bpfeb'])('what clang writes: %s', (suffix) => {
  const bytes = new Uint8Array(readFileSync(join(samples, `struct_ops.${suffix}.o`)));
  const spec = ObjectSpec.parse(bytes, { name: 'struct_ops.bpf.o' });
  expect([...spec.maps.values()].map(({ name, flags, autoCreate }) => [name, flags, autoCreate])).toEqual([
    ['registered', 0, true],
    ['linked', MapFlag.LINK, false],
    ['flavoured', 0, false],
    ['dummy', 0, false],
  ]);
  expect([...spec.map('linked').operations]).toEqual([
    ['ssthresh', 'half'],
    ['cong_avoid', 'grow'],
    ['undo_cwnd', 'undo'],
    ['release', 'only_linked'],
  ]);
  expect(Buffer.from(spec.map('registered').initialValue ?? []).toString('latin1', 0, 14)).toBe('bpf_registered');
});

describe('members by name', () => {
  const parse = (): ObjectSpec => ObjectSpec.parse(readFileSync(join(samples, 'struct_ops.bpf.o')));

  test('are read', () => {
    const linked = parse().structOps('linked');
    expect(linked.typeName).toBe('struct tcp_congestion_ops');
    expect(linked.members).toEqual(['name', 'flags', 'ssthresh', 'cong_avoid', 'undo_cwnd', 'release']);
    expect(linked.members.map((name) => linked.get(name))).toEqual([
      'bpf_linked',
      0,
      'half',
      'grow',
      'undo',
      'only_linked',
    ]);
    expect(parse().structOps('registered').get('release')).toBeUndefined();
    expect(parse().structOps('flavoured').get('number_of_another_kernel')).toBe(0n);
  });

  test('are set, of a copy only there', () => {
    const spec = parse();
    const copy = spec.clone();
    const linked = spec.structOps('linked');
    linked.set('name', 'mine').set('flags', 2).set('cong_avoid', 'half').set('release', undefined);
    expect(linked.members.map((name) => linked.get(name))).toEqual(['mine', 2, 'half', 'half', 'undo', undefined]);
    expect([...spec.map('linked').operations.keys()]).toEqual(['ssthresh', 'cong_avoid', 'undo_cwnd']);
    // No structure names the one any more, others do the other.
    expect(['only_linked', 'grow'].map((name) => spec.program(name).autoload)).toEqual([false, true]);
    linked.set('release', 'only_linked');
    expect(spec.program('only_linked').autoload).toBe(true);
    linked.set('release', undefined);
    expect(spec.map('linked').initialValue?.subarray(0, 8)).toEqual(Uint8Array.from(Buffer.from('mine\0\0\0\0')));
    spec.structOps('flavoured').set('number_of_another_kernel', 5);
    expect(spec.structOps('flavoured').get('number_of_another_kernel')).toBe(5n);
    expect(copy.structOps('linked').get('name')).toBe('bpf_linked');
    expect(copy.structOps('linked').get('release')).toBe('only_linked');
    expect(ObjectSpec.parse(spec.toElf()).structOps('linked').get('flags')).toBe(2);
  });

  test.each<[string, unknown, object]>([
    ['nam', 'x', { code: 'ERR_EBPF_NOT_FOUND', suggestions: ['name'] }],
    ['__proto__', 1, { code: 'ERR_EBPF_NOT_FOUND' }],
    ['name', 5, { code: 'ERR_EBPF_INVALID_VALUE', path: 'linked.name' }],
    ['name', undefined, { path: 'linked.name' }],
    ['name', 'sixteen letters.', { path: 'linked.name', message: expect.stringContaining('15 bytes') as string }],
    ['name', 'much more than sixteen letters', { path: 'linked.name' }],
    ['flags', '1', { path: 'linked.flags' }],
    ['flags', 2 ** 32, { path: 'linked.flags' }],
    ['flags', -1, { path: 'linked.flags' }],
    ['ssthresh', 5, { path: 'linked.ssthresh', message: expect.stringContaining('name of a program') as string }],
    ['ssthresh', 'haf', { code: 'ERR_EBPF_NOT_FOUND', suggestions: ['half'] }],
  ])('refuse %s = %p, and stay as they were', (member, value, problem) => {
    const spec = parse();
    const linked = spec.structOps('linked');
    expect(() => linked.set(member, value)).toThrow(expect.objectContaining(problem) as Error);
    expect([linked.get('name'), linked.get('flags'), linked.get('ssthresh')]).toEqual(['bpf_linked', 0, 'half']);
    expect(() => linked.get('nam')).toThrow('did you mean "name"?');
  });

  test('other maps have none', () => {
    expect(() => parse().structOps('linkd')).toThrow('did you mean "linked"?');
    const maps = ObjectSpec.parse(readFileSync(join(samples, 'maps.bpf.o')));
    expect(() => maps.structOps([...maps.maps.keys()][0] ?? '')).toThrow('there are none');
  });
});
