// Each plain type of map from both sides: the program writes what JavaScript reads, and reads what it writes. Once with maps
// defined in .maps, decoded by their BTF, and once with maps of a section maps, which have no types of their own.
import { availableParallelism } from 'node:os';

import {
  ArrayMap,
  BloomFilter,
  Ebpf,
  HashMap,
  LpmTrie,
  LruHashMap,
  LruPerCpuHashMap,
  MapType,
  PerCpuArrayMap,
  PerCpuHashMap,
  Queue,
  Stack,
  UnsupportedError,
  ipv4Prefix,
  lpmKey,
  struct,
  u32,
  u64,
  type BpfMap,
  type MapKind,
} from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const Counts = struct('counts', { packets: u32, bytes: u64 });
type Counts = Readonly<{ packets: number; bytes: bigint }>;
const counts = (packets: number): Counts => ({ packets, bytes: BigInt(packets) << 33n });

const GET = 0;
const SET = 1;
const DELETE = 2;
/** BPF_F_TEST_RUN_ON_CPU */
const ON_CPU = 1;
/** `10.1.2.3/24` as the program takes it. */
const route = (prefixLength: number, address: number): bigint => (BigInt(prefixLength) << 32n) | BigInt(address);

/** Takes values out of hashes in one step: 3e87f192b405. */
const hasTake = kernelHasSymbol('htab_map_lookup_and_delete_elem');

