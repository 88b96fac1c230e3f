// The addon's index of a BTF answers as the one that TypeScript makes, and damaged BTF is refused in the same words.
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { hostIsLittleEndian } from '../../lib/binary/index.js';
import { allocateBtf, Btf, BtfBuilder } from '../../lib/btf/index.js';
import { typesInIndex, type BtfRoom } from '../../lib/btf/type-index.js';
import { ElfFile } from '../../lib/elf/index.js';
import { kernelBtf } from '../../lib/kernel/index.js';
import { readInMemory } from '../../lib/sys/index.js';
import { samples } from '../helpers/command.js';
import { emulated } from '../helpers/emulation.js';
import { Random } from '../helpers/maps/random.js';
import { testIf } from '../helpers/skip.js';

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

const objects = readdirSync(samples).filter((each) => each.endsWith('.o'));
test.each(objects)('%s', async (object) => {
  const section = ElfFile.parse(readFileSync(join(samples, object)), { name }).section('.BTF');
  const bytes = section?.bytes ?? new Uint8Array();
  const { btf, isIndexed } = await indexed(bytes);
  expect(isIndexed).toBe((bytes[0] === 0x9f) === hostIsLittleEndian);
  expect(answersOf(btf)).toEqual(answersOf(Btf.parse(bytes, { name })));
});

const seed = Number(process.env['EBPF_INDEX_SEED'] ?? Math.floor(Math.random() * 0x7fff_ffff));

/** Runs it `times`, a tenth of that where it is emulated, and says the seed with whatever failed. */
async function repeatedly(times: number, run: (random: Random) => Promise<void>): Promise<void> {
  const random = new Random(seed);
  try {
    for (let left = emulated ? times / 10 : times; left > 0; left--) await run(random);
  } catch (error) {
    throw new Error(`EBPF_INDEX_SEED=${seed}: ${(error as Error).message}`, { cause: error });
  }
}

test('any names', async () => {
  // `^` is the byte before `_`.
  const parts = ['a', 'b', '_', '___', 'task', '^', 'é'];
  const someName = (random: Random): string =>
    Array.from({ length: 1 + random.below(12) }, () => random.pick(parts)).join('');
  await repeatedly(500, async (random) => {
    const bytes = naming(Array.from({ length: 1 + random.below(30) }, () => someName(random)));
    const { btf, isIndexed } = await indexed(bytes);
    expect(isIndexed).toBe(true);
    expect(answersOf(btf)).toEqual(answersOf(Btf.parse(bytes, { name })));
  });
});

test('damaged BTF is refused in the same words', async () => {
  const original = naming(Array.from({ length: 40 }, (_, index) => `type_${index}`));
  const { header } = Btf.parse(original, { name });
  let refused = 0;
  let taken = 0;
  await repeatedly(1_000, async (random) => {
    const length = random.below(5) === 0 ? random.below(original.length) : original.length;
    const bytes = Uint8Array.from(original.subarray(0, length));
    // Anywhere, and in the types, whose kinds and lengths are what the pass goes by.
    for (const at of [random.below(original.length), header.typesOffset + random.below(header.typesLength)]) {
      if (at < length) bytes[at] = random.below(256);
    }
    // Where the types are, far outside too, and how long they are.
    const setWord = (at: number, value: number): void => {
      if (length >= at + 4) new DataView(bytes.buffer).setUint32(at, value, hostIsLittleEndian);
    };
    if (random.below(10) === 0) setWord(8, random.pick([4, 0xffff_fffc]));
    if (random.below(10) === 0) setWord(12, random.below(original.length));
    const wanted = await answers(() => Btf.parse(bytes, { name }));
    if (typeof wanted === 'string') refused++;
    const room = allocateBtf(length * 3 + 1);
    const read = await readBack(bytes, room);
    if (typesInIndex(room.index) !== undefined) taken++;
    expect(await answers(async () => Btf.parseIndexed(read, room.index, { name }))).toEqual(wanted);
  });
  expect(refused).toBeGreaterThan(10);
  expect(taken).toBeGreaterThan(10);
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

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

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
    expect(Buffer.compare(bytesOf(btf.table.offsets), bytesOf(plain.table.offsets))).toBe(0);
    for (let id = 1; id < plain.endId; id += emulated ? 997 : 23) {
      const wanted = plain.nameOf(id);
      expect(btf.findAll(wanted)).toEqual(plain.findAll(wanted));
      expect(btf.findByEssentialName(wanted)).toEqual(plain.findByEssentialName(wanted));
    }
  }
});
