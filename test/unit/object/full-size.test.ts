import { MapType } from '../../../lib/abi/index.js';
import { MapSpec } from '../../../lib/object/index.js';

const machine = { cpus: 6, pageSize: 16_384 };

test.each([
  ['keys and values', { type: MapType.HASH, keySize: 4, valueSize: 12, maxEntries: 100 }, 1600],
  ['values alone', { type: MapType.QUEUE, keySize: 0, valueSize: 8, maxEntries: 10 }, 80],
  // 12 bytes lie in 16.
  ['values of each CPU', { type: MapType.PERCPU_HASH, keySize: 4, valueSize: 12, maxEntries: 10 }, 10 * (4 + 6 * 16)],
  ['bytes of a ring', { type: MapType.RINGBUF, maxEntries: 65_536 }, 65_536],
  ['pages of an arena', { type: MapType.ARENA, maxEntries: 3 }, 3 * 16_384],
  ['nothing of what the machine decides', { type: MapType.PERF_EVENT_ARRAY, keySize: 4, valueSize: 4 }, 0],
])('a full map has %s', (_, shape, bytes) => {
  expect(new MapSpec({ name: 'map', ...shape }).fullSize(machine)).toBe(bytes);
});

test('pages have the usual size where nothing else is said', () => {
  expect(new MapSpec({ name: 'arena', type: MapType.ARENA, maxEntries: 2 }).fullSize({ cpus: 1 })).toBe(8192);
});
