// The pass over all types in WebAssembly and the one in TypeScript find the same.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import fc from 'fast-check';

import { readBtfHeader } from '../../../lib/btf/btf-header.js';
import { allocateBtf, Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { PrefixIndex } from '../../../lib/btf/prefix-index.js';
import { scanModule } from '../../../lib/btf/scan-module.generated.js';
import { scanTypes } from '../../../lib/btf/scanner.js';
import { testIf } from '../../helpers/skip.js';
import { samples } from './fixtures.js';

const repository = join(__dirname, '../../..');
const name = 'scanned';
const inReach = (bytes: Uint8Array): Uint8Array => {
  const copy = allocateBtf(bytes.byteLength);
  copy.set(bytes);
  return copy;
};

/** What a BTF answers, or how it is refused. */
function answers(bytes: Uint8Array): unknown {
  try {
    const btf = Btf.parse(bytes, { name });
    const names = ['', 'x', ...btf.allStrings()];
    const found = names.map((each) => [each, btf.findAll(each), btf.findByEssentialName(each)]);
    return [btf.startId, btf.endId, [...btf.table.offsets], found];
  } catch (error) {
    return String(error);
  }
}

/** Whether the bytes are scanned by WebAssembly, and not only accepted. */
function isScanned(bytes: Uint8Array): boolean {
  return scanTypes(inReach(bytes), readBtfHeader(bytes, name, false)) !== undefined;
}

test.each(samples())('$name', ({ sections }) => {
  const bytes = sections.get('.BTF') ?? new Uint8Array();
  const isLittle = bytes[0] === 0x9f;
  expect(isScanned(bytes)).toBe(isLittle);
  expect(answers(inReach(bytes))).toEqual(answers(bytes));
});

test('damaged BTF is refused in the same words', () => {
  const [{ sections }] = samples().filter(({ name: sample }) => sample.includes('execsnoop')) as [
    ReturnType<typeof samples>[number],
  ];
  const original = sections.get('.BTF') ?? new Uint8Array();
  let refused = 0;
  fc.assert(
    fc.property(fc.nat(original.length - 1), fc.nat(255), fc.nat(original.length), (at, value, length) => {
      const bytes = Uint8Array.from(original);
      bytes[at] = value;
      const { typesOffset, typesLength } = readBtfHeader(original, name, false);
      // Kinds and lengths are what the pass goes by.
      bytes[typesOffset + (at % typesLength)] = value;
      if (length % 7 === 0) new DataView(bytes.buffer).setUint32(12, length, true);
      const wanted = answers(bytes);
      if (typeof wanted === 'string') refused++;
      expect(answers(inReach(bytes))).toEqual(wanted);
    }),
    { numRuns: 500 },
  );
  expect(refused).toBeGreaterThan(50);
});

test('the last name of the strings, and names that are outside of them', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  for (const each of ['abc', 'ab', 'a']) builder.addForward(each);
  const bytes = builder.encode();
  expect(Btf.parse(inReach(bytes), { name }).find('a')).toBe(3);
  const { typesOffset, stringsLength } = readBtfHeader(bytes, name, false);
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(typesOffset, stringsLength, true);
  expect(answers(inReach(bytes))).toEqual(answers(bytes));
  expect(Btf.parse(inReach(bytes), { name }).find('abc')).toBeUndefined();
});

test('names that begin alike, with and without flavours, short and longer than what is searched in WebAssembly', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  const long = 'long'.repeat(100);
  const names = [
    'long_',
    'long',
    'long___old',
    'long__two',
    'long___',
    'longer',
    'lon',
    'long_______x',
    long,
    `${long}___old`,
  ];
  for (const each of [...names, ...names]) builder.addForward(each);
  const bytes = builder.encode();
  const [scanned, plain] = [Btf.parse(inReach(bytes), { name }), Btf.parse(bytes, { name })];
  expect(scanned.findAll('long')).toEqual([2, 12]);
  expect(scanned.findByEssentialName('long')).toEqual([2, 3, 12, 13]);
  for (const each of [...names, 'long___other', 'lo', 'longe', `${long}x`]) {
    expect([scanned.findAll(each), scanned.findByEssentialName(each)]).toEqual([
      plain.findAll(each),
      plain.findByEssentialName(each),
    ]);
  }
});

