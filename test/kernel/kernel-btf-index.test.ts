// The addon's index of a BTF answers as the one that TypeScript makes, and damaged BTF is refused in the same words.
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import { hostIsLittleEndian } from '../../lib/binary/index.js';
import { allocateBtf, Btf, BtfBuilder } from '../../lib/btf/index.js';
import { typesInIndex, type BtfRoom } from '../../lib/btf/type-index.js';
import { kernelBtf } from '../../lib/kernel/index.js';
import { readInMemory } from '../../lib/sys/index.js';
import { testIf } from '../helpers/skip.js';
import { samples } from '../unit/btf/fixtures.js';

const name = 'indexed';
const folder = mkdtempSync(join(tmpdir(), 'ebpf-index-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Reads the bytes from a file. */
async function readBack(bytes: Uint8Array, room: BtfRoom, offset = 0): Promise<Uint8Array> {
  const file = join(folder, 'btf');
  writeFileSync(file, bytes);
  const descriptor = openSync(file, 'r');
  try {
    const count = await readInMemory(descriptor, room.bytes, offset, room.index);
    return room.bytes.subarray(0, offset + count);
  } finally {
    closeSync(descriptor);
  }
}

async function indexed(bytes: Uint8Array): Promise<{ btf: Btf; isIndexed: boolean }> {
  // Of small types, which there is no room for otherwise.
  const room = allocateBtf(bytes.byteLength * 3);
  const read = await readBack(bytes, room);
  const btf = await Btf.parseIndexed(read, room.index, { name });
  return { btf, isIndexed: typesInIndex(room.index) !== undefined };
}

/** What a BTF answers. */
function answersOf(btf: Btf): unknown {
  const names = ['', 'x', ...btf.allStrings()];
  const found = names.map((each) => [each, btf.findAll(each), btf.findByEssentialName(each)]);
  return [btf.startId, btf.endId, [...btf.table.offsets], found];
}

/** The same, or how it is refused. */
async function answers(parse: () => Btf | Promise<Btf>): Promise<unknown> {
  try {
    return answersOf(await parse());
  } catch (error) {
    return String(error);
  }
}

/** Forward declarations in this machine's byte order. */
function naming(names: readonly string[]): Uint8Array {
  const builder = new BtfBuilder({ littleEndian: hostIsLittleEndian });
  for (const each of names) builder.addForward(each);
  return builder.encode();
}

test.each(samples())('$name', async ({ sections }) => {
  const bytes = sections.get('.BTF') ?? new Uint8Array();
  const { btf, isIndexed } = await indexed(bytes);
  expect(isIndexed).toBe((bytes[0] === 0x9f) === hostIsLittleEndian);
  expect(answersOf(btf)).toEqual(answersOf(Btf.parse(bytes, { name })));
});

test('any names', async () => {
  // `^` is the byte before `_`.
  const parts = fc.array(fc.constantFrom('a', 'b', '_', '___', 'task', '^', 'é'), { minLength: 1, maxLength: 12 });
  const names = fc.array(
    parts.map((each) => each.join('')),
    { minLength: 1, maxLength: 30 },
  );
  await fc.assert(
    fc.asyncProperty(names, async (each) => {
      const bytes = naming(each);
      const { btf, isIndexed } = await indexed(bytes);
      expect(isIndexed).toBe(true);
      expect(answersOf(btf)).toEqual(answersOf(Btf.parse(bytes, { name })));
    }),
    { numRuns: 300 },
  );
});

test('damaged BTF is refused in the same words', async () => {
  const original = naming(Array.from({ length: 40 }, (_, index) => `type_${index}`));
  const { header } = Btf.parse(original, { name });
  let refused = 0;
  let isIndexedOnce = false;
  const property = fc.asyncProperty(
    fc.nat(original.length - 1),
    fc.nat(255),
    fc.nat(original.length),
    async (at, value, length) => {
      const bytes = Uint8Array.from(original.subarray(0, length % 5 === 0 ? length : original.length));
      if (at < bytes.length) bytes[at] = value;
      // Kinds and lengths are what the pass goes by.
      const inTypes = header.typesOffset + (at % header.typesLength);
      if (inTypes < bytes.length) bytes[inTypes] = value;
      // The length of the types; and their beginning, which is then far outside.
      if (length % 7 === 0 && bytes.length > 16) new DataView(bytes.buffer).setUint32(12, length, hostIsLittleEndian);
      if (length % 11 === 0 && bytes.length > 16) new DataView(bytes.buffer).setUint32(8, 0xffff_fffc, true);
      const wanted = await answers(() => Btf.parse(bytes, { name }));
      if (typeof wanted === 'string') refused++;
      const room = allocateBtf(bytes.byteLength * 3 + 1);
      const read = await readBack(bytes, room);
      if (typesInIndex(room.index) !== undefined) isIndexedOnce = true;
      expect(await answers(async () => Btf.parseIndexed(read, room.index, { name }))).toEqual(wanted);
    },
  );
  await fc.assert(property, { numRuns: 1_000 });
  expect(refused).toBeGreaterThan(100);
  expect(isIndexedOnce).toBe(true);
});

test('a file that may go on, or whose beginning was read before, is not indexed', async () => {
  const bytes = naming(['one', 'two']);
  const full = allocateBtf(bytes.byteLength);
  expect(Buffer.compare(await readBack(bytes, full), bytes)).toBe(0);
  expect(typesInIndex(full.index)).toBeUndefined();
  const rest = allocateBtf(bytes.byteLength + 10);
  await readBack(bytes, rest, 4);
  expect(typesInIndex(rest.index)).toBeUndefined();
  expect((await indexed(bytes)).isIndexed).toBe(true);
});

test('an index that has no room, or is none, takes nothing', async () => {
  const bytes = naming(Array.from({ length: 100 }, (_, index) => `type_${index}`));
  const { index } = allocateBtf(bytes.byteLength + 1);
  const layouts = Uint32Array.from(index.subarray(0, 256));
  const attempt = async (words: number, edit: (index: Uint32Array) => void = () => undefined): Promise<boolean> => {
    const small = new Uint32Array(words);
    small.set(layouts.subarray(0, words));
    edit(small);
    await readBack(bytes, { bytes: new Uint8Array(bytes.byteLength + 1), index: small });
    return (small[0] ?? 0) !== 0;
  };
  const buckets = layouts[1] ?? 0;
  const enough = 256 + buckets + 200;
  expect(await attempt(enough)).toBe(true);
  for (const words of [0, 1, 255, 256, 256 + buckets, enough - 2]) expect(await attempt(words)).toBe(false);
  for (const count of [0, 1, 3, 0x8000_0000, 0xffff_ffff]) {
    expect(await attempt(enough, (small) => (small[1] = count))).toBe(false);
  }
  // A kind that the reader does not know, here a forward declaration.
  expect(await attempt(enough, (small) => (small[2 * 7] = 0))).toBe(false);
});

const path = '/sys/kernel/btf/vmlinux';
testIf(existsSync(path), 'kernel BTF')('the BTF of the running kernel, read and mapped', async () => {
  const bytes = readFileSync(path);
  const plain = Btf.parse(bytes, { name });
  const { btf: copied, isIndexed } = await indexed(bytes);
  expect(isIndexed).toBe(true);
  const own = await kernelBtf();
  expect(Buffer.compare(own.bytes, bytes)).toBe(0);
  const room = allocateBtf(bytes.byteLength + 1);
  const descriptor = openSync(path, 'r');
  try {
    expect(await readInMemory(descriptor, room.bytes, 0, room.index)).toBe(bytes.byteLength);
  } finally {
    closeSync(descriptor);
  }
  expect(typesInIndex(room.index)?.count).toBe(plain.endId - 1);
  for (const btf of [copied, own]) {
    expect(Buffer.compare(Buffer.from(btf.table.offsets), Buffer.from(plain.table.offsets))).toBe(0);
    for (let id = 1; id < plain.endId; id += 23) {
      const wanted = plain.nameOf(id);
      expect(btf.findAll(wanted)).toEqual(plain.findAll(wanted));
      expect(btf.findByEssentialName(wanted)).toEqual(plain.findByEssentialName(wanted));
    }
  }
});
