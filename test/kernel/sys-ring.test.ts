import { setTimeout as sleep } from 'node:timers/promises';

import { MapType, ProgramType } from '../../lib/abi/index.js';
import { KernelError, UsageError } from '../../lib/errors/index.js';
import {
  createMap,
  loadProgram,
  readLimit,
  RecordBuffer,
  ResourceLimit,
  Ring,
  setLimit,
  testRunProgram,
  unlimited,
  type Handle,
} from '../../lib/sys/index.js';
import { emitting, emittingRingOffset, packet } from '../helpers/assemble.js';
import { openDescriptors } from '../helpers/open-descriptors.js';
import { until } from '../helpers/until.js';

const opened: { close: () => void }[] = [];
// Linux before 5.11 counts a ring's memory until some time after it is closed.
const lockedMemory = readLimit(ResourceLimit.MEMLOCK);
beforeAll(() => {
  setLimit(ResourceLimit.MEMLOCK, { soft: unlimited, hard: unlimited });
});
afterAll(() => {
  setLimit(ResourceLimit.MEMLOCK, lockedMemory);
});
afterEach(() => {
  for (const each of opened.splice(0).reverse()) each.close();
});

interface Emitter {
  readonly map: Handle;
  readonly ring: Ring;
  /** Sends one record; what bpf_ringbuf_output returned. */
  emit(payload: Uint8Array, repeat?: number): Promise<number>;
}

async function emitter(recordSize: number, ringSize = 4096): Promise<Emitter> {
  const map = await createMap({
    ...{ type: MapType.RINGBUF, name: 'events', keySize: 0, valueSize: 0, maxEntries: ringSize },
  });
  opened.push(map);
  const result = await loadProgram({
    type: ProgramType.SOCKET_FILTER,
    name: 'emit',
    code: emitting(recordSize),
    bindings: [{ offset: emittingRingOffset, handle: map }],
    license: 'GPL',
  });
  if (result.handle === undefined) throw new Error(result.log);
  const program = result.handle;
  const ring = Ring.open(map);
  opened.push(program, ring);
  return {
    map,
    ring,
    async emit(payload, repeat = 1) {
      const { returnValue } = await testRunProgram(program, { data: packet(payload), repeat });
      return returnValue | 0;
    },
  };
}

function numbered(size: number, number: number): Uint8Array {
  const payload = new Uint8Array(size);
  for (let index = 0; index < size; index++) payload[index] = (number * 31 + index) & 0xff;
  return payload;
}

/** The payloads of a drain. */
function payloads(buffer: RecordBuffer, records: number): Uint8Array[] {
  const { bytes, offsets, lengths, cpus } = buffer;
  return Array.from({ length: records }, (_, index) => {
    const offset = offsets[index] ?? 0;
    expect(offset % 8).toBe(0);
    expect(cpus[index]).toBe(0);
    return bytes.slice(offset, offset + (lengths[index] ?? 0));
  });
}

const ready = async (ring: Ring) =>
  new Promise<void>((resolve) => {
    ring.arm(resolve);
  });

test('a record travels from a program to JavaScript', async () => {
  const { ring, emit } = await emitter(20);
  const destination = new RecordBuffer(256);
  expect(ring.drain(destination)).toMatchObject({ bytes: 0, records: 0, more: false, needed: 0 });
  ring.ref();
  const woken = ready(ring);
  expect(await emit(numbered(20, 1))).toBe(0);
  await woken;
  expect(ring.pendingBytes()).toBe(8 + 24);
  const { bytes, records, more } = ring.drain(destination);
  expect({ bytes, records, more }).toEqual({ bytes: 8 + 24, records: 1, more: false });
  expect(payloads(destination, records)).toEqual([numbered(20, 1)]);
  expect(ring.pendingBytes()).toBe(0);
});

test('records wrap around the end of the ring many times and stay whole and in order', async () => {
  const { ring, emit } = await emitter(100);
  const destination = new RecordBuffer(8192);
  const step = 8 + 104;
  let next = 0;
  for (let round = 0; round < 40; round++) {
    for (let index = 0; index < 7; index++) expect(await emit(numbered(100, next + index))).toBe(0);
    expect(ring.pendingBytes()).toBe(7 * step);
    const { bytes, records } = ring.drain(destination);
    expect({ bytes, records }).toEqual({ bytes: 7 * step, records: 7 });
    for (const payload of payloads(destination, records)) expect(payload).toEqual(numbered(100, next++));
  }
  expect(next * step).toBeGreaterThan(4096 * 7);
});

test('a drain of many pages is whole, also around the end of the ring', async () => {
  const ringSize = 16_384;
  const { ring, emit } = await emitter(480, ringSize);
  const destination = new RecordBuffer(ringSize);
  const step = 8 + 480;
  const count = 30;
  let next = 0;
  for (let round = 0; round < 3; round++) {
    for (let index = 0; index < count; index++) expect(await emit(numbered(480, next + index))).toBe(0);
    // The first drain ends in the middle of a page.
    const first = ring.drain(new RecordBuffer(5 * step));
    expect(first).toMatchObject({ bytes: 5 * step, records: 5, more: true });
    next += first.records;
    const { bytes, records, more } = ring.drain(destination);
    expect({ bytes, records, more }).toEqual({ bytes: (count - 5) * step, records: count - 5, more: false });
    for (const payload of payloads(destination, records)) expect(payload).toEqual(numbered(480, next++));
  }
  expect(next * step).toBeGreaterThan(ringSize * 2);
});