test('what is looked at in WebAssembly is counted', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  for (let index = 0; index < 50; index++) builder.addForward(`name_${index}`);
  const bytes = builder.encode();
  const { table, strings } = Btf.parse(bytes, { name });
  const plain = new PrefixIndex(table, strings);
  plain.build(1_000);
  const index = new PrefixIndex(table, strings, scanTypes(inReach(bytes), readBtfHeader(bytes, name, false)));
  for (const each of [plain, index]) expect(each.find('name_7').exact).toEqual([8]);
  expect(plain.steps).toBe(50);
  expect(index.steps).toBeGreaterThanOrEqual(50);
});

test('bytes are scanned once: their second BTF is read as any other', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  for (let index = 0; index < 100; index++) builder.addForward(`type_${index % 10}`);
  const bytes = inReach(builder.encode());
  const [first, second] = [Btf.parse(bytes, { name }), Btf.parse(bytes, { name })];
  expect(second.findAll('type_3')).toHaveLength(10);
  expect(first.findAll('type_3')).toEqual(second.findAll('type_3'));
});

test('without WebAssembly, and where it may not compile, TypeScript does it', () => {
  const builder = new BtfBuilder({ littleEndian: true });
  builder.addForward('only');
  const bytes = builder.encode();
  const holder = globalThis as { WebAssembly?: unknown };
  const given = holder.WebAssembly as object;
  try {
    const forbidden = class {
      constructor() {
        throw new Error('Wasm code generation disallowed by embedder');
      }
    };
    for (const without of [undefined, { ...given, Memory: forbidden }]) {
      holder.WebAssembly = without;
      const plain = allocateBtf(100);
      expect([plain.byteLength, plain.buffer.byteLength]).toEqual([100, 100]);
    }
    const { Memory, Instance } = given as { Memory: unknown; Instance: unknown };
    holder.WebAssembly = { Memory, Instance, Module: forbidden };
    expect(isScanned(bytes)).toBe(false);
    expect(Btf.parse(inReach(bytes), { name }).find('only')).toBe(1);
  } finally {
    holder.WebAssembly = given;
  }
  expect(isScanned(bytes)).toBe(true);
});

const path = '/sys/kernel/btf/vmlinux';
testIf(existsSync(path), 'kernel BTF')('the BTF of the running kernel', () => {
  const bytes = readFileSync(path);
  const plain = Btf.parse(bytes, { name });
  const scanned = Btf.parse(inReach(bytes), { name });
  expect(isScanned(bytes)).toBe(plain.littleEndian);
  expect(Buffer.compare(Buffer.from(scanned.table.offsets), Buffer.from(plain.table.offsets))).toBe(0);
  const index = new PrefixIndex(plain.table, plain.strings);
  index.build(1_000_000);
  for (let id = 1; id < plain.endId; id += 101) {
    const wanted = plain.nameOf(id);
    const { exact, essential } = index.find(wanted);
    expect([scanned.findAll(wanted), scanned.findByEssentialName(wanted)]).toEqual([exact, essential]);
  }
});

testIf(existsSync(path), 'kernel BTF')('--jitless, where there is no WebAssembly', () => {
  const script = `
    const { kernelBtf } = require(${JSON.stringify(repository)});
    kernelBtf().then((btf) => console.log(typeof WebAssembly, btf.nameOf(btf.find('task_struct'))));
  `;
  const { stdout } = spawnSync(process.execPath, ['--jitless', '-e', script], { encoding: 'utf8' });
  expect(stdout.trim()).toBe('undefined task_struct');
});

test('the machine code is that of scan.wat', async () => {
  const script = `import { compile } from ${JSON.stringify(pathToFileURL(join(repository, 'scripts/wasm.mjs')))}; process.stdout.write(await compile());`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toContain(`'${scanModule}'`);
});
