import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import fc from 'fast-check';

import { ElfFile } from '../../../lib/elf/index.js';
import { ObjectFormatError, UsageError } from '../../../lib/errors/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';

const directory = join(__dirname, '../../../bpf-samples');
const samples = readdirSync(directory)
  .filter((name) => name.endsWith('.o'))
  .map((name) => [name, new Uint8Array(readFileSync(join(directory, name)))] as const);

// Tens of thousands of errors are made here; their stacks would take most of the time.
const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

/** Mutations per `npm test`; a longer search sets the number. */
const runs = Number(process.env['EBPF_FUZZ_RUNS'] ?? 5_000);

function touch(value: unknown): void {
  if (value === touch) throw new Error('a value of an object cannot be this function');
}

/** Reads all that an object has. Anything but the errors for malformed input is rethrown. */
function readEverything(bytes: Uint8Array): 'read' | 'refused' {
  try {
    const spec = ObjectSpec.parse(bytes, { name: 'mutated.o' });
    for (const variable of spec.variables.values()) {
      try {
        touch(variable.value);
      } catch (error) {
        // A mutated type may have no codec, or more bytes than its variable.
        if (!(error instanceof UsageError)) throw error;
      }
    }
    touch(spec.btfBytes);
    touch(spec.clone());
    return 'read';
  } catch (error) {
    if (error instanceof ObjectFormatError) return 'refused';
    throw error;
  }
}

test.each(samples)('%s cut off anywhere is refused', (_, bytes) => {
  for (let length = 0; length < bytes.byteLength; length++) {
    const outcome = readEverything(bytes.subarray(0, length));
    if (outcome !== 'refused') throw new Error(`the first ${length} bytes were read as an object`);
  }
  expect(readEverything(bytes)).toBe('read');
});

describe.each(samples.filter(([name]) => /^execsnoop\.bpf/.test(name)))('%s', (_, original) => {
  /** Writes the extremes of a field of that width and expects each to be read or refused. */
  function tryExtremes(at: number, width: number, littleEndian: boolean): void {
    const bytes = original.slice();
    const view = new DataView(bytes.buffer);
    const most = (1n << BigInt(width * 8)) - 1n;
    const length = BigInt(original.byteLength);
    const values = [0n, 1n, most, most >> 1n, length - 1n, length + 1n, 1n << 32n];
    for (const value of values) {
      if (value > most) continue;
      for (let index = 0; index < width; index++) {
        const shift = BigInt((littleEndian ? index : width - 1 - index) * 8);
        view.setUint8(at + index, Number((value >> shift) & 0xffn));
      }
      readEverything(bytes);
    }
  }

  const elf = ElfFile.parse(original, { name: 'original' });
  const header = [16, 18, 52, 54, 56, 58, 60, 62].map((at) => [at, 2]).concat([20, 48].map((at) => [at, 4]));
  const wide = [24, 32, 40].map((at) => [at, 8]);

  test('survives every extreme of the ELF header', () => {
    for (const [at = 0, width = 1] of [...header, ...wide]) tryExtremes(at, width, elf.littleEndian);
    for (let at = 4; at < 16; at++) tryExtremes(at, 1, elf.littleEndian);
    expect.assertions(0);
  });

  test('survives every extreme of every section header', () => {
    const view = new DataView(original.buffer, original.byteOffset);
    const table = Number(view.getBigUint64(40, elf.littleEndian));
    for (const { index } of elf.sections) {
      const at = table + index * 64;
      for (const field of [0, 4, 40, 44]) tryExtremes(at + field, 4, elf.littleEndian);
      for (const field of [8, 16, 24, 32, 48, 56]) tryExtremes(at + field, 8, elf.littleEndian);
    }
    expect.assertions(0);
  });

  test('survives every extreme of every symbol and relocation', () => {
    for (const section of elf.sections) {
      if (!/^\.symtab$|^\.rel/.test(section.name)) continue;
      for (let at = 0; at < section.size; at += 4) tryExtremes(section.offset + at, 4, elf.littleEndian);
    }
    expect.assertions(0);
  });

  test('survives every extreme of every word of BTF and BTF.ext headers and types', () => {
    for (const name of ['.BTF', '.BTF.ext']) {
      const section = elf.section(name);
      for (let at = 0; at < Math.min(section?.size ?? 0, 1_024); at += 4) {
        tryExtremes((section?.offset ?? 0) + at, 4, elf.littleEndian);
      }
    }
    expect.assertions(0);
  });
});

test('random changes of real objects are read or refused', () => {
  const change = fc.record({ at: fc.nat(), value: fc.integer({ min: 0, max: 255 }) });
  /** Microseconds of processor time: the machine may be busy. */
  let slowest = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...samples),
      fc.array(change, { minLength: 1, maxLength: 8 }),
      ([, original], changes) => {
        const bytes = original.slice();
        for (const { at, value } of changes) bytes[at % bytes.byteLength] = value;
        const start = process.cpuUsage();
        readEverything(bytes);
        slowest = Math.max(slowest, process.cpuUsage(start).user);
      },
    ),
    { numRuns: runs },
  );
  expect(slowest).toBeLessThan(1_000_000);
}, 600_000);