describe.each([
  ['.maps', 'map_types', false],
  ['a section maps', 'legacy_map_types', true],
])('of %s', (_, object, legacy) => {
  let ebpf: Ebpf;

  beforeAll(async () => {
    ebpf = await Ebpf.load(sample(object));
  });
  afterAll(async () => ebpf.close());

  async function run(map: string, operation: number, key: number | bigint, value = 0, cpu?: number): Promise<unknown> {
    const context = rawArguments(operation, key, value, counts(value).bytes);
    await ebpf.program(`use_${map}`).testRun({ context, ...(cpu === undefined ? {} : { cpu, flags: ON_CPU }) });
    return ebpf.variable('result').value;
  }

  const found = (): unknown => ebpf.variable('found').value;

  /** By BTF where there is any. */
  function typed<M extends BpfMap>(name: string, kind: MapKind<M>, declared: MapKind<BpfMap>): M {
    return ebpf.map(name, legacy ? (declared as MapKind<M>) : kind);
  }

  test.each([
    ['hash', HashMap, MapType.HASH],
    ['lru_hash', LruHashMap, MapType.LRU_HASH],
  ] as const)('a %s', async (name, kind, type) => {
    const map = typed<HashMap>(name, kind, kind.of(u32, Counts));
    expect([map.constructor, map.type]).toEqual([kind, type]);
    await run(name, SET, 7, 70);
    expect(map.get(7)).toEqual(counts(70));
    map.set(8, counts(80));
    expect([await run(name, GET, 8), found()]).toEqual([0n, counts(80)]);
    expect(await run(name, GET, 9)).toBe(1n);
    expect(new Map(map)).toEqual(
      new Map([
        [7, counts(70)],
        [8, counts(80)],
      ]),
    );
    expect([...map.keys()].sort()).toEqual([7, 8]);
    expect([...map.values()]).toEqual([...map.entries()].map(([, value]) => value));
    expect(map.set(8, counts(81), { ifAbsent: true })).toBe(false);
    expect(map.set(9, counts(90), { ifPresent: true })).toBe(false);
    await run(name, DELETE, 7);
    expect([map.has(7), map.has(8), map.count()]).toEqual([false, true, 1]);
    map.delete(8);
    expect(await run(name, GET, 8)).toBe(1n);
    expect(
      map.updateBatch([
        [1, counts(1)],
        [2, counts(2)],
        [3, counts(3)],
      ]),
    ).toBe(3);
    expect([await run(name, GET, 2), found()]).toEqual([0n, counts(2)]);
    expect(map.deleteBatch([1, 5, 2])).toBe(2);
    expect(map.drain()).toEqual([[3, counts(3)]]);
    expect(map.count()).toBe(0);
  });

  test('a hash gives a value and loses it in one step, where the kernel can', async () => {
    const map = typed('hash', HashMap, HashMap.of(u32, Counts));
    map.clear();
    await run('hash', SET, 1, 10);
    if (hasTake) {
      expect(map.take(1)).toEqual(counts(10));
      expect(map.take(1)).toBeUndefined();
      expect(await run('hash', GET, 1)).toBe(1n);
    } else {
      expect(() => map.take(1)).toThrow(UnsupportedError);
      expect(() => map.take(1)).toThrow(expect.objectContaining({ since: '5.14' }) as Error);
      expect(map.get(1)).toEqual(counts(10));
    }
  });

  test.each([
    ['per_cpu_hash', PerCpuHashMap],
    ['lru_per_cpu_hash', LruPerCpuHashMap],
  ] as const)('a %s has a value for each CPU', async (name, kind) => {
    const map = typed<PerCpuHashMap>(name, kind, kind.of(u32, Counts));
    expect(map.constructor).toBe(kind);
    const online = availableParallelism();
    expect(map.cpus).toBeGreaterThanOrEqual(online);
    const values = Array.from({ length: map.cpus }, (_unused, cpu) => counts(cpu + 100));
    map.set(7, values);
    for (let cpu = 0; cpu < online; cpu++) {
      expect([await run(name, GET, 7, 0, cpu), found()]).toEqual([0n, values[cpu]]);
      await run(name, SET, 7, cpu + 1, cpu);
      values[cpu] = counts(cpu + 1);
      expect(map.get(7)).toEqual(values);
    }
    expect([...map]).toEqual([[7, values]]);
    expect(
      map.updateBatch([
        [8, values],
        [9, values],
      ]),
    ).toBe(2);
    expect(map.lookupBatch(64).entries).toHaveLength(3);
    expect(map.deleteBatch([9, 10])).toBe(1);
    if (hasTake) expect(map.take(8)).toEqual(values);
    expect(new Map(map.drain()).get(7)).toEqual(values);
    expect(await run(name, GET, 7)).toBe(1n);
  });

  test('an array', async () => {
    const map = typed('array', ArrayMap as MapKind<ArrayMap<Counts>>, ArrayMap.of(Counts));
    await run('array', SET, 3, 30);
    map.set(63, counts(63));
    expect([await run('array', GET, 63), found()]).toEqual([0n, counts(63)]);
    expect([map.get(3), map.get(0), map.get(64)]).toEqual([counts(30), counts(0), undefined]);
    expect([map.length, map.size, map.has(63), map.has(64)]).toEqual([64, 64, true, false]);
    expect([...map.entries()].filter(([, { packets }]) => packets !== 0)).toEqual([
      [3, counts(30)],
      [63, counts(63)],
    ]);
    expect(
      map.updateBatch([
        [0, counts(1)],
        [5, counts(5)],
      ]),
    ).toBe(2);
    expect([await run('array', GET, 5), found()]).toEqual([0n, counts(5)]);
    expect([...map].map(({ packets }) => packets).slice(0, 6)).toEqual([1, 0, 0, 30, 0, 5]);
    const { entries, cursor } = map.lookupBatch(50);
    expect([entries.length, entries[3], cursor === undefined]).toEqual([50, [3, counts(30)], false]);
    expect(map.lookupBatch(50, cursor)).toMatchObject({ cursor: undefined, entries: { length: 14 } });
  });

  test('a per-CPU array', async () => {
    const map = typed('per_cpu_array', PerCpuArrayMap, PerCpuArrayMap.of(Counts));
    const online = availableParallelism();
    const values = Array.from({ length: map.cpus }, (_unused, cpu) => counts(cpu + 100));
    map.set(2, values);
    for (let cpu = 0; cpu < online; cpu++) {
      expect([await run('per_cpu_array', GET, 2, 0, cpu), found()]).toEqual([0n, values[cpu]]);
      await run('per_cpu_array', SET, 2, cpu + 1, cpu);
      values[cpu] = counts(cpu + 1);
    }
    expect(map.get(2)).toEqual(values);
    expect([...map]).toHaveLength(64);
    expect([...map][2]).toEqual(values);
    expect(map.updateBatch([[63, values]])).toBe(1);
    expect(map.get(63)).toEqual(values);
  });

  test('a trie finds the longest prefix that matches', async () => {
    const map = typed('trie', LpmTrie, LpmTrie.of(lpmKey(4), Counts));
    await run('trie', SET, route(8, 0x0a000000), 8);
    map.set('10.1.0.0/16', counts(16));
    map.set({ prefixLength: 24, data: Uint8Array.of(10, 1, 2, 0) }, counts(24));
    for (const [address, length] of [
      [0x0a010203, 24],
      [0x0a010303, 16],
      [0x0a020303, 8],
    ] as const) {
      expect([await run('trie', GET, route(32, address)), found()]).toEqual([0n, counts(length)]);
      const data = Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
      expect(map.get({ prefixLength: 32, data })).toEqual(counts(length));
    }
    expect([map.get('10.1.2.77'), map.has('10.0.0.0/7'), map.has('11.0.0.0')]).toEqual([counts(24), false, false]);
    expect(await run('trie', GET, route(32, 0x0b000000))).toBe(1n);
    expect([...map]).toEqual([
      [{ prefixLength: 24, data: Uint8Array.of(10, 1, 2, 0) }, counts(24)],
      [{ prefixLength: 16, data: Uint8Array.of(10, 1, 0, 0) }, counts(16)],
      [{ prefixLength: 8, data: Uint8Array.of(10, 0, 0, 0) }, counts(8)],
    ]);
    expect(map.delete('10.1.2.0/24')).toBe(true);
    expect(map.delete('10.1.2.0/24')).toBe(false);
    expect([await run('trie', GET, route(32, 0x0a010203)), found()]).toEqual([0n, counts(16)]);
    expect(
      map.updateBatch([
        ['172.16.0.0/12', counts(12)],
        ['0.0.0.0/0', counts(1)],
      ]),
    ).toBe(2);
    expect([await run('trie', GET, route(32, 0xac1f0001)), found()]).toEqual([0n, counts(12)]);
    expect(map.deleteBatch(['172.16.0.0/12', '1.0.0.0/8', '0.0.0.0/0'])).toBe(2);
    map.clear();
    expect(map.count()).toBe(0);
  });

  test.each([
    ['queue', Queue, [1, 2, 3, 4], [2, 3, 4, 5]],
    ['stack', Stack, [4, 3, 2, 1], [5, 4, 3, 2]],
  ] as const)('a %s', async (name, kind, order, withoutOldest) => {
    // The kernel takes no types of these; the object's are known all the same.
    const map = typed<Queue | Stack>(name, kind, kind.of(Counts));
    expect([map.pop(), map.peek(), await run(name, GET, 0)]).toEqual([undefined, undefined, -2n]);
    await run(name, SET, 0, 1);
    map.push(counts(2));
    await run(name, SET, 0, 3);
    map.push(counts(4));
    expect(() => {
      map.push(counts(5));
    }).toThrow(expect.objectContaining({ errnoName: 'E2BIG' }) as Error);
    expect(map.peek()).toEqual(counts(order[0]));
    expect([await run(name, DELETE, 0), found()]).toEqual([0n, counts(order[0])]);
    expect(map.pop()).toEqual(counts(order[1]));
    expect(map.drain()).toEqual([counts(order[2]), counts(order[3])]);
    expect(map.pop()).toBeUndefined();
    for (const packets of [1, 2, 3, 4]) map.push(counts(packets));
    map.push(counts(5), { dropOldest: true });
    expect(map.drain(3)).toEqual(withoutOldest.slice(0, 3).map(counts));
    expect([await run(name, DELETE, 0), found()]).toEqual([0n, counts(withoutOldest[3])]);
  });
});

