import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { MapFlag } from '../../../lib/abi/index.js';
import { Btf, BtfKind, BtfLinkage } from '../../../lib/btf/index.js';
import { SectionIndex, SymbolBinding } from '../../../lib/elf/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';
import { ObjectBuilder } from '../../helpers/object-builder.js';

const parse = (name: string): ObjectSpec =>
  ObjectSpec.parse(new Uint8Array(readFileSync(join(__dirname, `../../../bpf-samples/${name}.o`))), {
    name: `${name}.o`,
  });

/** An object that declares each name as `extern`; `section` is that of its declarations. */
function declaring(
  section: string,
  names: readonly [name: string, type: (builder: ObjectBuilder) => number][],
): Uint8Array {
  const builder = new ObjectBuilder();
  const entries = names.map(([name, type]) => {
    builder.elf.symbol({ name, section: SectionIndex.UNDEF, binding: SymbolBinding.GLOBAL });
    return { type: builder.btf.addVariable(name, type(builder), BtfLinkage.EXTERN), offset: 0, size: 0 };
  });
  builder.btf.addDataSection(section, 0, entries);
  return builder.encode();
}

describe.each(['externs.bpf', 'externs.bpfeb'])('%s', (name) => {
  const spec = parse(name);

  test('has its configuration values in a map like that of constants', () => {
    const map = spec.map('.kconfig');
    expect(map).toMatchObject({
      kind: 'data',
      kernelName: 'externs.kconfig',
      keySize: 4,
      maxEntries: 1,
      readOnly: true,
      flags: MapFlag.MMAPABLE | MapFlag.RDONLY_PROG,
      valueType: spec.btf?.find('.kconfig', BtfKind.DATASEC),
    });
    expect(map.initialValue).toBeUndefined();
  });

  test('lays them out by alignment, size and name', () => {
    const found = [...spec.variables.values()].filter(({ section }) => section === '.kconfig');
    expect(found.map((variable) => [variable.name, variable.offset, variable.size, variable.constant])).toEqual([
      ['CONFIG_SAMPLE_U64', 0, 8, true],
      ['CONFIG_HZ', 8, 4, true],
      ['CONFIG_SAMPLE_S32', 12, 4, true],
      ['CONFIG_SAMPLE_TRISTATE', 16, 4, true],
      ['LINUX_KERNEL_VERSION', 20, 4, true],
      ['LINUX_OF_THE_FUTURE', 24, 4, true],
      ['CONFIG_SAMPLE_U16', 28, 2, true],
      ['CONFIG_BPF_SYSCALL', 30, 1, true],
      ['CONFIG_SAMPLE_BOOL', 31, 1, true],
      ['CONFIG_SAMPLE_CHAR', 32, 1, true],
      ['CONFIG_SAMPLE_S8', 33, 1, true],
      ['LINUX_HAS_BPF_COOKIE', 34, 1, true],
      ['LINUX_HAS_SYSCALL_WRAPPER', 35, 1, true],
      ['CONFIG_CC_VERSION_TEXT', 36, 8, true],
      ['CONFIG_SAMPLE_STRING', 44, 16, true],
    ]);
    expect(spec.map('.kconfig').valueSize).toBe(60);
  });

  test('gives the kernel BTF in which nothing is left to be defined', () => {
    const given = Btf.parse(spec.btfBytes ?? new Uint8Array(0), { name });
    given.validate();
    const section = (wanted: string): { size: number; entries: { name: string; offset: number; size: number }[] } => {
      const type = given.type(given.find(wanted, BtfKind.DATASEC) ?? 0);
      if (type.kind !== BtfKind.DATASEC) throw new Error(`no ${wanted}`);
      return {
        size: type.size,
        entries: type.entries.map((entry) => ({ ...entry, name: given.nameOf(entry.type) })),
      };
    };
    const kconfig = section('.kconfig');
    expect(kconfig.size).toBe(60);
    expect(kconfig.entries.map(({ name: option, offset }) => [option, offset])).toEqual(
      [...spec.variables.values()]
        .filter((variable) => variable.section === '.kconfig')
        .map((variable) => [variable.name, variable.offset]),
    );
    const symbols = section('.ksyms');
    expect(symbols.size).toBe(symbols.entries.length * 4);
    expect(symbols.entries.map(({ offset, size }) => [offset, size])).toEqual(
      symbols.entries.map((_, index) => [index * 4, 4]),
    );
    for (let id = given.startId; id < given.endId; id++) {
      const type = given.type(id);
      if (type.kind === BtfKind.VAR || type.kind === BtfKind.FUNC) expect(type.linkage).not.toBe(BtfLinkage.EXTERN);
    }
    for (const { name: symbol } of symbols.entries) {
      const type = given.type(given.find(symbol, BtfKind.VAR) ?? 0);
      expect(type.kind === BtfKind.VAR && given.sizeOf(type.type)).toBe(4);
    }
    // What the object says of them is kept for the relocation.
    expect(spec.btf?.type(spec.externs.get('runqueues')?.typeId ?? 0)).toMatchObject({ linkage: BtfLinkage.EXTERN });
  });
});

