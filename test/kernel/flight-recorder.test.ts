import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import { Ebpf, PerfEventArray, type Batch } from '../../lib/index.js';
import { BurstEvents, mostPerRun, writeBurst } from '../helpers/perf-burst.js';
import { sample } from '../helpers/samples.js';

const bytesPerCpu = 65_536;
const cpus = range(0, availableParallelism());
const lastCpu = cpus.at(-1) ?? 0;

let ebpf: Ebpf;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('perf_burst'));
});

afterEach(async () => {
  await ebpf.close();
});

const burst = async (records: number, size: number, cpu = 0): Promise<void> =>
  writeBurst(ebpf, 'burst', records, size, cpu);
const burstEvents = async (records: number, cpu = 0): Promise<void> =>
  writeBurst(ebpf, 'burst_events', records, 0, cpu);

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** The number that each record begins with. */
const numbersOf = (batch: Batch<unknown>): number[] =>
  [...batch.raw].map((record) => Number(new BigUint64Array(record.slice(0, 8).buffer)[0]));

/** Bytes of a record in the kernel's memory: a header of 8, a length of 4, padding. */
const recordBytes = (size: number): number => Math.ceil((12 + size) / 8) * 8;

const dropped = (): number => Number(ebpf.variables['events_dropped']);

describe('a snapshot', () => {
  test('has the newest that the memory holds, oldest first, and what was overwritten is told in bytes', async () => {
    const recorder = ebpf.map('events', BurstEvents).record({ bytesPerCpu });
    await burstEvents(3000);
    const batch = await recorder.snapshot();
    const size = recordBytes(48);
    const kept = Math.floor(bytesPerCpu / size);
    const events = [...batch];
    expect(events.map(({ number }) => Number(number))).toEqual(range(3000 - kept, 3000));
    expect(events.every(({ number, value, cpu }) => value === number * 3n && cpu === 0)).toBe(true);
    expect(recorder.stats).toMatchObject({
      ...{ snapshots: 1, events: kept, overwrittenBytes: BigInt((3000 - kept) * size) },
      ...{ dropped: 0n, paused: false },
    });
  });

  test('has what came since the one before, and stays valid', async () => {
    const recorder = ebpf.map('events', BurstEvents).record({ bytesPerCpu });
    await burstEvents(5);
    const first = await recorder.snapshot();
    const none = await recorder.snapshot();
    await burstEvents(3);
    const [second, third] = await Promise.all([recorder.snapshot(), recorder.snapshot()]);
    expect([first, none, second, third].map(numbersOf)).toEqual([range(0, 5), [], [5, 6, 7], []]);
    expect(none.byteLength).toBe(0);
    expect(recorder.stats).toMatchObject({ snapshots: 4, events: 8, overwrittenBytes: 0n });
    expect(inspect(recorder)).toBe("FlightRecorder { of 'events', 8 events in 4 snapshots }");
  });

  test('of records of all sizes is cut between two of them, wherever the memory ends', async () => {
    const recorder = ebpf.map('events', PerfEventArray).record({ bytesPerCpu });
    const sizes = [8, 9, 12, 100, 4095, 8, 20_000, 16, 32_767, 1000];
    let next = 0;
    for (let round = 0; round < 12; round++) {
      const written: { number: number; size: number }[] = [];
      for (let index = 0; index < 7 + round; index++) {
        const size = sizes[next % sizes.length] ?? 0;
        written.push({ number: next++, size });
        await burst(1, size);
      }
      let room = bytesPerCpu;
      const expected = written
        .reverse()
        .filter(({ size }) => (room -= room < 0 ? 0 : recordBytes(size)) >= 0)
        .reverse();
      const batch = await recorder.snapshot();
      expect(numbersOf(batch)).toEqual(expected.map(({ number }) => number));
      expect([...batch.raw].map(({ length }) => length)).toEqual(expected.map(({ size }) => recordBytes(size) - 12));
    }
    expect(recorder.stats.overwrittenBytes).toBeGreaterThan(0n);
  });

  test('has each CPU by itself, or all in the order of their writing', async () => {
    for (const order of ['cpu', 'time'] as const) {
      const recorder = ebpf.map('events', BurstEvents).record({ bytesPerCpu, order });
      const start = Number(ebpf.variables['next_number']);
      for (let round = 0; round < 20; round++) await burstEvents(1, round % 2 === 0 ? 0 : lastCpu);
      const batch = await recorder.snapshot();
      expect([...batch].map(({ cpu }) => cpu)).toEqual([...batch.cpus.subarray(0, batch.length)]);
      const numbers = [...batch].map(({ number }) => Number(number) - start);
      expect(numbers.toSorted((a, b) => a - b)).toEqual(range(0, 20));
      const even = range(0, 10).map((number) => 2 * number);
      if (order === 'time') expect(numbers).toEqual(range(0, 20));
      else if (lastCpu > 0) expect(numbers.slice(0, 10)).toEqual(even);
      await recorder.close();
    }
  });

  test('of some CPUs leaves the others without', async () => {
    const recorder = ebpf.map('events', BurstEvents).record({ cpus: [lastCpu] });
    await burstEvents(2, lastCpu);
    if (lastCpu > 0) await burstEvents(1, 0);
    expect(numbersOf(await recorder.snapshot())).toEqual([0, 1]);
    expect(dropped()).toBe(lastCpu > 0 ? 1 : 0);
  });

  test('while programs write has whole records only, and each is accounted for', async () => {
    const recorder = ebpf.map('events', BurstEvents).record({ bytesPerCpu: 4096 });
    let writing = true;
    const writers = cpus.slice(0, 4).map(async (cpu) => {
      while (writing) await burstEvents(mostPerRun, cpu);
    });
    const last = new Map<number, bigint>();
    let wrong = 0;
    const take = async (): Promise<void> => {
      for (const { number, value, cpu } of await recorder.snapshot()) {
        if (value !== number * 3n || number <= (last.get(cpu) ?? -1n)) wrong++;
        last.set(cpu, number);
      }
    };
    for (let round = 0; round < 10; round++) {
      await sleep(5);
      await take();
    }
    writing = false;
    await Promise.all(writers);
    await take();
    expect(wrong).toBe(0);
    const { events, overwrittenBytes } = recorder.stats;
    const overwritten = Number(ebpf.variables['next_number']) - dropped() - events;
    // After each pause the kernel tells in a record of 24 bytes what it lost (PERF_RECORD_LOST), and overwrites that too.
    const notices = (Number(overwrittenBytes) - overwritten * recordBytes(48)) / 24;
    expect(events).toBeGreaterThan(0);
    expect(range(0, 11 * cpus.length + 1)).toContain(notices);
  });
});

