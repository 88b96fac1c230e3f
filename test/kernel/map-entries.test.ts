// What is refused before the kernel is called, what changes nothing then, and walks over maps that change.
import { release } from 'node:os';

import {
  ArrayMap,
  BloomFilter,
  EbpfError,
  HashMap,
  LpmTrie,
  MapUpdateFlag,
  PerCpuArrayMap,
  PerCpuHashMap,
  Queue,
  UsageError,
  array,
  cstr,
  lpmKey,
  struct,
  u16,
  u32,
  u64,
  u8,
  type BpfMap,
} from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';

const Key = struct('key', { port: u16, name: cstr(6) });
const Value = struct('value', { count: u64, parts: array(struct('part', { low: u8, high: u8 }), 2) });
const key = { port: 80, name: 'http' };
const value = {
  count: 1n,
  parts: [
    { low: 1, high: 2 },
    { low: 3, high: 4 },
  ],
};

const opened: BpfMap[] = [];
afterEach(() => {
  for (const map of opened.splice(0)) map.close();
});

function keep<M extends BpfMap>(map: M): M {
  opened.push(map);
  return map;
}

/** The path at which `act` is refused. */
function refusedAt(act: () => unknown): string | undefined {
  try {
    act();
  } catch (error) {
    if (error instanceof UsageError && error.code !== 'ERR_EBPF_CLOSED') return error.path;
    throw error;
  }
  return 'nothing was refused';
}

const wrongKeys: [string, unknown, string][] = [
  ['missing', undefined, 'key'],
  ['null', null, 'key'],
  ['a number', 7, 'key'],
  ['without a field', { port: 1 }, 'key.name'],
  ['with a field too many', { ...key, more: 1 }, 'key.more'],
  ['out of range', { ...key, port: 65_536 }, 'key.port'],
  ['negative', { ...key, port: -1 }, 'key.port'],
  ['a fraction', { ...key, port: 1.5 }, 'key.port'],
  ['not a number', { ...key, port: NaN }, 'key.port'],
  ['too long', { ...key, name: 'longer than six' }, 'key.name'],
  ['with a null', { ...key, name: null }, 'key.name'],
];

const wrongValues: [string, unknown, string][] = [
  ['missing', undefined, 'value'],
  ['null', null, 'value'],
  ['with an unsafe integer', { ...value, count: 2 ** 53 }, 'value.count'],
  ['too large', { ...value, count: 2n ** 64n }, 'value.count'],
  ['a fraction', { ...value, count: 0.5 }, 'value.count'],
  ['text for a number', { ...value, count: '1' }, 'value.count'],
  ['too short', { ...value, parts: [value.parts[0]] }, 'value.parts'],
  ['without a field in a part', { ...value, parts: [value.parts[0], { low: 1 }] }, 'value.parts[1].high'],
  ['out of range in a part', { ...value, parts: [{ low: 256, high: 0 }, value.parts[1]] }, 'value.parts[0].low'],
];

