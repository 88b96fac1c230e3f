import fc from 'fast-check';

import {
  ElfImage,
  ElfType,
  SymbolBinding,
  SymbolType,
  bytesInMemory,
  type DefinedSymbol,
} from '../../../lib/elf/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { codeShift, image, imageBytes, type ImageOptions } from '../../helpers/image-builder.js';

const kinds: [string, ImageOptions][] = [
  ['64 bits, little-endian', {}],
  ['64 bits, big-endian', { littleEndian: false }],
  ['32 bits, little-endian', { bits: 32 }],
  ['32 bits, big-endian', { bits: 32, littleEndian: false }],
];

describe.each(kinds)('an image of %s', (_, kind) => {
  test('has headers, and places in the file for its addresses', async () => {
    const made = await image({ ...kind, type: ElfType.EXEC, machine: 62, symbols: [] });
    expect(made).toMatchObject({ name: 'made.so', bits: kind.bits ?? 64, type: ElfType.EXEC, machine: 62 });
    expect(made.hasFixedAddresses).toBe(true);
    expect(made.section('.symtab')?.name).toBe('.symtab');
    expect(made.section('.other')).toBeUndefined();
    expect(made.fileOffset(0x1000)).toBe(0x200);
    expect(made.fileOffset(0x11ff)).toBe(0x3ff);
    expect(made.fileOffset(0x1200)).toBeUndefined();
    expect(made.fileOffset(0x3000)).toBe(0x400);
    expect(made.fileOffset(0)).toBeUndefined();
    expect(made.address(0x3ff)).toBe(0x11ff);
    expect(made.address(0x100)).toBeUndefined();
  });

  test('has symbols by name and by address', async () => {
    const made = await image({
      ...kind,
      symbols: [
        { name: 'elsewhere', address: 0, section: 0 },
        { name: 'second', address: 0x1040, size: 0x20 },
        { name: 'alias', address: 0x1040, size: 0x20, binding: SymbolBinding.LOCAL },
        { name: 'variable', address: 0x1050, size: 8, type: SymbolType.OBJECT },
        { name: 'first', address: 0x1000, size: 0x20 },
        { name: 'inner', address: 0x1044, size: 4, binding: SymbolBinding.LOCAL },
        { name: 'versioned@@V2', address: 0x1080, size: 4 },
        { name: 'without_size', address: 0x10a0 },
        { name: 'last', address: 0x10c0, size: 1 },
      ],
    });
    const symbols = await made.symbols();
    expect(symbols.find('second')).toEqual([
      {
        ...{ name: 'second', version: undefined, isDefault: true, address: 0x1040, size: 0x20 },
        ...{ type: SymbolType.FUNC, binding: SymbolBinding.GLOBAL },
      },
    ]);
    expect(symbols.find('variable')).toMatchObject([{ type: SymbolType.OBJECT, address: 0x1050 }]);
    for (const none of ['elsewhere', 'econd', 'secon', '', 'second@V', 'versioned@V1', 'versioned@V2x']) {
      expect(symbols.find(none)).toEqual([]);
    }
    for (const versioned of ['versioned', 'versioned@V2', 'versioned@@V2']) {
      expect(symbols.find(versioned)).toMatchObject([{ name: 'versioned', version: 'V2', isDefault: true }]);
    }
    const names = async (test: (name: string) => boolean): Promise<string[]> =>
      (await symbols.functions(test)).map(({ name }) => name);
    expect(await names(() => true)).toEqual([
      ...['second', 'alias', 'first', 'inner', 'versioned', 'without_size', 'last'],
    ]);
    expect(await names((name) => name.startsWith('s'))).toEqual(['second']);
    const at = (address: number): string | undefined => symbols.at(address)?.name;
    expect([0xfff, 0x1000, 0x101f, 0x1020].map(at)).toEqual([undefined, 'first', 'first', undefined]);
    expect([0x1040, 0x1044, 0x1047, 0x1048, 0x105f, 0x1060].map(at)).toEqual([
      ...['second', 'inner', 'inner', 'second', 'second', undefined],
    ]);
    expect([0x10a0, 0x10bf, 0x10c0, 0x10c1, 2 ** 52].map(at)).toEqual([
      ...['without_size', 'without_size', 'last', undefined, undefined],
    ]);
    expect((await made.dynamicSymbols()).length).toBe(0);
  });

  test('has versions of dynamic symbols', async () => {
    const made = await image({
      ...kind,
      versions: ['V1', 'V2'],
      dynamicSymbols: [
        { name: 'copy', address: 0x1000, size: 4, version: 0x8002 },
        { name: 'copy', address: 0x1010, size: 4, version: 3 },
        { name: 'plain', address: 0x1020, size: 4, version: 1 },
      ],
    });
    const symbols = await made.dynamicSymbols();
    const brief = (found: readonly DefinedSymbol[]): unknown[] =>
      found.map(({ version, isDefault, address }) => [version, isDefault, address]);
    expect(brief(symbols.find('copy'))).toEqual([
      ['V1', false, 0x1000],
      ['V2', true, 0x1010],
    ]);
    expect(brief(symbols.find('copy@V1'))).toEqual([['V1', false, 0x1000]]);
    expect(brief(symbols.find('copy@@V1'))).toEqual([]);
    expect(brief(symbols.find('copy@@V2'))).toEqual([['V2', true, 0x1010]]);
    expect(brief(symbols.find('plain'))).toEqual([[undefined, true, 0x1020]]);
    expect(symbols.at(0x1001)).toMatchObject({ name: 'copy', version: 'V1' });
  });

  test('says which build it is and who has its symbols', async () => {
    const made = await image({
      ...kind,
      buildId: '0123456789abcdef',
      debugLink: { file: 'made.debug', crc: 0xdeadbeef },
    });
    expect(await made.buildId()).toBe('0123456789abcdef');
    expect(await made.debugLink()).toEqual({ file: 'made.debug', crc: 0xdeadbeef });
    const other = await image(kind);
    expect(await other.buildId()).toBeUndefined();
    expect(await other.debugLink()).toBeUndefined();
  });
});

