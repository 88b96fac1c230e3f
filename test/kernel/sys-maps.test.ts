import { createMap, mapLookup, mapUpdate, mapDelete, mapNextKey } from '../../lib/sys/index.js';
test('smoke', async () => {
  const map = await createMap({ type: 1, name: 'smoke', keySize: 4, valueSize: 8, maxEntries: 10 });
  const k = Uint8Array.of(1, 0, 0, 0);
  const v = new Uint8Array(8).fill(7);
  expect(mapUpdate(map, k, v, 0)).toBe(0);
  const out = new Uint8Array(8);
  expect(mapLookup(map, k, out, 0)).toBe(0);
  expect(out).toEqual(v);
  expect(mapNextKey(map, null, out)).toBe(0);
  expect(mapDelete(map, k)).toBe(0);
  expect(mapDelete(map, k)).toBe(-2);
  map.close();
  expect(mapDelete(map, k)).toBe(-9);
});