test('a full ring refuses records and loses none that it took', async () => {
  const { ring, emit } = await emitter(56);
  let taken = 0;
  while ((await emit(numbered(56, taken))) === 0) taken++;
  // One byte of a ring is never used (kernel/bpf/ringbuf.c: new_prod_pos - cons_pos > mask).
  expect(taken).toBe(4096 / 64 - 1);
  const destination = new RecordBuffer(64 * 10 + 63);
  let found = 0;
  for (;;) {
    const { records, more } = ring.drain(destination);
    for (const payload of payloads(destination, records)) expect(payload).toEqual(numbered(56, found++));
    expect(more).toBe(found < taken);
    if (!more) break;
    expect(records).toBe(10);
  }
  expect(found).toBe(taken);
});

test('a record larger than the destination stays and says what it needs', async () => {
  const { ring, emit } = await emitter(60);
  await emit(numbered(60, 1));
  for (const size of [0, 8, 64, 71]) {
    const { bytes, records, more, needed } = ring.drain(new RecordBuffer(size));
    expect({ bytes, records, more, needed }).toEqual({ bytes: 0, records: 0, more: true, needed: 72 });
  }
  const destination = new RecordBuffer(72);
  expect(ring.drain(destination)).toMatchObject({ bytes: 72, records: 1, more: false });
  expect(payloads(destination, 1)).toEqual([numbered(60, 1)]);
});

test('a table that is full ends the drain, and the rest follows', async () => {
  const { ring, emit } = await emitter(16);
  for (let index = 0; index < 5; index++) expect(await emit(numbered(16, index))).toBe(0);
  const destination = new RecordBuffer(4096, 2);
  let next = 0;
  for (const expected of [2, 2, 1]) {
    const { records, more, needed } = ring.drain(destination);
    expect({ records, more, needed }).toEqual({ records: expected, more: expected === 2, needed: 0 });
    for (const payload of payloads(destination, records)) expect(payload).toEqual(numbered(16, next++));
  }
});

test('an armed ring is reported once, and at once when something waits already', async () => {
  const { ring, emit } = await emitter(16);
  let calls = 0;
  ring.arm(() => calls++);
  await emit(numbered(16, 1));
  ring.ref();
  await until(() => calls === 1);
  await emit(numbered(16, 2), 50);
  await sleep(30);
  expect(calls).toBe(1);
  ring.arm(() => calls++);
  await until(() => calls === 2);
  expect(ring.drain(new RecordBuffer(4096)).records).toBe(51);
});

test('an idle reader is not woken', async () => {
  const { ring, emit } = await emitter(16);
  await emit(numbered(16, 1));
  // Not armed: what waits in the ring costs nothing. Armed and empty: neither.
  await sleep(50);
  ring.drain(new RecordBuffer(4096));
  let calls = 0;
  ring.arm(() => calls++);
  await sleep(50);
  expect(calls).toBe(0);
});

test('several rings are told apart', async () => {
  const first = await emitter(16);
  const second = await emitter(24);
  first.ring.ref();
  const calls: string[] = [];
  first.ring.arm(() => calls.push('first'));
  second.ring.arm(() => calls.push('second'));
  await second.emit(numbered(24, 1));
  await until(() => calls.length > 0);
  await first.emit(numbered(16, 1));
  await until(() => calls.length > 1);
  expect(calls).toEqual(['second', 'first']);
});

test('a ring works on when its map is closed, and is silent once it is closed itself', async () => {
  const before = openDescriptors();
  const { map, ring, emit } = await emitter(16);
  map.close();
  ring.ref();
  const woken = ready(ring);
  await emit(numbered(16, 1));
  await woken;
  expect(ring.drain(new RecordBuffer(256)).records).toBe(1);
  let calls = 0;
  ring.arm(() => calls++);
  ring.close();
  ring.close();
  await emit(numbered(16, 2));
  await sleep(20);
  expect(calls).toBe(0);
  expect(() => ring.drain(new RecordBuffer(256))).toThrow(UsageError);
  expect(() => ring.arm(() => {})).toThrow('ring "events" is closed');
  expect(() => ring.pendingBytes()).toThrow(UsageError);
  ring.unref();
  for (const each of opened.splice(0)) each.close();
  // The thread and what it waits with stay for the next ring.
  expect({ ...openDescriptors(), eventfd: 0, eventpoll: 0 }).toEqual({ ...before, eventfd: 0, eventpoll: 0 });
});

test('a ring that is closed while its readiness is on the way is not reported', async () => {
  const { ring, emit } = await emitter(16);
  let calls = 0;
  ring.arm(() => calls++);
  const emitted = emit(numbered(16, 1));
  // The thread has seen it when this ends; JavaScript cannot have been called.
  const end = Date.now() + 50;
  while (Date.now() < end);
  expect(ring.pendingBytes()).toBe(24);
  ring.close();
  await emitted;
  await sleep(20);
  expect(calls).toBe(0);
});

test('only a ring buffer has a ring', async () => {
  const map = await createMap({ type: MapType.ARRAY, name: 'array', keySize: 4, valueSize: 4, maxEntries: 1 });
  opened.push(map);
  expect(() => Ring.open(map)).toThrow(KernelError);
  map.close();
  expect(() => Ring.open(map)).toThrow('map "array" is closed');
});