test('code is preferred where segments overlap', async () => {
  const made = await image({
    segments: [
      [4, 0x200, 0x1000, 0x200],
      [5, 0x300, 0x1100, 0x100],
    ],
  });
  expect(made.segmentOf(0x1100)?.flags).toBe(5);
  expect(made.segmentOf(0x10ff)?.flags).toBe(4);
  expect(made.fileOffset(0x1180)).toBe(0x1180 - codeShift);
});

test('symbols whose addresses fill 53 bits are found as well', async () => {
  const base = 2 ** 52;
  const made = await image({
    segments: [[5, 0x200, base, 0x200]],
    symbols: [
      { name: 'b', address: base + 16, size: 16 },
      { name: 'a', address: base, size: 16 },
    ],
  });
  const symbols = await made.symbols();
  expect(symbols.at(base + 4)?.name).toBe('a');
  expect(symbols.at(base + 20)?.name).toBe('b');
});

const whole = imageBytes({
  symbols: [
    { name: 'first', address: 0x1000, size: 16 },
    { name: 'second@@V', address: 0x1010, size: 16 },
  ],
  dynamicSymbols: [{ name: 'third', address: 0x1020, size: 16, version: 2 }],
  versions: ['V'],
  buildId: 'abcd',
  debugLink: { file: 'x.debug', crc: 1 },
});

async function readAll(bytes: Uint8Array): Promise<void> {
  const made = await ElfImage.open(bytesInMemory(bytes, 'bad.so'));
  for (const table of [await made.symbols(), await made.dynamicSymbols()]) {
    for (const name of ['first', 'second', 'third', 'third@V']) table.find(name);
    await table.functions(() => true);
    for (const address of [0, 0x1000, 0x1018, 0x1028, 2 ** 40]) table.at(address);
  }
  await made.buildId();
  await made.debugLink();
  made.fileOffset(0x1000);
}

test('a whole file is read', async () => {
  await expect(readAll(whole)).resolves.toBeUndefined();
});

test('a damaged file is read or refused with a place', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff)), {
        minLength: 1,
        maxLength: 4,
      }),
      fc.integer({ min: 0, max: whole.length }),
      async (edits, length) => {
        const bytes = whole.slice(0, length % 7 === 0 ? length : whole.length);
        for (const [at, value] of edits) if (at < bytes.length) bytes[at] = value;
        await readAll(bytes).catch((error: unknown) => {
          if (!(error instanceof ObjectFormatError)) throw error;
        });
      },
    ),
    { numRuns: 2_000 },
  );
});

test.each([
  ['nothing', new Uint8Array(0), 'bad.so, offset 0: the file is empty'],
  ['a text', Buffer.from('#!/bin/sh\n'), 'bad.so, offset 0: not an ELF file: the magic number is missing'],
  ['a header cut off', whole.subarray(0, 40), 'bad.so, offset 0: 64 bytes are needed here, the data ends at 40'],
  ['an unknown class', edited(4, 3), 'bad.so, offset 4: ELF class 3 is unknown'],
  ['no byte order', edited(5, 0), 'bad.so, offset 5: ELF data encoding 0 is neither little- nor big-endian'],
  ['another version', edited(6, 9), 'bad.so, offset 6: ELF version 9 is unknown'],
  [
    'section headers of another size',
    edited(58, 63),
    'bad.so, offset 58: section headers of 63 bytes; there 64 belong',
  ],
  ['program headers of another size', edited(54, 1), 'bad.so, offset 54: program headers of 1 bytes; there 56 belong'],
])('refuses %s', async (_, bytes, message) => {
  await expect(readAll(bytes)).rejects.toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT', message });
});

function edited(at: number, value: number): Uint8Array {
  const bytes = whole.slice();
  bytes[at] = value;
  return bytes;
}
