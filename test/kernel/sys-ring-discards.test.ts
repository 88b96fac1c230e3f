import { Ebpf, RingBuffer } from '../../lib/index.js';
import { RecordBuffer, Ring } from '../../lib/sys/index.js';
import { expectedRecord, reserve, ringBytes, seenRecord } from '../helpers/ring-discard.js';
import { sample } from '../helpers/samples.js';

let ebpf: Ebpf;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('ring_discard'));
});

afterEach(async () => {
  await ebpf.close();
});

/** As many records as the ring has room for, whatever they begin with. */
const most = 32;

/** Which of {@link most} records are discarded, from the first in the lowest bit on. */
const patterns = new Map([
  ['none', 0n],
  ['all', 0xffff_ffffn],
  ['the first', 0x0000_0001n],
  ['the last', 0x8000_0000n],
  ['all but the first', 0xffff_fffen],
  ['all but the last', 0x7fff_ffffn],
  ['every other', 0x5555_5555n],
  ['those between', 0xaaaa_aaaan],
  ['the first half', 0x0000_ffffn],
  ['the last half', 0xffff_0000n],
  ['some', 0x3c96_f00dn],
]);

/** What each drain of the ring gives, until there is nothing. */
function drainAll(ring: Ring, buffer: RecordBuffer): string[][] {
  const drains: string[][] = [];
  for (;;) {
    const { records, more } = ring.drain(buffer);
    const { bytes, offsets, lengths } = buffer;
    const taken = [...offsets.subarray(0, records)].map((offset, index) =>
      seenRecord(bytes.slice(offset, offset + (lengths[index] ?? 0))),
    );
    if (taken.length > 0) drains.push(taken);
    if (!more) return drains;
  }
}

describe.each([
  ['as large as the ring', 65_536, 4096],
  ['with room for the largest record', ringBytes(7), 4096],
  ['with room for three records', 65_536, 3],
  ['with room for one record', 65_536, 1],
])('drained into a buffer %s', (_, size, rows) => {
  test('submitted records come in order, discarded ones never, and both make room', async () => {
    using ring = Ring.open(ebpf.map('events', RingBuffer).handle);
    const buffer = new RecordBuffer(size, rows);
    for (const [name, discards] of patterns) {
      const submitted = await reserve(ebpf, most, discards);
      expect([name, drainAll(ring, buffer).flat()]).toEqual([name, submitted.map(expectedRecord)]);
      expect([name, ring.pendingBytes()]).toEqual([name, 0]);
    }
    expect(ebpf.variables['events_dropped']).toBe(0n);
  });
});

test('discarded records at the end of what fits do not hold the rest back', async () => {
  using ring = Ring.open(ebpf.map('events', RingBuffer).handle);
  // Eight records, of which the last three, 8 + 1000 + 7777 bytes, are discarded; then eight more.
  const submitted = [...(await reserve(ebpf, 8, 0b1110_0000n)), ...(await reserve(ebpf, 8, 0n))];
  const ofFirstFive = [0, 1, 2, 3, 4].reduce((sum, number) => sum + ringBytes(number), 0);
  for (const room of [0, 1, 2, 3]) {
    const size = ofFirstFive + [5, 6, 7].slice(0, room).reduce((sum, number) => sum + ringBytes(number), 0);
    const buffer = new RecordBuffer(size);
    expect(ring.drain(buffer)).toMatchObject({ records: 5, more: true });
    expect(drainAll(ring, new RecordBuffer(65_536)).flat()).toEqual(submitted.slice(5).map(expectedRecord));
    await reserve(ebpf, 8, 0b1110_0000n);
    await reserve(ebpf, 8, 0n);
    submitted.splice(0, 13, ...submitted.map((number) => number + 16));
  }
});

test('a reader gives the submitted ones, whatever is between them', async () => {
  const reader = ebpf.map('events', RingBuffer).read({ pollMs: 5 });
  const expected: number[] = [];
  const seen: string[] = [];
  const reading = (async () => {
    for await (const batch of reader.batches()) for (const record of batch.raw) seen.push(seenRecord(record));
  })();
  for (const [, discards] of patterns) {
    expected.push(...(await reserve(ebpf, 11, discards)));
    // Of runs of which nothing is submitted nobody is woken; the ring has room for four.
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  expected.push(...(await reserve(ebpf, 8, 0xf0n)));
  await reader.close();
  await reading;
  expect(seen).toEqual(expected.map(expectedRecord));
  expect(reader.stats).toMatchObject({ events: expected.length, dropped: 0n });
});
