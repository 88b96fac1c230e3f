import { ByteReader } from '../../../lib/binary/index.js';
import {
  ElfImage,
  SectionIndex,
  SymbolBinding,
  SymbolType,
  bytesInMemory,
  elfMachineOf,
  elfNotes,
} from '../../../lib/elf/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { image, imageBytes, notes, type ImageOptions } from '../../helpers/image-builder.js';

const kinds: [string, ImageOptions][] = [
  ['64 bits, little-endian', {}],
  ['64 bits, big-endian', { littleEndian: false }],
  ['32 bits, little-endian', { bits: 32 }],
  ['32 bits, big-endian', { bits: 32, littleEndian: false }],
];

const whole = imageBytes({
  symbols: [{ name: 'first', address: 0x1000, size: 16 }],
  dynamicSymbols: [{ name: 'third', address: 0x1020, size: 16, version: 2 }],
  versions: ['V'],
});

async function readSymbols(bytes: Uint8Array): Promise<void> {
  const made = await ElfImage.open(bytesInMemory(bytes, 'bad.so'));
  await made.symbols();
  await made.dynamicSymbols();
}

describe.each(kinds)('counts of an image of %s that stand in the header of its null section', (_, kind) => {
  const wide = kind.bits !== 32;
  const little = kind.littleEndian !== false;
  const original = imageBytes({ ...kind, symbols: [{ name: 'first', address: 0x1000, size: 16 }] });

  /** Moves the counts that `which` names out of the file's header. */
  function moved(...which: ('sections' | 'names' | 'segments')[]): Uint8Array {
    const bytes = original.slice();
    const view = new DataView(bytes.buffer);
    const flags = wide ? 48 : 36;
    const table = wide ? Number(view.getBigUint64(40, little)) : view.getUint32(32, little);
    const move = (field: number, mark: number, to: number): void => {
      const count = view.getUint16(field, little);
      view.setUint16(field, mark, little);
      if (to === 32 && !little) view.setUint32(table + to + 4, count, little);
      else view.setUint32(table + to, count, little);
    };
    if (which.includes('segments')) move(flags + 8, 0xffff, wide ? 44 : 28);
    if (which.includes('sections')) move(flags + 12, 0, wide ? 32 : 20);
    if (which.includes('names')) move(flags + 14, SectionIndex.XINDEX, wide ? 40 : 24);
    return bytes;
  }

  test.each([
    [['sections'] as const],
    [['names'] as const],
    [['segments'] as const],
    [['sections', 'names', 'segments'] as const],
  ])('%j', async (which) => {
    const plain = await ElfImage.open(bytesInMemory(original, 'plain.so'));
    const made = await ElfImage.open(bytesInMemory(moved(...which), 'many.so'));
    expect(made.segments).toEqual(plain.segments);
    expect(made.sections.slice(1)).toEqual(plain.sections.slice(1));
    expect(made.sections.at(-1)?.name).toBe('.shstrtab');
    expect((await made.symbols()).at(0x1004)?.name).toBe('first');
  });
});

/** `whole`, of 64 bits and little-endian, with a change. */
function changed(change: (view: DataView, header: (name: string) => number) => void): Uint8Array {
  const bytes = whole.slice();
  const view = new DataView(bytes.buffer);
  const table = Number(view.getBigUint64(40, true));
  const names = Number(view.getBigUint64(table + view.getUint16(62, true) * 64 + 24, true));
  change(view, (name) => {
    for (let at = table; at < bytes.length; at += 64) {
      const start = names + view.getUint32(at, true);
      if (Buffer.from(bytes.subarray(start, start + name.length + 1)).toString() === `${name}\0`) return at;
    }
    throw new Error(`no section ${name}`);
  });
  return bytes;
}