describe('a hash refuses', () => {
  let map: HashMap;

  beforeEach(async () => {
    map = keep(await HashMap.create({ key: Key, value: Value, maxEntries: 8 }));
    map.set(key, value);
  });

  test.each(wrongKeys)('a key that is %s', (_, wrong, path) => {
    for (const act of [
      () => map.get(wrong),
      () => map.has(wrong),
      () => map.delete(wrong),
      () => map.take(wrong),
      () => map.set(wrong, { ...value, count: 9 }),
    ]) {
      expect(refusedAt(act)).toBe(path);
    }
    const inBatch = path.replace('key', 'entries[1][0]');
    expect(
      refusedAt(() =>
        map.updateBatch([
          [{ ...key, port: 1 }, value],
          [wrong, value],
        ]),
      ),
    ).toBe(inBatch);
    expect(refusedAt(() => map.deleteBatch([key, wrong]))).toBe(path.replace('key', 'keys[1]'));
    expect([...map]).toEqual([[key, value]]);
  });

  test.each(wrongValues)('a value that is %s', (_, wrong, path) => {
    expect(refusedAt(() => map.set(key, wrong))).toBe(path);
    const inBatch = path.replace('value', 'entries[1][1]');
    expect(
      refusedAt(() =>
        map.updateBatch([
          [{ ...key, port: 1 }, value],
          [key, wrong],
        ]),
      ),
    ).toBe(inBatch);
    expect([...map]).toEqual([[key, value]]);
  });

  test('what is no list of entries, and options that exclude each other', () => {
    expect(() => map.updateBatch([[key]] as never)).toThrow(
      expect.objectContaining({ path: 'entries[0][1]' }) as Error,
    );
    expect(refusedAt(() => map.set(key, value, { ifAbsent: true, ifPresent: true }))).toBe('options');
    for (const count of [0, -1, 1.5, NaN, 2 ** 33]) expect(refusedAt(() => map.lookupBatch(count))).toBe('count');
    expect(refusedAt(() => map.drain(0))).toBe('limit');
    expect([...map]).toEqual([[key, value]]);
  });

  test('nothing of what was encoded for a refused value is seen later', () => {
    expect(refusedAt(() => map.set({ port: 1, name: 'x' }, { ...value, count: 77, parts: [] }))).toBe('value.parts');
    map.set(
      { port: 2, name: '' },
      {
        count: 0,
        parts: [
          { low: 0, high: 0 },
          { low: 0, high: 0 },
        ],
      },
    );
    expect(map.get({ port: 2, name: '' })).toMatchObject({ count: 0n });
    expect(map.count()).toBe(2);
  });

  test('a getter that uses the map itself changes nothing else', () => {
    const other = { port: 443, name: 'https' };
    map.set(
      {
        port: 1,
        get name() {
          map.set(other, { ...value, count: 5 });
          return 'mine';
        },
      },
      {
        get count() {
          expect(map.get(other)).toMatchObject({ count: 5n });
          return 6n;
        },
        parts: value.parts,
      },
    );
    expect(map.get({ port: 1, name: 'mine' })).toMatchObject({ count: 6n });
    expect(map.get(other)).toMatchObject({ count: 5n });
    expect(map.count()).toBe(3);
  });
});

test('an array refuses wrong indexes and values', async () => {
  const map = keep(await ArrayMap.create({ value: Value, maxEntries: 4 })) as ArrayMap;
  for (const index of [-1, 4, 1.5, NaN, 2 ** 32, null, undefined, '0']) {
    expect(refusedAt(() => map.set(index as number, value))).toBe('index');
    expect(
      refusedAt(() =>
        map.updateBatch([
          [0, value],
          [index as number, value],
        ]),
      ),
    ).toBe('entries[1][0]');
  }
  for (const [, wrong, path] of wrongValues) {
    expect(
      refusedAt(() => {
        map.set(1, wrong);
      }),
    ).toBe(path);
    expect(
      refusedAt(() =>
        map.updateBatch([
          [0, value],
          [1, wrong],
        ]),
      ),
    ).toBe(path.replace('value', 'entries[1][1]'));
  }
  expect([...map].every((each) => (each as typeof value).count === 0n)).toBe(true);
});

test('per-CPU maps refuse what has not a right value for each CPU, and store nothing of it', async () => {
  const map = keep(await PerCpuHashMap.create({ key: u32, value: u32, maxEntries: 4 })) as PerCpuHashMap;
  const list = keep(await PerCpuArrayMap.create({ value: u32, maxEntries: 4 })) as PerCpuArrayMap;
  const right = Array<number>(map.cpus).fill(7);
  map.set(1, right);
  list.set(1, right);
  const last = map.cpus - 1;
  const wrong: [unknown, string][] = [
    [undefined, 'value'],
    [null, 'value'],
    [7, 'value'],
    [right.slice(1), 'value'],
    [[...right, 7], 'value'],
    [right.with(last, -1), `value[${last}]`],
    [right.with(last, 1.5), `value[${last}]`],
    [[...right.slice(1), null], `value[${last}]`],
  ];
  for (const [values, path] of wrong) {
    expect(refusedAt(() => map.set(1, values as number[]))).toBe(path);
    expect(
      refusedAt(() => {
        list.set(1, values as number[]);
      }),
    ).toBe(path);
    expect(
      refusedAt(() =>
        map.updateBatch([
          [2, right],
          [1, values as number[]],
        ]),
      ),
    ).toBe(path.replace('value', 'entries[1][1]'));
  }
  expect([...map]).toEqual([[1, right]]);
  expect(list.get(1)).toEqual(right);
});

