// The memory of arrays, which programs and JavaScript share without system calls.
import { inspect } from 'node:util';

import { ArrayMap, Ebpf, MapFlag, MappedMemory, UsageError, i16, struct, u32, u64, u8 } from '../../lib/index.js';
import { sample } from '../helpers/samples.js';

const packet = { data: new Uint8Array(64) };

function refused(path: string, problem: string): Error {
  return expect.objectContaining({
    name: 'UsageError',
    code: 'ERR_EBPF_INVALID_VALUE',
    path,
    message: `${path}: ${problem}`,
  }) as Error;
}

test('what JavaScript writes the program reads, and the other way round', async () => {
  await using ebpf = await Ebpf.load(sample('shared_memory'));
  const shared = ebpf.map('shared', ArrayMap);
  using memory = shared.mmap({ writable: true });
  expect([shared.stride, memory.length, memory.writable]).toEqual([8, 64, true]);
  expect(inspect(memory)).toBe('MappedMemory { 64 bytes, writable }');
  for (let index = 0; index < 7; index++) memory.storeUint32(index * shared.stride, 10 ** index);
  await ebpf.program('flip').testRun(packet);
  expect(memory.loadUint32(7 * shared.stride)).toBe(1_111_111);
  expect([...shared]).toEqual([1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 1_111_111]);

  // By system call and by memory it is the same.
  shared.set(3, 0xffff_ffff);
  using reading = shared.mmap();
  expect(reading.loadUint32(24)).toBe(0xffff_ffff);
  expect(reading.read(24, new Uint8Array(8))).toEqual(Uint8Array.of(255, 255, 255, 255, 0, 0, 0, 0));
  memory.write(8, Uint8Array.of(1, 2, 3, 4, 5));
  expect(reading.read(7, new Uint8Array(7))).toEqual(Uint8Array.of(0, 1, 2, 3, 4, 5, 0));
});

test('values of any type and place', async () => {
  const Reading = struct('reading', { total: u64, count: u32, least: i16, kind: u8 });
  using readings = await ArrayMap.create({ value: Reading, maxEntries: 3, flags: MapFlag.MMAPABLE });
  expect(readings.stride).toBe(16);
  using memory = readings.mmap({ writable: true });
  const reading = { total: 2n ** 64n - 1n, count: 7, least: -5, kind: 200 };
  memory.set(2 * readings.stride, Reading, reading);
  expect(readings.get(2)).toEqual(reading);
  expect(memory.get(32, Reading)).toEqual(reading);
  expect(memory.loadBigUint64(32)).toBe(2n ** 64n - 1n);
  memory.storeBigUint64(32, 1n << 63n);
  expect(readings.get(2)).toEqual({ ...reading, total: 1n << 63n });
  expect(() => {
    memory.set(0, Reading, { ...reading, least: 40_000 });
  }).toThrow('value.least: expected an integer from -32768 to 32767');
  expect(readings.get(0)).toEqual({ total: 0n, count: 0, least: 0, kind: 0 });

  // Copies of every length and alignment.
  using bytes = await ArrayMap.create({ valueSize: 64, maxEntries: 1, flags: MapFlag.MMAPABLE });
  using all = bytes.mmap({ writable: true });
  const pattern = Uint8Array.from({ length: 64 }, (_, index) => index + 1);
  for (let offset = 0; offset < 24; offset++) {
    for (let length = 0; length <= 40; length++) {
      all.write(0, new Uint8Array(64));
      all.write(offset, pattern.subarray(0, length));
      const wanted = new Uint8Array(64);
      wanted.set(pattern.subarray(0, length), offset);
      expect(bytes.get(0)).toEqual(wanted);
      expect(all.read(offset, new Uint8Array(length))).toEqual(pattern.subarray(0, length));
    }
  }
});

test('places and numbers that do not fit are refused', async () => {
  using array = await ArrayMap.create({ value: u64, maxEntries: 4, flags: MapFlag.MMAPABLE });
  using memory = array.mmap({ writable: true });
  const bytes = new Uint8Array(8);
  const leaves = (offset: number): Error => refused('offset', `8 bytes at ${offset} leave the 32 bytes mapped`);
  for (const offset of [25, 32, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    expect(() => memory.read(offset, bytes)).toThrow(leaves(offset));
    expect(() => {
      memory.write(offset, bytes);
    }).toThrow(leaves(offset));
  }
  for (const offset of [-1, 0.5, NaN, Infinity, '0', 0n, undefined, 2 ** 53]) {
    expect(() => memory.read(offset as number, bytes)).toThrow(UsageError);
    expect(() => memory.loadUint32(offset as number)).toThrow(UsageError);
  }
  expect(() => memory.loadUint32(2)).toThrow(refused('offset', 'must be a multiple of 4 from 0, not 2'));
  expect(() => memory.loadBigUint64(4)).toThrow(refused('offset', 'must be a multiple of 8 from 0, not 4'));
  for (const value of [-1, 2 ** 32, 1.5, NaN, 1n, '1', null]) {
    expect(() => {
      memory.storeUint32(0, value as number);
    }).toThrow(UsageError);
  }
  for (const value of [-1n, 2n ** 64n, 1, '1', null]) {
    expect(() => {
      memory.storeBigUint64(0, value as bigint);
    }).toThrow(UsageError);
  }
  expect([...array]).toEqual([0n, 0n, 0n, 0n]);
});

test('memory is read-only unless asked for, and ends with its close, not with that of the map', async () => {
  const array = await ArrayMap.create({ value: u32, maxEntries: 1, flags: MapFlag.MMAPABLE });
  const memory = array.mmap();
  expect(inspect(memory)).toBe('MappedMemory { 8 bytes }');
  const readOnly = refused('source', 'this mapping is read-only');
  expect(() => {
    memory.write(0, new Uint8Array(4));
  }).toThrow(readOnly);
  expect(() => {
    memory.storeUint32(0, 1);
  }).toThrow(UsageError);
  array.set(0, 5);
  const writable = array.mmap({ writable: true });
  expect(() => {
    array.freeze();
  }).toThrow(expect.objectContaining({ errnoName: 'EBUSY' }) as Error);
  writable.close();
  array.freeze();
  expect(() => array.mmap({ writable: true })).toThrow(expect.objectContaining({ errnoName: 'EPERM' }) as Error);
  array.close();
  expect(memory.loadUint32(0)).toBe(5);
  memory.close();
  memory[Symbol.dispose]();
  const closed = expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }) as Error;
  expect(() => memory.loadUint32(0)).toThrow(closed);
  expect(() => memory.read(0, new Uint8Array(1))).toThrow(closed);
  expect(() => array.mmap()).toThrow(closed);
  expect(inspect(memory)).toBe('MappedMemory { 8 bytes, closed }');
});

test('an array without the flag says how it is made', async () => {
  using array = await ArrayMap.create({ name: 'plain', value: u32, maxEntries: 1 });
  expect(() => array.mmap()).toThrow(
    refused(
      'map "plain"',
      'it cannot be mapped: make it with the flag MapFlag.MMAPABLE (in C: __uint(map_flags, BPF_F_MMAPABLE))',
    ),
  );
  expect(() => new MappedMemory(undefined as never).length).toThrow(TypeError);
});