test.each(['kfunc.bpf', 'kfunc.bpfeb'])('%s gives the kernel BTF with functions that it can take', (name) => {
  const spec = parse(name);
  expect([...spec.externs.values()].map(({ name: extern, section, weak }) => [extern, section, weak])).toEqual([
    ['bpf_rcu_read_lock', '.ksyms', true],
    ['bpf_rcu_read_unlock', '.ksyms', true],
    ['bpf_no_such_function', '.ksyms', true],
    ['bpf_rcu_read_lock___needed', '.ksyms', false],
    ['bpf_rcu_read_unlock___needed', '.ksyms', false],
    ['bpf_rcu_read_lock___other', '.ksyms', false],
    ['bpf_no_such_needed_function', '.ksyms', false],
  ]);
  expect(spec.maps.has('.kconfig')).toBe(false);
  const given = Btf.parse(spec.btfBytes ?? new Uint8Array(0), { name });
  given.validate();
  const section = given.type(given.find('.ksyms', BtfKind.DATASEC) ?? 0);
  if (section.kind !== BtfKind.DATASEC) throw new Error('no .ksyms');
  expect(new Set(section.entries.map(({ type }) => given.nameOf(type)))).toEqual(new Set(['dummy_ksym']));
  const needed = given.type(given.find('bpf_no_such_needed_function', BtfKind.FUNC) ?? 0);
  if (needed.kind !== BtfKind.FUNC) throw new Error('no function');
  expect(needed.linkage).toBe(BtfLinkage.GLOBAL);
  expect(given.type(needed.type)).toMatchObject({ parameters: [{ name: 'dummy_ksym' }] });
});

test('a configuration value cannot be set as if it were a variable', () => {
  const spec = parse('externs.bpf');
  expect(spec.variable('CONFIG_HZ').value).toBe(0);
  expect(() => {
    spec.variable('CONFIG_HZ').value = 1000;
  }).toThrow(
    "CONFIG_HZ: it is a configuration value of the kernel; give another with the load's option kconfig: { CONFIG_HZ: … }",
  );
});

test('a configuration value without a size, or larger than any, is refused', () => {
  expect(() => ObjectSpec.parse(declaring('.kconfig', [['CONFIG_X', (builder) => builder.btf.addConst(0)]]))).toThrow(
    /object, section \.BTF.*size/,
  );
  const huge = (builder: ObjectBuilder): number =>
    builder.btf.addArray(builder.btf.addInt('char', { size: 1 }), builder.u32, 0xffff_ffff);
  expect(() => ObjectSpec.parse(declaring('.kconfig', [['CONFIG_X', huge]]))).toThrow(
    'object, section .BTF: the __kconfig variables have 4294967295 bytes together; at most 65536 are read',
  );
});

test('a clone has its own map of them', () => {
  const spec = parse('externs.bpf');
  const copy = spec.clone();
  copy.map('.kconfig').autoCreate = false;
  expect(spec.map('.kconfig').autoCreate).toBe(true);
  expect(copy.variable('CONFIG_HZ').offset).toBe(spec.variable('CONFIG_HZ').offset);
});
