import { ElfFile, SectionIndex, SectionType } from '../../../lib/elf/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { ElfBuilder } from '../../helpers/elf-builder.js';

/** What reading everything a file has says is wrong with it. */
function problemOf(bytes: Uint8Array): string {
  try {
    const elf = ElfFile.parse(bytes, { name: 'bad.o' });
    for (const section of elf.sections) elf.relocations(section);
    return elf.symbols.length > 0 ? 'nothing' : 'nothing, no symbols';
  } catch (error) {
    if (error instanceof ObjectFormatError) return error.message;
    throw error;
  }
}

function built(change: (view: DataView, bytes: Uint8Array) => void): Uint8Array {
  const builder = new ElfBuilder();
  const text = builder.code('.text', new Uint8Array(16));
  builder.relocation(text, 0, builder.symbol({ name: 'x' }));
  const bytes = builder.encode();
  change(new DataView(bytes.buffer), bytes);
  return bytes;
}

/** Offset of a section's header in what {@link built} makes: null, .text, .symtab, .strtab, .rel.text, .shstrtab. */
function header(view: DataView, section: number): number {
  return Number(view.getBigUint64(40, true)) + section * 64;
}

const cases: [string, Uint8Array, string][] = [
  ['nothing', new Uint8Array(0), 'bad.o, offset 0: the file is empty'],
  ['something else', Buffer.from('#!/bin/sh\n'), 'bad.o, offset 0: not an ELF file: the magic number is missing'],
  ['a header cut off', built(() => undefined).subarray(0, 40), 'bad.o, offset 40: the file ends inside the ELF header'],
  ['32-bit ELF', built((_, bytes) => (bytes[4] = 1)), 'bad.o, offset 4: ELF class 1: only 64-bit ELF is read'],
  [
    'no byte order',
    built((_, bytes) => (bytes[5] = 0)),
    'bad.o, offset 5: ELF data encoding 0 is neither little- nor big-endian',
  ],
  ['another version', built((_, bytes) => (bytes[6] = 2)), 'bad.o, offset 6: ELF version 2 is unknown'],
  [
    'section headers of another size',
    built((view) => {
      view.setUint16(58, 0xffff, true);
    }),
    'bad.o, offset 58: section headers of 65535 bytes; ELF64 has 64',
  ],
  [
    'section headers outside the file',
    built((view) => {
      view.setBigUint64(40, 1_000_000n, true);
    }),
    'bad.o, offset 1000000: 384 bytes are needed here, the data ends at',
  ],
  [
    'section names of no section',
    built((view) => {
      view.setUint16(62, 6, true);
    }),
    'bad.o, offset 62: section names stand in section 6 of 6',
  ],
  [
    'section names in code',
    built((view) => {
      view.setUint16(62, 1, true);
    }),
    'bad.o, offset 62: the section of section names is not a string table',
  ],
  [
    'a section beyond the end',
    built((view) => {
      view.setBigUint64(header(view, 1) + 32, 1_000_000n, true);
    }),
    "bad.o, section .text: its 1000000 bytes at file offset 64 exceed the file's",
  ],
  [
    'a size that no number holds',
    built((view) => {
      view.setBigUint64(header(view, 1) + 32, 0xffff_ffff_ffff_ffffn, true);
    }),
    'the value 0xffffffffffffffff is too large',
  ],
  [
    'symbols of another size',
    built((view) => {
      view.setBigUint64(header(view, 2) + 56, 0n, true);
    }),
    'bad.o, section .symtab: a symbol table of 48 bytes with entries of 0; entries have 24',
  ],
  [
    'symbols without strings',
    built((view) => {
      view.setUint32(header(view, 2) + 40, 99, true);
    }),
    'bad.o, section .symtab: its string table, section 99, is not a string table',
  ],
  [
    'two symbol tables',
    built((view) => {
      view.setUint32(header(view, 1) + 4, SectionType.SYMTAB, true);
    }),
    'bad.o, section .text: a second symbol table, ".symtab"; one is allowed',
  ],
  [
    'a symbol in no section',
    built((view) => {
      view.setUint16(Number(view.getBigUint64(header(view, 2) + 24, true)) + 24 + 6, 77, true);
    }),
    'bad.o, section .symtab, offset 30: symbol 1 lies in section 77 of 6',
  ],
  [
    'an extended section index that is nowhere',
    built((view) => {
      view.setUint16(Number(view.getBigUint64(header(view, 2) + 24, true)) + 24 + 6, SectionIndex.XINDEX, true);
    }),
    'bad.o, section .symtab, offset 30: symbol 1 needs an SHT_SYMTAB_SHNDX section',
  ],
  [
    'relocations of another size',
    built((view) => {
      view.setBigUint64(header(view, 4) + 56, 17n, true);
    }),
    'bad.o, section .rel.text: a relocation section of 16 bytes with entries of 17; entries have 16',
  ],
  [
    'a relocation against no symbol',
    built((view) => {
      view.setUint32(Number(view.getBigUint64(header(view, 4) + 24, true)) + 12, 2, true);
    }),
    'bad.o, section .rel.text, offset 8: symbol 2 of 2 is named',
  ],
  [
    'relocations that name code as the symbol table',
    built((view) => {
      view.setUint32(header(view, 4) + 40, 1, true);
    }),
    'bad.o, section .rel.text: its symbol table, section 1, is not the symbol table',
  ],
];

test.each(cases)('%s', (_, bytes, problem) => {
  expect(problemOf(bytes)).toContain(problem);
});

test('the unchanged file is well-formed', () => {
  expect(problemOf(built(() => undefined))).toBe('nothing');
});

test('a name without an end is refused', () => {
  const builder = new ElfBuilder();
  builder.symbol({ name: 'last' });
  const bytes = builder.encode();
  const text = Buffer.from(bytes).indexOf('last\0');
  bytes[text + 4] = 0x78;
  expect(problemOf(bytes)).toContain('section .strtab, offset 1: a string has no terminating NUL');
});

test('names that overlap cannot make a small file fill the memory', () => {
  const builder = new ElfBuilder();
  builder.symbol({ name: 'x'.repeat(100_000) });
  for (let count = 0; count < 20_000; count++) builder.symbol({});
  const bytes = builder.encode();
  const elf = ElfFile.parse(bytes, { name: 'x' });
  const table = elf.section('.symtab');
  if (table === undefined) throw new Error('the symbol table is missing');
  const view = new DataView(bytes.buffer, table.offset, table.size);
  for (let index = 2; index < 20_000; index++) view.setUint32(index * 24, index, true);
  expect(problemOf(bytes)).toContain('its strings overlap beyond what any compiler writes');
});