test('tries refuse wrong keys', async () => {
  const map = keep(await LpmTrie.create({ key: lpmKey(4), value: u32, maxEntries: 4 })) as LpmTrie;
  const data = Uint8Array.of(10, 0, 0, 0);
  const wrong: [unknown, string][] = [
    [undefined, 'key'],
    [null, 'key'],
    [7, 'key'],
    [{}, 'key.prefixLength'],
    [{ prefixLength: 33, data }, 'key.prefixLength'],
    [{ prefixLength: -1, data }, 'key.prefixLength'],
    [{ prefixLength: 0.5, data }, 'key.prefixLength'],
    [{ prefixLength: 8 }, 'key.data'],
    [{ prefixLength: 8, data: data.subarray(1) }, 'key.data'],
    [{ prefixLength: 8, data: [10, 0, 0, 256] }, 'key.data[3]'],
    [{ prefixLength: 8, data, more: 1 }, 'key.more'],
    ...['10.0.0.0/33', '10.0.0', '10.0.0.0/', '10.0.0.0/08000', '::/0', 'fe80::1%lo', ''].map(
      (text) => [text, 'key'] as [unknown, string],
    ),
  ];
  for (const [each, path] of wrong) {
    expect([each, refusedAt(() => map.set(each, 1))]).toEqual([each, path]);
    expect(refusedAt(() => map.get(each))).toBe(path);
  }
  expect(map.count()).toBe(0);
  const wide = keep(await LpmTrie.create({ key: lpmKey(5), value: u32, maxEntries: 4 })) as LpmTrie;
  expect(refusedAt(() => wide.set('10.0.0.0/8', 1))).toBe('key');
});

test('tries store on a condition, or say that this kernel does not look at it', async () => {
  const map = keep(await LpmTrie.create({ key: lpmKey(4), value: u32, maxEntries: 4 }));
  const store = () => [
    map.set('10.0.0.0/8', 1, { ifPresent: true }),
    map.set('10.0.0.0/8', 2, { ifAbsent: true }),
    map.set('10.0.0.0/8', 3, { ifAbsent: true }),
    map.set('10.0.0.0/8', 4, { ifPresent: true }),
  ];
  if (Number(/^\d+/.exec(release())?.[0]) >= 7 || /^6\.(1[3-9]|[2-9]\d)/.test(release())) {
    expect([store(), map.get('10.0.0.0/8')]).toEqual([[false, true, false, true], 4]);
    return;
  }
  // Stable kernels may have it.
  const outcome = await Promise.resolve()
    .then(store)
    .catch((error: unknown) => error);
  if (Array.isArray(outcome)) expect(outcome).toEqual([false, true, false, true]);
  else expect(outcome).toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '6.13' });
  expect(map.count()).toBe(Array.isArray(outcome) ? 1 : 0);
});