describe('a file that is not as a linker writes it', () => {
  test('has no sections and no symbols without section headers, and its build id is in a segment', async () => {
    const description = Buffer.from('0badcafe', 'hex');
    const note = notes({}, [
      { owner: 'Other', type: 3, description: Uint8Array.of(1) },
      { owner: 'GNU', type: 1, description: Uint8Array.of(2, 3, 4, 5) },
      { owner: 'GNU', type: 3, description },
    ]);
    const bytes = imageBytes({ segments: [[4, 0x200, 0, note.length]] });
    bytes.set(note, 0x200);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(40, 0n, true);
    // PT_NOTE
    view.setUint32(64, 4, true);
    const made = await ElfImage.open(bytesInMemory(bytes, 'bare.so'));
    expect(made.sections).toEqual([]);
    expect((await made.symbols()).length).toBe(0);
    expect(await made.buildId()).toBe('0badcafe');
  });

  test('has no segments without program headers, whatever their number', async () => {
    const bytes = imageBytes();
    new DataView(bytes.buffer).setBigUint64(32, 0n, true);
    const made = await ElfImage.open(bytesInMemory(bytes, 'x.o'));
    expect(made.segments).toEqual([]);
    expect(made.fileOffset(0x1000)).toBeUndefined();
  });

  test('may have sections without names', async () => {
    const bytes = imageBytes({ symbols: [{ name: 'first', address: 0x1000, size: 16 }] });
    new DataView(bytes.buffer).setUint16(62, 0, true);
    const made = await ElfImage.open(bytesInMemory(bytes, 'x.so'));
    expect(made.sections.map(({ name }) => name)).toEqual(['', '', '', '']);
    expect((await made.symbols()).find('first')).toHaveLength(1);
  });

  test('symbols beyond the table of versions have none', async () => {
    const bytes = changed((view, header) => {
      view.setBigUint64(header('.gnu.version') + 32, 2n, true);
    });
    const symbols = await (await ElfImage.open(bytesInMemory(bytes, 'x.so'))).dynamicSymbols();
    expect(symbols.find('third')).toMatchObject([{ name: 'third', version: undefined, isDefault: true }]);
  });

  test.each([
    [
      'names of sections in no section',
      changed((view) => {
        view.setUint16(62, 99, true);
      }),
      /^bad\.so.*: section names stand in section 99 of \d+$/u,
    ],
    [
      'names of sections in another kind of section',
      changed((view) => {
        view.setUint16(62, 1, true);
      }),
      /the section of section names is not a string table$/u,
    ],
    [
      'symbols of another size',
      changed((view, header) => {
        view.setBigUint64(header('.symtab') + 56, 16n, true);
      }),
      /^bad\.so, section \.symtab.*: symbols of 16 bytes; there 24 belong$/u,
    ],
    [
      'symbols whose names are in another kind of section',
      changed((view, header) => {
        view.setUint32(header('.symtab') + 40, 1, true);
      }),
      /^bad\.so, section \.symtab.*: its string table, section 1, is not a string table$/u,
    ],
    [
      'symbols that are not in the file',
      changed((view, header) => {
        view.setBigUint64(header('.symtab') + 32, 0x100_0000n, true);
      }),
      /^bad\.so, section \.symtab: its 16777216 bytes at file offset \d+ exceed the file's \d+ bytes$/u,
    ],
  ])('is refused for %s', async (_, bytes, message) => {
    await expect(readSymbols(bytes)).rejects.toThrow(message);
    await expect(readSymbols(bytes)).rejects.toBeInstanceOf(ObjectFormatError);
  });

  test('is refused for a section of more bytes than anyone reads, though the file is so large', async () => {
    const bytes = changed((view, header) => {
      view.setBigUint64(header('.symtab') + 32, 0x2000_0001n, true);
    });
    const source = { ...bytesInMemory(bytes, 'large.so'), size: 2 ** 40 };
    const made = await ElfImage.open({
      ...source,
      read: async (at, length) => Promise.resolve(bytes.slice(at, at + length)),
    });
    await expect(made.symbols()).rejects.toThrow(
      'large.so, section .symtab: its 536870913 bytes are more than the 536870912 that are read',
    );
  });

  test('is refused for names that overlap, before they fill the memory', async () => {
    const long = 'x'.repeat(80_000);
    const made = imageBytes({
      symbols: [
        { name: long, address: 0x1000 },
        ...Array.from({ length: 40 }, () => ({ name: long, address: 0x1000 })),
      ],
    });
    const symbols = await (await ElfImage.open(bytesInMemory(made, 'bad.so'))).symbols();
    await expect(symbols.functions(() => false)).rejects.toThrow('its strings overlap beyond what any compiler writes');
  });
});

