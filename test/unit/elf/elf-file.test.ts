import {
  ElfFile,
  ElfMachine,
  ElfType,
  SectionFlag,
  SectionIndex,
  SectionType,
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
} from '../../../lib/elf/index.js';
import { ByteWriter } from '../../../lib/binary/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';

const orders = [
  ['little-endian', true],
  ['big-endian', false],
] as const;

function parse(builder: ElfBuilder): ElfFile {
  return ElfFile.parse(builder.encode(), { name: 'built.o' });
}

describe.each(orders)('a %s file', (_, littleEndian) => {
  test('has its header, sections and views of their bytes', () => {
    const builder = new ElfBuilder({ littleEndian });
    const text = builder.code('.text', Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    builder.data('.bss', 4096);
    const bytes = builder.encode();
    const elf = ElfFile.parse(bytes, { name: 'built.o' });
    expect(elf).toMatchObject({ name: 'built.o', littleEndian, type: ElfType.REL, machine: ElfMachine.BPF });
    const section = elf.section('.text');
    expect(section).toMatchObject({
      index: text,
      name: '.text',
      type: SectionType.PROGBITS,
      flags: SectionFlag.ALLOC | SectionFlag.EXECINSTR,
      size: 8,
      alignment: 8,
    });
    expect([...(section?.bytes ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(section?.bytes.buffer).toBe(bytes.buffer);
    expect(elf.section('.bss')).toMatchObject({ type: SectionType.NOBITS, size: 4096 });
    expect(elf.section('.bss')?.bytes.byteLength).toBe(0);
    expect(elf.sections[0]).toMatchObject({ index: 0, name: '', type: SectionType.NULL });
    expect(elf.section('.missing')).toBeUndefined();
    expect(elf.section('')).toBeUndefined();
  });

  test('has symbols with the sections they lie in', () => {
    const builder = new ElfBuilder({ littleEndian });
    const text = builder.code('.text', new Uint8Array(16));
    builder.symbol({
      name: 'func',
      section: text,
      value: 8,
      size: 8,
      type: SymbolType.FUNC,
      binding: SymbolBinding.WEAK,
    });
    builder.symbol({ name: 'absolute', section: SectionIndex.ABS, value: 0x1234 });
    builder.symbol({ name: 'missing', binding: SymbolBinding.GLOBAL, visibility: SymbolVisibility.HIDDEN });
    const elf = parse(builder);
    expect(elf.symbols).toHaveLength(4);
    // Local symbols come first.
    expect(elf.symbols[2]).toEqual({
      index: 2,
      name: 'func',
      value: 8,
      size: 8,
      type: SymbolType.FUNC,
      binding: SymbolBinding.WEAK,
      visibility: SymbolVisibility.DEFAULT,
      sectionIndex: text,
      section: elf.section('.text'),
    });
    expect(elf.symbols[1]).toMatchObject({ sectionIndex: SectionIndex.ABS, section: undefined, value: 0x1234 });
    expect(elf.symbols[3]).toMatchObject({
      binding: SymbolBinding.GLOBAL,
      visibility: SymbolVisibility.HIDDEN,
      sectionIndex: SectionIndex.UNDEF,
      section: undefined,
    });
    expect(elf.symbols).toBe(elf.symbols);
  });

  test('has the relocations of a section, of both forms', () => {
    const builder = new ElfBuilder({ littleEndian });
    const text = builder.code('.text', new Uint8Array(32));
    const other = builder.code('other', new Uint8Array(8));
    const symbol = builder.symbol({ name: 'x', binding: SymbolBinding.GLOBAL });
    builder.relocation(text, 8, symbol, 10).relocation(text, 0, symbol, 1);
    const withAddend = new ByteWriter({ littleEndian })
      .u64(16n)
      .u64((BigInt(symbol) << 32n) | 2n)
      .u64(-24n);
    // The symbol table follows the sections that the builder was given.
    builder.section({
      name: '.rela',
      type: SectionType.RELA,
      bytes: withAddend.toBytes(),
      entrySize: 24,
      link: 4,
      info: text,
    });
    const elf = parse(builder);
    const target = elf.sections[text];
    const empty = elf.sections[other];
    if (target === undefined || empty === undefined) throw new Error('the sections are missing');
    expect(elf.relocations(target)).toEqual([
      { offset: 16, symbolIndex: symbol, type: 2, addend: -24 },
      { offset: 8, symbolIndex: symbol, type: 10, addend: undefined },
      { offset: 0, symbolIndex: symbol, type: 1, addend: undefined },
    ]);
    expect(elf.relocations(empty)).toEqual([]);
  });

  test('may number its sections in the null section', () => {
    const builder = new ElfBuilder({ littleEndian });
    builder.extendedNumbering = true;
    builder.code('.text', new Uint8Array(8));
    expect(parse(builder).section('.text')?.size).toBe(8);
  });

  test('may keep section indices of symbols in a section of their own', () => {
    const builder = new ElfBuilder({ littleEndian });
    const text = builder.code('.text', new Uint8Array(8));
    builder.symbol({ name: 'far', section: SectionIndex.XINDEX });
    const indices = new ByteWriter({ littleEndian }).u32(0).u32(text).toBytes();
    builder.section({ name: '.symtab_shndx', type: SectionType.SYMTAB_SHNDX, bytes: indices, link: 3, entrySize: 4 });
    const elf = parse(builder);
    expect(elf.symbols[1]).toMatchObject({ name: 'far', sectionIndex: text, section: elf.section('.text') });
  });
});

test('symbols lie in sections whose numbers do not fit 16 bits', () => {
  const builder = new ElfBuilder();
  const empty = new Uint8Array(0);
  let last = builder.code('.text', Uint8Array.of(1));
  while (last < SectionIndex.LORESERVE + 2) last = builder.section({ name: 'filler', bytes: empty });
  builder.symbol({ name: 'near', section: 1 });
  builder.symbol({ name: 'far', section: last });
  const elf = parse(builder);
  expect(elf.sections.length).toBeGreaterThan(last);
  expect(elf.section('.symtab_shndx')?.type).toBe(SectionType.SYMTAB_SHNDX);
  expect(elf.symbols.slice(1)).toMatchObject([
    { name: 'near', sectionIndex: 1, section: { name: '.text' } },
    { name: 'far', sectionIndex: 0xff02, section: { index: 0xff02, name: 'filler' } },
  ]);
});

test('a file without section headers has no sections and no symbols', () => {
  const bytes = new ElfBuilder().encode();
  new DataView(bytes.buffer).setBigUint64(40, 0n, true);
  const elf = ElfFile.parse(bytes, { name: 'x' });
  expect(elf.sections).toEqual([]);
  expect(elf.symbols).toEqual([]);
});

test('section names may be absent', () => {
  const bytes = new ElfBuilder().encode();
  new DataView(bytes.buffer).setUint16(62, 0, true);
  expect(ElfFile.parse(bytes, { name: 'x' }).sections.map((section) => section.name)).toEqual(['', '', '', '']);
});

test('reads a view that begins inside its buffer', () => {
  const builder = new ElfBuilder();
  builder.code('.text', Uint8Array.of(9, 8, 7));
  const bytes = builder.encode();
  const shifted = new Uint8Array(bytes.byteLength + 13);
  shifted.set(bytes, 13);
  const elf = ElfFile.parse(shifted.subarray(13), { name: 'x' });
  expect([...(elf.section('.text')?.bytes ?? [])]).toEqual([9, 8, 7]);
});