test('queues and bloom filters refuse wrong values', async () => {
  const queue = keep(await Queue.create({ value: Value, maxEntries: 4 })) as Queue;
  for (const [, wrong, path] of wrongValues)
    expect(
      refusedAt(() => {
        queue.push(wrong);
      }),
    ).toBe(path);
  expect(queue.pop()).toBeUndefined();
  expect(refusedAt(() => queue.drain(-1))).toBe('limit');
  if (!kernelHasSymbol('bloom_map_peek_elem')) return;
  const filter = keep(await BloomFilter.create({ value: Value, maxEntries: 4 })) as BloomFilter;
  for (const [, wrong, path] of wrongValues) {
    expect(
      refusedAt(() => {
        filter.add(wrong);
      }),
    ).toBe(path);
    expect(refusedAt(() => filter.has(wrong))).toBe(path);
  }
  await expect(BloomFilter.create({ value: u32, maxEntries: 4, hashFunctions: 16 })).rejects.toMatchObject({
    path: 'hashFunctions',
  });
});

describe('a walk', () => {
  const many = 3000;

  async function filled(): Promise<HashMap<number, number>> {
    const map = keep(await HashMap.create({ key: u32, value: u32, maxEntries: many * 2 }));
    map.updateBatch(Array.from({ length: many }, (_, index) => [index, index * 2] as const));
    return map;
  }

  test('sees every key of a map that does not change once, whatever the size of batches', async () => {
    const map = await filled();
    const keys = Array.from({ length: many }, (_, index) => index);
    expect([...map.keys()].sort((a, b) => a - b)).toEqual(keys);
    for (const count of [1, 2, 7, 1000, 100_000]) {
      const seen: number[] = [];
      let cursor: Parameters<typeof map.lookupBatch>[1];
      do {
        const batch = map.lookupBatch(count, cursor);
        for (const [each, found] of batch.entries) {
          seen.push(each);
          if (found !== each * 2) throw new Error(`${each} has ${found}`);
        }
        cursor = batch.cursor;
      } while (cursor !== undefined);
      expect(seen.sort((a, b) => a - b)).toEqual(keys);
    }
  });

  test('ends while everything is removed and added, and never gives what was never there', async () => {
    const map = await filled();
    let steps = 0;
    for (const [each, found] of map) {
      if (each < many) {
        expect(found).toBe(each * 2);
        map.delete(each);
        map.set(each + many, 0);
      } else expect(found).toBe(0);
      if (++steps > many * 4) throw new Error('the walk does not end');
    }
    expect([...map.keys()].every((each) => each >= many)).toBe(true);
  });

  test('of a trie whose key at hand is removed ends, and removes all', async () => {
    const map = keep(await LpmTrie.create({ key: lpmKey(4), value: u32, maxEntries: 600 }));
    for (let index = 0; index < 500; index++)
      map.set({ prefixLength: 32, data: Uint8Array.of(1, 2, index >> 8, index & 0xff) }, index);
    let steps = 0;
    for (const [each] of map) {
      map.delete(each);
      if (++steps > 1200) throw new Error('the walk does not end');
    }
    map.clear();
    expect(map.count()).toBe(0);
  });

  test('may be left early, and begun again', async () => {
    const map = await filled();
    for (const _entry of map) break;
    expect(map.entries().next().value).toEqual([...map][0]);
  });

  test('by a cursor belongs to its map, and a closed map is not walked', async () => {
    const map = await filled();
    const other = await filled();
    const { cursor } = map.lookupBatch(10);
    expect(cursor).toBeDefined();
    expect(refusedAt(() => other.lookupBatch(10, cursor))).toBe('cursor');
    const walk = map.entries();
    walk.next();
    map.close();
    for (const act of [
      () => [...map],
      () => map.count(),
      () => map.lookupBatch(10, cursor),
      () => map.drain(),
      () => map.updateBatch([[1, 1]]),
    ]) {
      expect(act).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }) as Error);
    }
  });

  test('that drains takes about as many as are asked for, and leaves the rest', async () => {
    const map = await filled();
    const some = map.drain(100);
    expect(some.length).toBeGreaterThanOrEqual(100);
    expect(some.length).toBeLessThan(300);
    expect(map.count()).toBe(many - some.length);
    const all = new Map([...some, ...map.drain()]);
    expect([all.size, map.count()]).toEqual([many, 0]);
  });
});