test('an address that several symbols have is called by the most visible one, of two as visible by the earlier', async () => {
  const at = async (...bindings: number[]): Promise<string | undefined> => {
    const symbols = bindings.map((binding, index) => ({ name: `${'abc'[index]}`, address: 0x1000, size: 8, binding }));
    return (await (await image({ symbols })).symbols()).at(0x1004)?.name;
  };
  const { GLOBAL, WEAK, LOCAL } = SymbolBinding;
  expect(await at(WEAK, LOCAL)).toBe('a');
  expect(await at(GLOBAL, WEAK, LOCAL)).toBe('a');
  expect(await at(LOCAL, WEAK)).toBe('b');
  expect(await at(LOCAL, GLOBAL, GLOBAL)).toBe('b');
});

test('symbols are put in order ahead, between turns of the event loop, as they are when an address is asked for', async () => {
  const count = 45_000;
  const made = {
    segments: [[5, 0x200, 0x1000, count * 4] as const],
    symbols: Array.from({ length: count }, (_, index) => ({
      ...{ name: `f${index % 3}`, address: 0x1000 + (count - 1 - index) * 4, size: 4 },
      type: index % 5 === 0 ? SymbolType.OBJECT : index % 7 === 0 ? SymbolType.GNU_IFUNC : SymbolType.FUNC,
    })),
  };
  const [ahead, asked] = [await (await image(made)).symbols(), await (await image(made)).symbols()];
  let others = 0;
  setImmediate(() => setImmediate(() => others++));
  await ahead.prepare();
  expect(others).toBe(1);
  for (let address = 0x0ffe; address < 0x1000 + count * 4 + 8; address += 997) {
    expect(ahead.at(address)).toEqual(asked.at(address));
  }
  expect(ahead.at(0x1000 + 3 * 4)).toMatchObject({ address: 0x1000 + 3 * 4 });
});

test('a search of functions that is given up ends at the next turn of the event loop', async () => {
  const symbols = Array.from({ length: 20_000 }, (_, index) => ({ name: `f${index % 3}`, address: 0x1000 }));
  const table = await (await image({ symbols })).symbols();
  const aborting = new AbortController();
  let seen = 0;
  const found = table.functions(() => {
    // As slow as a large file.
    if (seen++ === 0) for (const end = Date.now() + 10; Date.now() < end;);
    aborting.abort(new Error('given up'));
    return true;
  }, aborting.signal);
  await expect(found).rejects.toThrow('given up');
  expect(seen).toBeLessThan(2_000);
});

test('notes are padded as their section is', () => {
  const bytes = Buffer.alloc(56);
  for (const [at, [nameSize, size, type]] of [
    [0, [4, 3, 5]],
    [24, [2, 4, 6]],
  ] as const) {
    bytes.writeUInt32LE(nameSize, at);
    bytes.writeUInt32LE(size, at + 4);
    bytes.writeUInt32LE(type, at + 8);
  }
  bytes.write('GNU\0', 12);
  bytes.write('abc', 16);
  // A name without its end.
  bytes.write('xy', 36);
  bytes.write('wxyz', 40);
  const read = (alignment: number): unknown[] =>
    [...elfNotes(new ByteReader(bytes.subarray(0, 48), { littleEndian: true, object: 'x' }), alignment)].map(
      ({ owner, type, offset, description }) => [owner, type, offset, Buffer.from(description).toString()],
    );
  expect(read(8)).toEqual([
    ['GNU', 5, 16, 'abc'],
    ['xy', 6, 40, 'wxyz'],
  ]);
});

test('processors have their numbers', () => {
  // include/uapi/linux/elf-em.h
  expect(['x64', 'arm64', 's390x', 'riscv64', 'loong64', 'ppc64'].map(elfMachineOf)).toEqual([
    62, 183, 22, 243, 258, 21,
  ]);
  expect(elfMachineOf('pdp11')).toBeUndefined();
});
