import fc from 'fast-check';

import { ByteWriter, hostIsLittleEndian } from '../../../lib/binary/index.js';
import { ObjectFormatError } from '../../../lib/errors/index.js';
import { readLibraryCache } from '../../../lib/user-space/library-cache.js';
import { bestLibraries, libraryRank } from '../../../lib/user-space/library-name.js';

type Entry = readonly [name: string, path: string, hwcap?: bigint];

const littleEndian = hostIsLittleEndian;

function newTable(entries: readonly Entry[]): Uint8Array {
  const header = new ByteWriter({ littleEndian }).append(Buffer.from('glibc-ld.so.cache1.1'));
  const strings = new ByteWriter({ littleEndian });
  const base = 48 + entries.length * 24;
  header.u32(entries.length).append(new Uint8Array(24));
  for (const [name, path, hwcap = 0n] of entries) {
    header.u32(3).u32(base + strings.length);
    strings.append(Buffer.from(`${name}\0`));
    header
      .u32(base + strings.length)
      .u32(0)
      .u64(hwcap);
    strings.append(Buffer.from(`${path}\0`));
  }
  return header.append(strings.toBytes()).toBytes();
}

function oldTable(entries: readonly Entry[]): Uint8Array {
  const header = new ByteWriter({ littleEndian }).append(Buffer.from('ld.so-1.7.0\0')).u32(entries.length);
  const strings = new ByteWriter({ littleEndian });
  for (const [name, path] of entries) {
    header.u32(3).u32(strings.length);
    strings.append(Buffer.from(`${name}\0`));
    header.u32(strings.length);
    strings.append(Buffer.from(`${path}\0`));
  }
  return header.append(strings.toBytes()).toBytes();
}

const read = (bytes: Uint8Array): unknown => readLibraryCache(bytes, 'ld.so.cache');
const libraries: Entry[] = [
  ['libfast.so.1', '/usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1', 1n << 62n],
  ['libc.so.6', '/usr/lib/libc.so.6'],
];

describe("the loader's cache", () => {
  test('is read, libraries of special processors last', () => {
    expect(read(newTable(libraries))).toEqual([
      { name: 'libc.so.6', path: '/usr/lib/libc.so.6', special: false },
      { name: 'libfast.so.1', path: '/usr/lib/glibc-hwcaps/x86-64-v3/libfast.so.1', special: true },
    ]);
    expect(read(newTable([]))).toEqual([]);
  });

  test('is read in its older form, alone and before the newer one', () => {
    const old = [{ name: 'libc.so.6', path: '/lib/libc.so.6', special: false }];
    expect(read(oldTable([['libc.so.6', '/lib/libc.so.6']]))).toEqual(old);
    // Without entries, the newer table follows at once.
    const both = Buffer.concat([oldTable([]), newTable([['libc.so.6', '/lib/libc.so.6']])]);
    expect(read(both)).toEqual(old);
  });

  test('is refused when it is none or ends early', () => {
    const whole = newTable(libraries);
    for (const bytes of [
      new Uint8Array(0),
      Buffer.from('something else'),
      whole.subarray(0, 60),
      oldTable(libraries).subarray(0, 20),
    ]) {
      expect(() => read(bytes)).toThrow(ObjectFormatError);
    }
  });

  test('that is damaged is read or refused', () => {
    const whole = newTable(libraries);
    fc.assert(
      fc.property(
        fc.nat(whole.length - 1),
        fc.integer({ min: 0, max: 255 }),
        fc.nat(whole.length),
        (at, value, end) => {
          const bytes = whole.slice(0, Math.max(end, at + 1));
          bytes[at] = value;
          try {
            read(bytes);
          } catch (error) {
            if (!(error instanceof ObjectFormatError)) throw error;
          }
        },
      ),
    );
  });
});

test.each([
  ['libssl.so.3', 'libssl.so.3', 0],
  ['libssl.so.3', 'libssl.so', undefined],
  ['libssl.so.3', 'libssl.so.30', undefined],
  ['libssl.so', 'libssl.so', 0],
  ['libssl.so', 'libssl.so.3', 2],
  ['libssl', 'libssl.so', 1],
  ['libssl', 'libssl.so.1.1', 2],
  ['libssl', 'libssl3.so', undefined],
  ['libssl', 'libssl-doc', undefined],
  ['libc', 'libc.so.6', 2],
  ['libc', 'libc-2.31.so', 3],
  ['libc', 'libc-client.so', undefined],
  ['libc', 'ld-musl-x86_64.so.1', 4],
  ['libc.so.6', 'libc.musl-aarch64.so.1', 4],
  ['libm', 'ld-musl-x86_64.so.1', undefined],
])('%s is %s by rank %s', (name, file, rank) => {
  expect(libraryRank(name)(file)).toBe(rank);
});

test('the best of several files is taken, the newest first', () => {
  const best = (name: string, files: string[]): string[] => bestLibraries(files, name, (file) => file);
  expect(best('libssl', ['libssl.so.1.1', 'libssl.so.3', 'libssl.so.10'])).toEqual([
    ...['libssl.so.10', 'libssl.so.3', 'libssl.so.1.1'],
  ]);
  expect(best('libssl', ['libssl.so.3', 'libssl.so'])).toEqual(['libssl.so']);
  expect(best('libssl', ['libcrypto.so'])).toEqual([]);
});
