import { setTimeout as sleep } from 'node:timers/promises';

import { BtfKind, Ebpf, MapFlag, RingBuffer, features, kernelBtf } from '../../lib/index.js';
import { Ring, RecordBuffer } from '../../lib/sys/index.js';
import { kernelHasMember } from '../helpers/kernel-types.js';
import { expectedRecord, mostPerRun, reserve, ringBytes, seenRecord } from '../helpers/ring-discard.js';
import { burst, burstEvents, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

const overwrites = kernelHasMember('bpf_ringbuf', 'overwrite_pos');
const needing = testIf(overwrites, 'rings that overwrite');

const flags = MapFlag.RB_OVERWRITE;
const ringSize = 65_536;
/** Bytes of a `struct burst_event` in the ring. */
const eventBytes = 8 + 48;

let ebpf: Ebpf;

async function load(object = 'ring_burst', maxEntries = ringSize): Promise<void> {
  ebpf = await Ebpf.load(sample(object), { maps: { events: { flags, maxEntries } } });
}

afterEach(async () => {
  await (ebpf as Ebpf | undefined)?.close();
});

function numberOf(record: Uint8Array): number {
  return Number(new BigUint64Array(record.slice(0, 8).buffer)[0]);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** All that is in the ring at this moment. */
async function taken(): Promise<{ readonly records: Uint8Array[]; readonly overwrittenBytes: number }> {
  const reader = ebpf.map('events', RingBuffer).read();
  await reader.close();
  const records: Uint8Array[] = [];
  for await (const record of reader) records.push(record);
  return { records, overwrittenBytes: Number(reader.stats.overwrittenBytes) };
}

needing('where the kernel tells what it overwrites is where its types say', async () => {
  const btf = await kernelBtf();
  const ring = btf.type(btf.find('bpf_ringbuf', BtfKind.STRUCT) ?? 0);
  if (!('members' in ring)) throw new Error('there is no struct bpf_ringbuf');
  const offsetOf = (name: string): number => ring.members.find((member) => member.name === name)?.bitOffset ?? NaN;
  expect(offsetOf('overwrite_pos') - offsetOf('producer_pos')).toBe(2 * 64);
});

needing('a reader gives the newest that the ring holds, and tells how many bytes were overwritten', async () => {
  await load();
  await burstEvents(ebpf, 3000);
  // One byte of a ring is never used.
  const kept = Math.floor((ringSize - 1) / eventBytes);
  const { records, overwrittenBytes } = await taken();
  expect(records.map(numberOf)).toEqual(range(3000 - kept, 3000));
  expect(overwrittenBytes).toBe((3000 - kept) * eventBytes);
  expect(ebpf.variables['events_dropped']).toBe(0n);
  // What was read is not given again.
  await burstEvents(ebpf, 2);
  expect((await taken()).records.map(numberOf)).toEqual([3000, 3001]);
  expect(await taken()).toEqual({ records: [], overwrittenBytes: 0 });
});

needing('records of all sizes are whole, discarded ones never given, wherever the ring wraps', async () => {
  await load('ring_discard');
  let written: number[] = [];
  let next = 0;
  for (const discards of [0n, 0x5555_5555_5555_5555n, 0xf0f0_3c96_0000_ffffn, 0xffff_ffff_ffff_fff0n, 0n]) {
    const submitted = await reserve(ebpf, mostPerRun, discards);
    next += mostPerRun;
    written = [...written, ...submitted];
    // What the ring holds: the newest that fit together, discarded ones too.
    let oldest = next;
    for (let bytes = 0; oldest > next - mostPerRun; oldest--) {
      bytes += ringBytes(oldest - 1);
      if (bytes >= ringSize) break;
    }
    const { records } = await taken();
    expect(records.map(seenRecord)).toEqual(written.filter((number) => number >= oldest).map(expectedRecord));
    written = [];
  }
});

needing('a reader that waits is woken, and loses nothing it keeps up with', async () => {
  await load();
  const reader = ebpf.map('events', RingBuffer).read();
  const seen: number[] = [];
  const reading = reader.forEach((record) => seen.push(numberOf(record)));
  for (let round = 0; round < 20; round++) {
    await burst(ebpf, 100, 64);
    await until(() => seen.length === (round + 1) * 100);
  }
  await reader.close();
  await reading;
  expect(seen).toEqual(range(0, 2000));
  expect(reader.stats).toMatchObject({ overwrittenBytes: 0n, dropped: 0n });
});

needing('a slow reader has whole records in order, and each is read or overwritten', async () => {
  // Small, so that it is overwritten while it is read.
  await load('ring_burst', 8192);
  const reader = ebpf.map('events', RingBuffer.of('burst_event')).read();
  let writing = true;
  const write = async (): Promise<void> => {
    while (writing) await burstEvents(ebpf, 250);
  };
  const writer = write();
  let last = -1n;
  let wrong = 0;
  const reading = (async () => {
    for await (const event of reader) {
      const { number, value } = event as { number: bigint; value: bigint };
      if (value !== number * 3n || number <= last) wrong++;
      last = number;
    }
  })();
  await sleep(500);
  writing = false;
  await writer;
  await reader.close();
  await reading;
  expect(wrong).toBe(0);
  const { events, overwrittenBytes } = reader.stats;
  expect(events).toBeGreaterThan(0);
  expect(overwrittenBytes).toBeGreaterThan(0n);
  const written = ebpf.variables['next_number'] as bigint;
  expect(ebpf.variables['events_dropped']).toBe(0n);
  expect(BigInt(events * eventBytes) + (overwrittenBytes ?? 0n)).toBe(written * BigInt(eventBytes));
});

needing('a record larger than the buffer says what it needs', async () => {
  await load();
  await burst(ebpf, 3, 20_000);
  using ring = Ring.open(ebpf.map('events', RingBuffer).handle);
  expect(ring.pendingBytes()).toBe(3 * 20_008);
  expect(ring.drain(new RecordBuffer(4096))).toMatchObject({ records: 0, more: true, needed: 20_008, overwritten: 0 });
  await burst(ebpf, 1, 20_000);
  expect(ring.drain(new RecordBuffer(65_536))).toMatchObject({ records: 3, more: false, overwritten: 20_008 });
  expect(ring.pendingBytes()).toBe(0);
});

testIf(!overwrites, 'a kernel without rings that overwrite')('a kernel without them is named', async () => {
  expect((await features.ringOverwrite()).supported).toBe(false);
  await expect(load()).rejects.toMatchObject({
    name: 'UnsupportedError',
    code: 'ERR_EBPF_UNSUPPORTED',
    since: '6.19',
    message: expect.stringContaining('ring buffer "events" has MapFlag.RB_OVERWRITE, which needs Linux 6.19'),
  });
});
