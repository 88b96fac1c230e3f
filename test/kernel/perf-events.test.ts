import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import {
  array,
  Ebpf,
  PerfEventArray,
  RingBuffer,
  struct,
  u32,
  u8,
  type EventReader,
  type LostMessage,
} from '../../lib/index.js';
import { BurstEvents, writeBurst } from '../helpers/perf-burst.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { until } from '../helpers/until.js';

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

/** The first events that a reader gives; it is closed then. */
async function take<T>(reader: EventReader<T>, count: number): Promise<T[]> {
  const events: T[] = [];
  for await (const event of reader) {
    events.push(event);
    if (events.length === count) break;
  }
  return events;
}

function numberOf(record: Uint8Array): number {
  return Number(new BigUint64Array(record.slice(0, 8).buffer)[0]);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

const cpus = range(0, availableParallelism());

test('events of a type come decoded, in the order of their CPU', async () => {
  const reader = ebpf.map('events', BurstEvents).read();
  await burstEvents(1000);
  const events = await take(reader, 1000);
  expect(events.map(({ number }) => Number(number))).toEqual(range(0, 1000));
  expect(events[7]).toEqual({
    number: 7n,
    ts: expect.any(BigInt) as bigint,
    pid: expect.any(Number) as number,
    cpu: 0,
    value: 21n,
    comm: expect.any(String) as string,
  });
});

test('the C type of that name gives the same, and events wake a reader that waits', async () => {
  const reader = ebpf.map('events', PerfEventArray.of('perf_burst_event')).read();
  const first = reader[Symbol.asyncIterator]().next();
  await sleep(20);
  await burstEvents(1);
  await expect(first).resolves.toMatchObject({ done: false, value: { number: 0n, value: 0n } });
  await reader.close();
});

test('records of any size come whole around the end of the memory many times, with their padding', async () => {
  const reader = ebpf.map('events', PerfEventArray).read({ bytesPerCpu: 65_536, cpus: [0] });
  const sizes = [8, 9, 12, 100, 4095, 20_000, 32_767];
  let next = 0;
  const iterator = reader[Symbol.asyncIterator]();
  for (let round = 0; round < 12; round++) {
    for (const size of sizes) {
      await burst(1, size);
      const { value } = await iterator.next();
      const record = value as Uint8Array;
      // The length of four bytes and the record are padded to eight.
      expect(record.length).toBe(Math.ceil((size + 4) / 8) * 8 - 4);
      expect(numberOf(record)).toBe(next++);
    }
  }
  await reader.close();
  expect(reader.stats).toMatchObject({ events: next, dropped: 0n, lost: 0n });
});

test('a flexible tail takes what the record holds', async () => {
  const Tail = struct('perf_burst_tail', { length: u32, data: array(u8, 0) });
  const reader = ebpf.map('events', PerfEventArray.of(Tail)).read();
  await writeBurst(ebpf, 'burst_tail', 1, 13);
  const [event] = await take(reader, 1);
  expect(event?.length).toBe(13);
  expect([...(event?.data ?? [])].slice(0, 13)).toEqual(range(1, 14));
});

test('each CPU has memory of its own, and batches tell the CPU of each record', async () => {
  const reader = ebpf.map('events', BurstEvents).read();
  for (const cpu of cpus) await burstEvents(3, cpu);
  const seen = new Map<number, bigint[]>();
  for await (const batch of reader.batches()) {
    let index = 0;
    for (const { number, cpu } of batch) {
      expect(batch.cpus[index++]).toBe(cpu);
      seen.set(cpu, [...(seen.get(cpu) ?? []), number]);
    }
    if ([...seen.values()].flat().length === cpus.length * 3) break;
  }
  for (const cpu of cpus) expect(seen.get(cpu)).toEqual(range(cpu * 3, cpu * 3 + 3).map(BigInt));
});

test('forEach is told the CPU', async () => {
  const last = cpus.at(-1) ?? 0;
  const reader = ebpf.map('events', BurstEvents).read({ cpus: [last] });
  await burstEvents(2, last);
  const seen: number[] = [];
  await reader.forEach(async (event, cpu) => {
    expect(event.cpu).toBe(cpu);
    seen.push(cpu);
    if (seen.length === 2) await reader.close();
  });
  expect(seen).toEqual([last, last]);
});

test('by time, events of all CPUs come in the order of their writing', async () => {
  const reader = ebpf.map('events', BurstEvents).read({ order: 'time' });
  const last = cpus.at(-1) ?? 0;
  for (let round = 0; round < 40; round++) await burstEvents(1, round % 2 === 0 ? 0 : last);
  const events = await take(reader, 40);
  expect(events.map(({ number }) => Number(number))).toEqual(range(0, 40));
  const again = ebpf.map('events', BurstEvents).read({ order: 'time' });
  await burstEvents(2, last);
  await burstEvents(2, 0);
  await again.close();
  const rest = [];
  for await (const { number } of again) rest.push(Number(number));
  expect(rest).toEqual(range(40, 44));
});

test('what finds no room is counted by the program and by the kernel, and published', async () => {
  const messages: unknown[] = [];
  const onLost = (message: unknown): void => {
    messages.push(message);
  };
  subscribe('node-ebpf:lost', onLost);
  const reader = ebpf.map('events', PerfEventArray).read({ bytesPerCpu: 65_536 });
  await burst(2000, 64);
  let received = 0;
  for await (const batch of reader.batches()) {
    received += batch.length;
    if (batch.length > 0 && received + Number(reader.stats.dropped) === 2000) break;
  }
  // 65,536 bytes hold 819 records of 64 bytes, with a header of 8, a length of 4 and 4 of padding.
  expect(received).toBe(819);
  expect(reader.stats.dropped).toBe(1181n);
  unsubscribe('node-ebpf:lost', onLost);
  expect(messages.at(-1)).toEqual({ map: 'events', lost: 1181n, total: 1181n } satisfies LostMessage);

  // The record after a gap tells how many are missing.
  const again = ebpf.map('events', PerfEventArray).read({ bytesPerCpu: 65_536 });
  await burst(1000, 64);
  const iterator = again.batches();
  const lengthOfNext = async (): Promise<number> => {
    const result = await iterator.next();
    return result.done === true ? 0 : result.value.length;
  };
  const before = await lengthOfNext();
  await burst(1, 64);
  expect(before + (await lengthOfNext())).toBe(820);
  expect(again.stats.lost).toBe(181n);
  await again.close();
  expect(again.stats).toMatchObject({ lost: 181n, events: 820 });
});

test('with a watermark the reader is woken for many at once, and finds the rest by itself', async () => {
  const reader = ebpf.map('events', PerfEventArray).read({ watermark: 8000, pollMs: 60_000, maxLatencyMs: 0 });
  const iterator = reader.batches();
  const first = iterator.next();
  let arrived = false;
  void first.then(() => (arrived = true));
  // What is there before the reader waits comes at once.
  await sleep(20);
  await burst(50, 64);
  await sleep(20);
  expect(arrived).toBe(false);
  await burst(100, 64);
  const result = await first;
  expect(result.done === true ? 0 : result.value.length).toBeGreaterThan(50);
  await reader.close();

  const polling = ebpf.map('events', PerfEventArray).read({ watermark: 8000, pollMs: 5 });
  await burst(1, 64);
  expect(await take(polling, 1)).toHaveLength(1);
});

test('close() delivers what is queued; then programs fail to write', async () => {
  const reader = ebpf.map('events', BurstEvents).read();
  await burstEvents(300);
  await reader.close();
  await burstEvents(5);
  const seen = [];
  for await (const { number } of reader) seen.push(Number(number));
  expect(seen).toEqual(range(0, 300));
  expect(ebpf.variables['events_dropped']).toBe(5n);
});

test('a pause leaves events in the kernel; an abort ends with its reason', async () => {
  const controller = new AbortController();
  const reader = ebpf.map('events', BurstEvents).read({ signal: controller.signal });
  reader.pause();
  const seen: number[] = [];
  const loop = (async () => {
    for await (const { number } of reader) seen.push(Number(number));
  })();
  await burstEvents(3);
  await sleep(20);
  expect(seen).toEqual([]);
  reader.resume();
  await until(() => seen.length === 3);
  controller.abort('enough');
  await expect(loop).rejects.toBe('enough');
  expect(reader.closed).toBe(true);
});

test('rings and perf buffers are read side by side on one thread', async () => {
  await using other = await Ebpf.load(sample('ring_burst'));
  const perf = ebpf.map('events', BurstEvents).read();
  const ring = other.map('events', RingBuffer.of('burst_event')).read();
  const both = Promise.all([take(perf, 10), take(ring, 10)]);
  for (let round = 0; round < 10; round++) {
    await burstEvents(1);
    await other.program('burst_events').testRun({ context: rawArguments(1, 0, 0) });
  }
  expect((await both).map((events) => events.length)).toEqual([10, 10]);
});

describe('what cannot be is refused', () => {
  test.each([
    [{ cpus: [] }, 'cpus: must be an array of CPU numbers, not []'],
    [{ cpus: [-1] }, 'cpus: must be an array of CPU numbers, not [ -1 ]'],
    [{ bytesPerCpu: 0 }, 'bytesPerCpu: must be a whole number up to 1073741824, not 0'],
    [{ watermark: 1e9 }, 'watermark: must be a whole number from 1 to 131072, half of bytesPerCpu, not 1000000000'],
    [{ pollMs: 0 }, 'pollMs: must be 1 to 60000 milliseconds, not 0'],
  ])('%j', (options, message) => {
    expect(() => ebpf.map('events', BurstEvents).read(options)).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', message }) as Error,
    );
  });

  test('a CPU that the machine cannot have', () => {
    expect(() => ebpf.map('events', BurstEvents).read({ cpus: [60_000] })).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: expect.stringMatching(/^cpus: there is no CPU 60000: /) as string,
      }) as Error,
    );
  });

  test('a second reader, another kind, another type', async () => {
    const map = ebpf.map('events', BurstEvents);
    const reader = map.read();
    expect(() => map.read()).toThrow('perf event array "events" is busy: it has a reader; close that one first');
    await reader.close();
    expect(() => ebpf.map('events', RingBuffer)).toThrow(
      'map "events": it is a map of type PERF_EVENT_ARRAY, not a RingBuffer; ask for PerfEventArray',
    );
    const wrong = ebpf.map('events', BurstEvents).read();
    await burst(1, 8);
    await expect(take(wrong, 1)).rejects.toThrow(
      'a record of perf event array "events" has 12 bytes, but struct perf_burst_event has 48',
    );
    expect(inspect(wrong)).toBe("EventReader { of 'events', 1 events in 1 batches, closed }");
  });
});
