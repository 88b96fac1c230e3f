import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import { SectionType } from '../../../lib/elf/index.js';
import { EbpfError } from '../../../lib/errors/index.js';
import { listUsdt } from '../../../lib/user-space/index.js';
import { ImageWriter, codeShift, imageBytes, notes, type ImageOptions } from '../../helpers/image-builder.js';

interface Probe {
  readonly address: number;
  readonly base?: number;
  readonly semaphore?: number;
  readonly text?: string;
}

const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-usdt-'));
const path = join(folder, 'made');
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A program with notes of probes; `base` is where the section is now that says whether it was moved. */
function made(probes: readonly Probe[], options: ImageOptions & { base?: number } = {}): Uint8Array {
  const entries = probes.map(({ address, base = 0, semaphore = 0, text = 'app\0start\0-4@%eax' }) => {
    const words = new ImageWriter(options).word(address).word(base).word(semaphore).toBytes();
    return { owner: 'stapsdt', type: 3, description: Buffer.concat([words, Buffer.from(`${text}\0`)]) };
  });
  // Notes of others are left alone.
  entries.push(
    { owner: 'stapsdt', type: 4, description: Buffer.from('x') },
    { owner: 'GNU', type: 3, description: Buffer.from('y') },
  );
  const sections = [
    { name: '.note.stapsdt', type: SectionType.NOTE, bytes: notes(options, entries), alignment: 4 },
    ...(options.base === undefined ? [] : [{ name: '.stapsdt.base', address: options.base, bytes: new Uint8Array(1) }]),
  ];
  return imageBytes({ ...options, sections });
}

async function list(bytes: Uint8Array): ReturnType<typeof listUsdt> {
  writeFileSync(path, bytes);
  return listUsdt(path);
}

test.each<[string, ImageOptions]>([
  ['64 bits', {}],
  ['64 bits, big-endian', { littleEndian: false }],
  ['32 bits', { bits: 32 }],
])('probes of a program of %s are listed', async (_, options) => {
  const places = await list(
    made(
      [
        { address: 0x1010, semaphore: 0x3010 },
        { address: 0x1020, text: 'app\0stop\0' },
      ],
      options,
    ),
  );
  expect(places).toMatchObject([
    {
      ...{ provider: 'app', name: 'start', address: 0x1010, fileOffset: 0x1010 - codeShift },
      ...{ semaphoreOffset: 0x410, arguments: [{ text: '-4@%eax', size: 4, signed: true }] },
    },
    { provider: 'app', name: 'stop', address: 0x1020, semaphoreOffset: undefined, arguments: [] },
  ]);
});

test('a program that prelink moved has its probes and semaphores elsewhere', async () => {
  const probe = { address: 0x810, base: 0x900, semaphore: 0x2810 };
  const [moved] = await list(made([probe], { base: 0x1100 }));
  expect(moved).toMatchObject({ address: 0x1010, fileOffset: 0x210, semaphoreOffset: 0x410 });
  // Without that section nobody knows.
  await expect(list(made([probe]))).rejects.toMatchObject({ code: 'ERR_EBPF_OBJECT_FORMAT' });
});

test('variables of arguments are found among the symbols', async () => {
  const text = ['app', 'start', '4@counter(%rip) 4@missing(%rip) 4@local+4'].join('\0');
  const symbols = [
    { name: 'counter', address: 0x3020, size: 4, type: 1 },
    { name: 'local', address: 0x3030, size: 8, type: 1, binding: 0 },
  ];
  const [place] = await list(made([{ address: 0x1010, text }], { symbols }));
  expect(place?.arguments).toMatchObject([
    { location: { kind: 'memory', offset: 0x2010n } },
    { problem: 'the program has no symbol "missing"' },
    { location: { kind: 'memory', offset: 0x2024n } },
  ]);
});

test('a program without probes has none', async () => {
  expect(await list(imageBytes())).toEqual([]);
});

test.each<[string, Probe, string]>([
  ['outside the code', { address: 0x3000 }, 'where there is no code'],
  ['nowhere', { address: 0x9000 }, 'where there is no code'],
  ['with a semaphore in the code', { address: 0x1010, semaphore: 0x1020 }, 'where there are no variables'],
  ['without a name', { address: 0x1010, text: 'app\0\0' }, 'has no name'],
  ['cut off', { address: 0x1010, text: 'app' }, 'outside the data'],
])('a probe %s is refused', async (_, probe, message) => {
  await expect(list(made([probe]))).rejects.toMatchObject({
    code: 'ERR_EBPF_OBJECT_FORMAT',
    message: expect.stringContaining(message) as unknown,
  });
});

test('damaged notes are read or refused', async () => {
  const whole = made([{ address: 0x1010, semaphore: 0x3010 }, { address: 0x1020 }], { base: 0 });
  const start = Buffer.from(whole).indexOf('stapsdt') - 12;
  await fc.assert(
    fc.asyncProperty(fc.nat(160), fc.constantFrom(0, 1, 3, 0x7f, 0x80, 0xff), async (at, value) => {
      const bytes = whole.slice();
      bytes[start + at] = value;
      await list(bytes).catch((error: unknown) => {
        if (!EbpfError.is(error)) throw error;
      });
    }),
    { numRuns: 400 },
  );
});