describe('a pause', () => {
  test('keeps what is there, and what programs fail to write is counted', async () => {
    const recorder = ebpf.map('events', BurstEvents).record({ bytesPerCpu });
    await burstEvents(3);
    recorder.pause();
    expect(recorder.stats.paused).toBe(true);
    await burstEvents(1000);
    expect(dropped()).toBe(1000);
    expect(numbersOf(await recorder.snapshot())).toEqual([0, 1, 2]);
    // It goes on after the snapshot.
    await burstEvents(1);
    recorder.resume();
    await burstEvents(2);
    expect(numbersOf(await recorder.snapshot())).toEqual([1004, 1005]);
    expect(recorder.stats).toMatchObject({ dropped: 1001n, lost: 1001n, overwrittenBytes: 0n, paused: false });
  });

  test('that ends while a snapshot is taken ends with it', async () => {
    const recorder = ebpf.map('events', BurstEvents).record({ bytesPerCpu });
    recorder.pause();
    const snapshot = recorder.snapshot();
    await Promise.resolve();
    recorder.resume();
    await snapshot;
    await burstEvents(2);
    expect(numbersOf(await recorder.snapshot())).toEqual([0, 1]);
    recorder.pause();
    expect(inspect(recorder)).toMatch(/ 2 events in 2 snapshots, paused }$/);
  });
});

describe('the end', () => {
  const closed = { name: 'UsageError', code: 'ERR_EBPF_CLOSED', message: 'the flight recorder of "events" is closed' };

  test('leaves programs without place, and the map to the next', async () => {
    const map = ebpf.map('events', BurstEvents);
    const recorder = map.record();
    const busy = 'perf event array "events" is busy: it has a flight recorder; close that one first';
    expect(() => map.read()).toThrow(busy);
    expect(() => map.record()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_BUSY', message: busy }));
    await recorder.close();
    await recorder.close();
    await burstEvents(4);
    expect(dropped()).toBe(4);
    expect(recorder.closed).toBe(true);
    await expect(recorder.snapshot()).rejects.toMatchObject(closed);
    for (const call of [() => recorder.pause(), () => recorder.resume()]) {
      expect(call).toThrow(expect.objectContaining(closed));
    }
    expect(recorder.stats).toMatchObject({ snapshots: 0, events: 0 });
    await using reader = map.read();
    expect(() => map.record()).toThrow('it has a reader');
    expect(reader.closed).toBe(false);
  });

  test('comes with that of the Ebpf, also for a snapshot that is being taken', async () => {
    const recorder = ebpf.map('events', BurstEvents).record();
    const [one, another] = [recorder.snapshot(), recorder.snapshot()];
    await Promise.resolve();
    await ebpf.close();
    await expect(one).rejects.toMatchObject(closed);
    await expect(another).rejects.toMatchObject(closed);
    expect(inspect(recorder)).toBe("FlightRecorder { of 'events', 0 events in 0 snapshots, closed }");
  });

  test('comes with an abort, whose reason snapshots reject with', async () => {
    const controller = new AbortController();
    const recorder = ebpf.map('events', BurstEvents).record({ signal: controller.signal });
    const snapshot = recorder.snapshot();
    controller.abort('enough');
    await expect(snapshot).rejects.toBe('enough');
    await expect(recorder.snapshot()).rejects.toBe('enough');
    expect(recorder.closed).toBe(true);
    const before = ebpf.map('events', BurstEvents).record({ signal: AbortSignal.abort('before') });
    await expect(before.snapshot()).rejects.toBe('before');
    await ebpf.map('events', BurstEvents).record().close();
  });
});

test.each([
  [{ cpus: [60_000] }, /^cpus: there is no CPU 60000: /],
  [{ bytesPerCpu: 0.5 }, /^bytesPerCpu: must be a whole number up to 1073741824, not 0\.5$/],
  [{ order: 'size' as never }, /^order: must be 'cpu' or 'time', not 'size'$/],
  [{ signal: {} as never }, /^signal: must be an AbortSignal$/],
])('options %j are refused', (options, message) => {
  expect(() => ebpf.map('events', BurstEvents).record(options)).toThrow(
    expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', message: expect.stringMatching(message) }),
  );
});