testIf(kernelHasSymbol('bloom_map_peek_elem'), 'bloom filters')('a bloom filter', async () => {
  const ebpf = await Ebpf.load(sample('bloom_filter'));
  try {
    const filter = ebpf.map('filter', BloomFilter.of(u64));
    const ask = async (adds: number, value: bigint): Promise<unknown> => {
      await ebpf.program('use_filter').testRun({ context: rawArguments(adds, value) });
      return ebpf.variable('result').value;
    };
    expect([filter.has(1n), await ask(0, 2n)]).toEqual([false, -2n]);
    filter.add(1n);
    expect(await ask(1, 2n)).toBe(0n);
    expect([filter.has(2n), await ask(0, 1n)]).toEqual([true, 0n]);
    for (let value = 1000n; value < 2000n; value++) filter.add(value);
    for (let value = 1000n; value < 2000n; value++) expect(filter.has(value)).toBe(true);
    let wrong = 0;
    for (let value = 5000n; value < 6000n; value++) if (filter.has(value)) wrong++;
    // Made for 1000 values and 3 hashes, the kernel is wrong of a few in a hundred.
    expect(wrong).toBeLessThan(200);
    expect(() => {
      filter.add(-1n);
    }).toThrow(expect.objectContaining({ path: 'value' }) as Error);
  } finally {
    await ebpf.close();
  }
});

test('a trie of networks as text', async () => {
  const ebpf = await Ebpf.load(sample('map_types'));
  try {
    const routes = ebpf.map('trie', LpmTrie.of(ipv4Prefix, Counts));
    routes.set('192.168.0.0/16', counts(1));
    await ebpf.program('use_trie').testRun({ context: rawArguments(SET, route(24, 0xc0a80100), 2, counts(2).bytes) });
    expect([...routes]).toEqual([
      ['192.168.1.0/24', counts(2)],
      ['192.168.0.0/16', counts(1)],
    ]);
    expect(routes.get('192.168.1.77')).toEqual(counts(2));
  } finally {
    await ebpf.close();
  }
});

test("maps that were made without an object take the place of the object's", async () => {
  using hash = await HashMap.create({ name: 'mine', key: u32, value: Counts, maxEntries: 64 });
  using trie = await LpmTrie.create({ name: 'mine', key: ipv4Prefix, value: Counts, maxEntries: 64 });
  const ebpf = await Ebpf.load(sample('map_types'), { maps: { hash, trie } });
  try {
    expect(ebpf.map('hash')).toBe(hash);
    await ebpf.program('use_hash').testRun({ context: rawArguments(SET, 1, 10, counts(10).bytes) });
    await ebpf.program('use_trie').testRun({ context: rawArguments(SET, route(8, 0x0a000000), 8, counts(8).bytes) });
  } finally {
    await ebpf.close();
  }
  expect([[...hash], [...trie]]).toEqual([[[1, counts(10)]], [['10.0.0.0/8', counts(8)]]]);
});
