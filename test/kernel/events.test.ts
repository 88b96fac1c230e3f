import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import {
  Ebpf,
  EventReader,
  HashMap,
  RingBuffer,
  cstr,
  struct,
  u32,
  u64,
  type Batch,
  type LostMessage,
} from '../../lib/index.js';
import { RingFlag, burst, burstEvents, sample } from '../helpers/samples.js';

const BurstEvent = struct('burst_event', { number: u64, ts: u64, pid: u32, cpu: u32, value: u64, comm: cstr(16) });
const Typed = RingBuffer.of(BurstEvent);

let ebpf: Ebpf;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('ring_burst'));
});

afterEach(async () => {
  await ebpf.close();
});

/** The number that each record begins with. */
function numberOf(record: Uint8Array): number {
  // As the processor has it, little- or big-endian.
  return Number(new BigUint64Array(record.slice(0, 8).buffer)[0]);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

describe('iterating events', () => {
  test('yields decoded events in order, which stay valid', async () => {
    await burstEvents(ebpf, 1000);
    const events = [];
    for await (const event of ebpf.map('events', Typed).read()) {
      events.push(event);
      if (events.length === 1000) break;
    }
    expect(events.map(({ number }) => Number(number))).toEqual(range(0, 1000));
    expect(events[7]).toEqual({
      number: 7n,
      ts: expect.any(BigInt) as bigint,
      pid: process.pid,
      cpu: expect.any(Number) as number,
      value: 21n,
      comm: expect.any(String) as string,
    });
  });

  test('by the C type of that name gives the same events', async () => {
    await burstEvents(ebpf, 2);
    for await (const event of ebpf.map('events', RingBuffer.of('struct burst_event')).read()) {
      expect(event).toMatchObject({ number: 0n, value: 0n, pid: process.pid });
      break;
    }
  });

  test('without a type yields owned bytes', async () => {
    await burst(ebpf, 2, 24);
    const records: Uint8Array[] = [];
    for await (const record of ebpf.map('events', RingBuffer).read()) {
      records.push(record);
      if (records.length === 2) break;
    }
    expect(records.map((record) => record.length)).toEqual([24, 24]);
    expect(records.map(numberOf)).toEqual([0, 1]);
  });

  test('waits for events that come later', async () => {
    const reader = ebpf.map('events', Typed).read();
    const first = reader[Symbol.asyncIterator]().next();
    await sleep(30);
    await burstEvents(ebpf, 1);
    await expect(first).resolves.toMatchObject({ done: false, value: { number: 0n } });
    expect(reader.stats.wakeups).toBeGreaterThanOrEqual(1);
    await reader.close();
  });

  test('answers several calls of next() in order', async () => {
    await burstEvents(ebpf, 3);
    const reader = ebpf.map('events', Typed).read();
    const iterator = reader[Symbol.asyncIterator]();
    const results = await Promise.all([iterator.next(), iterator.next(), iterator.next()]);
    expect(results.map((result) => (result.done === true ? -1 : Number(result.value.number)))).toEqual([0, 1, 2]);
    await reader.close();
  });

  test('leaving the loop closes the reader, and another can be opened', async () => {
    await burstEvents(ebpf, 3);
    const map = ebpf.map('events', Typed);
    const reader = map.read();
    for await (const event of reader) {
      expect(event.number).toBe(0n);
      break;
    }
    expect(reader.closed).toBe(true);
    // What the first reader had taken out of the ring is gone with it; later events arrive.
    await burstEvents(ebpf, 1);
    for await (const event of map.read()) {
      expect(event.number).toBe(3n);
      break;
    }
  });

  test('an exception in the loop closes the reader', async () => {
    await burstEvents(ebpf, 3);
    const reader = ebpf.map('events', Typed).read();
    const loop = (async () => {
      for await (const event of reader) throw new Error(`at ${String(event.number)}`);
    })();
    await expect(loop).rejects.toThrow('at 0');
    expect(reader.closed).toBe(true);
  });

  test('a record that is not of the type is an error that names both sizes', async () => {
    await burst(ebpf, 1, 24);
    const reader = ebpf.map('events', Typed).read();
    const loop = (async () => {
      for await (const event of reader) throw new Error(inspect(event));
    })();
    await expect(loop).rejects.toMatchObject({
      name: 'UsageError',
      code: 'ERR_EBPF_INVALID_VALUE',
      message:
        'a record of ring buffer "events" has 24 bytes, but struct burst_event has 48; ' +
        'read the map with the type that the program writes, or without a type to get bytes',
    });
    expect(reader.closed).toBe(true);
  });
});

describe('batches', () => {
  test('hold what arrived together, decoded and raw', async () => {
    await burstEvents(ebpf, 500);
    const reader = ebpf.map('events', Typed).read();
    for await (const batch of reader.batches()) {
      expect(batch.length).toBe(500);
      expect(batch.byteLength).toBe(500 * 48);
      expect([...batch].map(({ number }) => Number(number))).toEqual(range(0, 500));
      expect([...batch.raw].map(numberOf)).toEqual(range(0, 500));
      expect(inspect(batch)).toBe("Batch { of 'events', 500 events }");
      break;
    }
    expect(reader.stats).toEqual({ events: 500, bytes: 24_000, batches: 1, wakeups: 0, dropped: 0n, paused: false });
  });

  test('expire when the next is asked for; a copy does not', async () => {
    await burstEvents(ebpf, 2);
    const reader = ebpf.map('events', Typed).read();
    let first: Batch<unknown> | undefined;
    let copy: Batch<{ number: bigint }> | undefined;
    let halfway: Iterator<unknown> | undefined;
    for await (const batch of reader.batches()) {
      if (first === undefined) {
        first = batch;
        copy = batch.copy();
        halfway = batch[Symbol.iterator]();
        halfway.next();
        await burstEvents(ebpf, 1);
        continue;
      }
      const expired = expect.objectContaining({
        name: 'UsageError',
        code: 'ERR_EBPF_BATCH_EXPIRED',
        message:
          'this batch of "events" has expired: a batch is valid until the next one; ' +
          'keep it with batch.copy() before asking for the next',
      }) as Error;
      const old = first;
      expect(old.expired).toBe(true);
      expect(() => old.length).toThrow(expired);
      expect(() => [...old]).toThrow(expired);
      expect(() => old.raw).toThrow(expired);
      expect(() => old.copy()).toThrow(expired);
      expect(() => halfway?.next()).toThrow(expired);
      expect(copy === undefined ? [] : [...copy].map(({ number }) => number)).toEqual([0n, 1n]);
      expect([...batch].map(({ number }) => number)).toEqual([2n]);
      break;
    }
  });

  test('are as large as asked for, and a larger record still arrives', async () => {
    await burst(ebpf, 10, 1000);
    await burst(ebpf, 1, 60_000);
    await burst(ebpf, 2, 8);
    const sizes: number[][] = [];
    for await (const batch of ebpf.map('events', RingBuffer).read({ maxBatchBytes: 4096 }).batches()) {
      sizes.push([...batch.raw].map(({ length }) => length));
      if (sizes.flat().length === 13) break;
    }
    expect(sizes.flat()).toEqual([...Array<number>(10).fill(1000), 60_000, 8, 8]);
    expect(sizes[0]).toEqual([1000, 1000, 1000, 1000]);
  });

  test('lose nothing over several times the ring', async () => {
    const reader = ebpf.map('events', RingBuffer).read();
    const rounds = 20;
    const perRound = 10_000;
    let next = 0;
    let misplaced = 0;
    const reading = (async () => {
      for await (const batch of reader.batches()) {
        for (const record of batch.raw) if (numberOf(record) !== next++) misplaced++;
        if (next === rounds * perRound) break;
      }
    })();
    for (let round = 0; round < rounds; round++) {
      await burst(ebpf, perRound, 64);
      while (next < (round + 1) * perRound) await sleep(1);
    }
    await reading;
    expect(misplaced).toBe(0);
    expect(reader.stats.dropped).toBe(0n);
  });
});

describe('forEach', () => {
  test('awaits what the function returns and resolves when the reader is closed', async () => {
    await burstEvents(ebpf, 5);
    const reader = ebpf.map('events', Typed).read();
    const seen: string[] = [];
    await reader.forEach(async ({ number }) => {
      seen.push(`begin ${String(number)}`);
      await sleep(2);
      seen.push(`end ${String(number)}`);
      if (number === 4n) await reader.close();
    });
    expect(seen).toEqual([0, 1, 2, 3, 4].flatMap((number) => [`begin ${number}`, `end ${number}`]));
  });

  test('rejects with what the function throws, and closes', async () => {
    await burstEvents(ebpf, 5);
    const reader = ebpf.map('events', Typed).read();
    const failing = reader.forEach(({ number }) => {
      if (number === 2n) throw new TypeError('no more');
    });
    await expect(failing).rejects.toThrow(new TypeError('no more'));
    expect(reader.closed).toBe(true);
  });

  test('rejects with the reason of its own signal', async () => {
    const controller = new AbortController();
    const reader = ebpf.map('events', Typed).read();
    const reading = reader.forEach(() => undefined, { signal: controller.signal });
    setTimeout(() => {
      controller.abort('enough');
    }, 10);
    await expect(reading).rejects.toBe('enough');
    expect(reader.closed).toBe(true);
  });
});

describe('ending', () => {
  test('close() delivers what is queued, then ends', async () => {
    const reader = ebpf.map('events', Typed).read();
    const seen: number[] = [];
    await burstEvents(ebpf, 10);
    for await (const { number } of reader) {
      seen.push(Number(number));
      if (number === 0n) {
        await burstEvents(ebpf, 3000);
        await reader.close();
        // The ring is closed already: what is written now is not for this reader.
        await burstEvents(ebpf, 1);
      }
    }
    expect(seen).toEqual(range(0, 3010));
    await reader.close();
  });

  test('close() while waiting ends the loop', async () => {
    const reader = ebpf.map('events', Typed).read();
    setTimeout(() => void reader.close(), 10);
    for await (const event of reader) throw new Error(inspect(event));
    expect(reader.closed).toBe(true);
  });

  test('closing the Ebpf ends the reader, after what was queued', async () => {
    const reader = ebpf.map('events', Typed).read();
    await burstEvents(ebpf, 3);
    await ebpf.close();
    const seen = [];
    for await (const { number } of reader) seen.push(number);
    expect(seen).toEqual([0n, 1n, 2n]);
    expect(reader.stats).toMatchObject({ events: 3, dropped: 0n });
  });

  test('an abort rejects the waiting consumer with the reason', async () => {
    const controller = new AbortController();
    const reader = ebpf.map('events', Typed).read({ signal: controller.signal });
    const waiting = reader[Symbol.asyncIterator]().next();
    const reason = new Error('stop');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(reader.closed).toBe(true);
  });

  test('an abort in the middle of a batch rejects at the next event', async () => {
    await burstEvents(ebpf, 10);
    const controller = new AbortController();
    const seen: bigint[] = [];
    const loop = (async () => {
      for await (const { number } of ebpf.map('events', Typed).read({ signal: controller.signal })) {
        seen.push(number);
        if (number === 1n) controller.abort('now');
      }
    })();
    await expect(loop).rejects.toBe('now');
    expect(seen).toEqual([0n, 1n]);
  });

  test('an aborted signal gives a reader that has ended', async () => {
    const reader = ebpf.map('events', Typed).read({ signal: AbortSignal.abort('before') });
    expect(reader.closed).toBe(true);
    await expect(reader[Symbol.asyncIterator]().next()).rejects.toBe('before');
    await ebpf.map('events', Typed).read().close();
  });

  test('a manual iterator that is returned while it waits ends', async () => {
    const iterator = ebpf.map('events', Typed).read()[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await expect(iterator.return?.()).resolves.toEqual({ done: true, value: undefined });
    await expect(waiting).resolves.toEqual({ done: true, value: undefined });
  });
});

describe('one reader, one consumer', () => {
  test('a second reader is refused until the first is closed', async () => {
    const map = ebpf.map('events', Typed);
    const reader = map.read();
    expect(() => map.read()).toThrow(
      expect.objectContaining({
        name: 'UsageError',
        code: 'ERR_EBPF_BUSY',
        message: 'ring buffer "events" is busy: it has a reader; close that one first',
      }) as Error,
    );
    await reader.close();
    await map.read().close();
  });

  test('a second consumer of a reader is refused', async () => {
    const reader = ebpf.map('events', Typed).read();
    reader.batches();
    expect(() => reader[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_BUSY' }) as Error);
    await expect(reader.forEach(() => undefined)).rejects.toMatchObject({
      code: 'ERR_EBPF_BUSY',
      message: 'the reader of "events" is busy: something consumes it already; a reader has one consumer',
    });
    await reader.close();
  });

  test.each([
    [{ maxLatencyMs: -1 }, 'maxLatencyMs: must be 0 to 60000 milliseconds, not -1'],
    [{ maxBatchBytes: 100 }, 'maxBatchBytes: must be a whole number from 4096 to 67108864, not 100'],
  ])('options %j are refused', (options, message) => {
    expect(() => ebpf.map('events', Typed).read(options)).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', message }) as Error,
    );
  });

  test('a closed map is refused', async () => {
    const map = ebpf.map('events', Typed);
    await ebpf.close();
    expect(() => map.read()).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_CLOSED', message: 'map "events" is closed' }) as Error,
    );
  });
});

describe('pausing', () => {
  test('holds events back, in the middle of a batch too, until it is resumed', async () => {
    await burstEvents(ebpf, 4);
    const reader = ebpf.map('events', Typed).read();
    const seen: bigint[] = [];
    const loop = (async () => {
      for await (const { number } of reader) {
        seen.push(number);
        if (number === 1n) reader.pause();
        if (number === 5n) break;
      }
    })();
    await sleep(20);
    await burstEvents(ebpf, 2);
    await sleep(20);
    expect(seen).toEqual([0n, 1n]);
    expect(reader.stats.paused).toBe(true);
    reader.resume();
    await loop;
    expect(seen).toEqual([0n, 1n, 2n, 3n, 4n, 5n]);
  });

  test('a paused reader can be closed', async () => {
    const reader = ebpf.map('events', Typed).read();
    reader.pause();
    await burstEvents(ebpf, 2);
    const loop = (async () => {
      const seen: bigint[] = [];
      for await (const { number } of reader) seen.push(number);
      return seen;
    })();
    await sleep(10);
    await reader.close();
    await expect(loop).resolves.toEqual([0n, 1n]);
  });
});

describe('under load', () => {
  test('timers run while batch follows batch', async () => {
    await burst(ebpf, 14_000, 64, RingFlag.NO_WAKEUP);
    let ticks = 0;
    const timer = setInterval(() => {
      ticks++;
    }, 1);
    let left = 14_000;
    for await (const batch of ebpf.map('events', RingBuffer).read({ maxBatchBytes: 4096 }).batches()) {
      const until = performance.now() + 0.3;
      while (performance.now() < until);
      left -= batch.length;
      if (left === 0) break;
    }
    clearInterval(timer);
    // 75 ms of work in 250 batches that are all there at once: without turns for others there would be one tick.
    expect(ticks).toBeGreaterThan(3);
  });

  test('a long batch of slow events leaves room for timers', async () => {
    await burstEvents(ebpf, 4000);
    let ticks = 0;
    const timer = setInterval(() => {
      ticks++;
    }, 1);
    let left = 4000;
    for await (const event of ebpf.map('events', Typed).read()) {
      const until = performance.now() + 0.02;
      while (performance.now() < until);
      expect(event.number).toBe(BigInt(4000 - left));
      if (--left === 0) break;
    }
    clearInterval(timer);
    // 80 ms of work: without turns for others there would be one tick.
    expect(ticks).toBeGreaterThan(3);
  });

  test('maxLatencyMs gathers what comes within that time', async () => {
    const reader = ebpf.map('events', Typed).read({ maxLatencyMs: 600 });
    const batches: number[] = [];
    const loop = (async () => {
      for await (const batch of reader.batches()) {
        batches.push(batch.length);
        if (batches.reduce((sum, length) => sum + length) === 5) break;
      }
    })();
    await sleep(20);
    for (let round = 0; round < 5; round++) {
      await burstEvents(ebpf, 1);
      await sleep(5);
    }
    await loop;
    expect(batches).toEqual([5]);
  });

  test('what the program could not write is counted and reported', async () => {
    const lost: unknown[] = [];
    const onLost = (message: unknown): void => {
      lost.push(message);
    };
    subscribe('node-ebpf:lost', onLost);
    const reader = ebpf.map('events', RingBuffer).read();
    // 1 MiB holds 14,563 records of 64 bytes with their headers of 8.
    await burst(ebpf, 20_000, 64, RingFlag.NO_WAKEUP);
    let received = 0;
    for await (const batch of reader.batches()) {
      received += batch.length;
      if (reader.stats.dropped === BigInt(20_000 - received)) break;
    }
    unsubscribe('node-ebpf:lost', onLost);
    expect(reader.stats.dropped).toBeGreaterThan(5000n);
    expect(BigInt(received) + (reader.stats.dropped ?? 0n)).toBe(20_000n);
    const total = reader.stats.dropped ?? 0n;
    expect(lost).toEqual([{ map: 'events', lost: total, total } satisfies LostMessage]);
  });
});

test('a reader shows what it is', async () => {
  const reader = ebpf.map('events', Typed).read();
  expect(inspect(reader)).toBe("EventReader { of 'events', 0 events in 0 batches }");
  expect(reader).toBeInstanceOf(EventReader);
  await reader.close();
  expect(inspect(reader)).toBe("EventReader { of 'events', 0 events in 0 batches, closed }");
});

describe('types of a ring', () => {
  test('a type that the object does not have is refused with the nearest', () => {
    expect(() => ebpf.map('events', RingBuffer.of('burst_evnt'))).toThrow(
      expect.objectContaining({
        name: 'UsageError',
        code: 'ERR_EBPF_NOT_FOUND',
        message: 'no type of object "ring_burst.bpf.o" is named "burst_evnt"; did you mean "burst_event"?',
        suggestions: ['burst_event'],
      }) as Error,
    );
  });

  test('a struct that differs is refused with both layouts', () => {
    const Wrong = struct('burst_event', { number: u64, pid: u32 });
    expect(() => ebpf.map('events', RingBuffer.of(Wrong))).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: expect.stringContaining('struct burst_event') as string,
      }) as Error,
    );
  });

  test('the same object each time; another type is refused once one is chosen', () => {
    const map = ebpf.map('events', Typed);
    expect(ebpf.map('events', Typed)).toBe(map);
    expect(ebpf.map('events', RingBuffer)).toBe(map);
    expect(ebpf.map('events')).toBe(map);
    expect(() => ebpf.map('events', RingBuffer.of('buffer'))).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: 'map "events": it is already used with other types; declare them once and ask with the same ones',
      }) as Error,
    );
  });

  test('a ring is no hash', () => {
    expect(() => ebpf.map('events', HashMap)).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: 'map "events": it is a map of type RINGBUF, not a HashMap; ask for RingBuffer',
      }) as Error,
    );
  });
});