describe('raw', () => {
  test('of a per-CPU map refuses a buffer with room for fewer CPUs', async () => {
    const map = keep(await PerCpuArrayMap.create({ value: u32, maxEntries: 1 }));
    const { raw } = map;
    expect(raw.valueBytes).toBe(map.cpus * 8);
    const index = new Uint8Array(4);
    expect(raw.get(index, new Uint8Array(raw.valueBytes))).toBe(true);
    for (const bytes of [0, 4, raw.valueBytes - 1]) {
      expect(refusedAt(() => raw.get(index, new Uint8Array(bytes)))).toBe('value');
      expect(refusedAt(() => raw.set(index, new Uint8Array(bytes)))).toBe('value');
    }
  });

  test('moves batches in buffers of the caller', async () => {
    const map = keep(await HashMap.create({ key: u32, value: u32, maxEntries: 500 }));
    const { raw } = map;
    const keys = new Uint32Array(200).map((_, index) => index);
    const values = keys.map((each) => each * 3);
    const bytes = { keys: new Uint8Array(keys.buffer), values: new Uint8Array(values.buffer) };
    const count = Uint32Array.of(200);
    raw.updateBatch({ ...bytes, count });
    expect(map.count()).toBe(200);
    const position = new Uint8Array(4);
    const seen = new Map<number, number>();
    for (let more = true, started = false; more; started = true) {
      count[0] = 64;
      more = raw.lookupBatch(started ? position : null, position, { ...bytes, count });
      for (let index = 0; index < count[0]; index++) seen.set(keys[index] ?? -1, values[index] ?? -1);
    }
    expect(seen.size).toBe(200);
    expect([...seen].every(([each, found]) => found === each * 3)).toBe(true);
    keys[0] = 5;
    keys[1] = 900;
    count[0] = 2;
    expect(() => {
      raw.deleteBatch({ keys: bytes.keys, count });
    }).toThrow(expect.objectContaining({ errnoName: 'ENOENT' }) as Error);
    expect([count[0], map.count()]).toEqual([1, 199]);
    count[0] = 200;
    expect(raw.takeBatch(null, position, { ...bytes, count })).toBe(false);
    expect([count[0], map.count()]).toEqual([199, 0]);
    count[0] = 201;
    expect(() => {
      raw.updateBatch({ ...bytes, count });
    }).toThrow(EbpfError);
  });

  test('takes a flag as the kernel has it', async () => {
    const { raw } = keep(await HashMap.create({ keySize: 4, valueSize: 4, maxEntries: 2 }));
    const bytes = Uint8Array.of(1, 2, 3, 4);
    expect(raw.set(bytes, bytes, MapUpdateFlag.EXIST)).toBe(false);
    expect(raw.set(bytes, bytes, MapUpdateFlag.NOEXIST)).toBe(true);
    expect(() => raw.set(bytes, bytes, 99)).toThrow(expect.objectContaining({ errnoName: 'EINVAL' }) as Error);
  });
});

test('batches take as many entries as a generator gives', async () => {
  const map = await HashMap.create({ key: u32, value: u32, maxEntries: 20_000 });
  try {
    const entries = function* (count: number): Generator<[number, number]> {
      for (let index = 0; index < count; index++) yield [index, index + 1];
    };
    expect(map.updateBatch(entries(0))).toBe(0);
    expect(map.updateBatch(entries(10_000))).toBe(10_000);
    expect([map.get(0), map.get(4096), map.get(9999), map.get(10_000)]).toEqual([1, 4097, 10_000, undefined]);
    const failing = function* (): Generator<[number, number]> {
      yield [15_000, 1];
      throw new Error('no more');
    };
    expect(() => map.updateBatch(failing())).toThrow('no more');
    expect(map.has(15_000)).toBe(false);
    expect(map.deleteBatch(Array.from(entries(10_000), ([key]) => key).values())).toBe(10_000);
    expect(map.count()).toBe(0);
  } finally {
    map.close();
  }
});
