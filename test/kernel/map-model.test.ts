// Random operations, on maps in the kernel and on JavaScript models of them. EBPF_MAP_OPERATIONS sets how many there are for
// each type of map, EBPF_MAP_SEED repeats a run.
import {
  HashMap,
  LpmTrie,
  LruHashMap,
  LruPerCpuHashMap,
  MapFlag,
  PerCpuArrayMap,
  PerCpuHashMap,
  lpmKey,
  struct,
  u32,
  u64,
  type LpmKey,
} from '../../lib/index.js';
import { emulated } from '../helpers/emulation.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { HashModel, TrieModel } from '../helpers/maps/models.js';
import { compareRandomly } from '../helpers/maps/operations.js';
import { Random } from '../helpers/maps/random.js';

const operations = Number(process.env['EBPF_MAP_OPERATIONS'] ?? (emulated ? 2000 : 20_000));
const seed = Number(process.env['EBPF_MAP_SEED'] ?? Math.floor(Math.random() * 0x7fff_ffff));
/** A million operations take a minute. */
const timeoutMs = 60_000 + operations;
const capacity = 200;

const Counts = struct('counts', { packets: u32, bytes: u64 });
const countsOf = (random: Random) => ({ packets: random.below(2 ** 32), bytes: BigInt(random.below(2 ** 53)) });
const hasTake = kernelHasSymbol('htab_map_lookup_and_delete_elem');

/** Says the seed with whatever failed. */
function withSeed(run: (random: Random) => void): void {
  try {
    run(new Random(seed));
  } catch (error) {
    const again = `EBPF_MAP_SEED=${seed} EBPF_MAP_OPERATIONS=${operations}`;
    throw new Error(`seed ${seed} (again: ${again}): ${(error as Error).message}`, { cause: error });
  }
}

describe(`${operations} operations on`, () => {
  beforeAll(() => {
    console.log(`EBPF_MAP_SEED=${seed} EBPF_MAP_OPERATIONS=${operations}`);
  });

  test.each([
    ['a hash', 0],
    ['a hash that is not preallocated', MapFlag.NO_PREALLOC],
  ])(
    '%s agree with the model',
    async (_, flags) => {
      using map = await HashMap.create({ name: 'model', key: u32, value: Counts, maxEntries: capacity, flags });
      withSeed((random) => {
        const done = compareRandomly(
          {
            map,
            model: new HashModel(capacity),
            key: (each) => each.below(capacity * 1.5),
            value: countsOf,
            takes: hasTake,
            conditions: true,
          },
          random,
          operations,
        );
        // Some are seldom.
        if (operations >= 20_000) expect(Object.keys(done)).toHaveLength(hasTake ? 14 : 13);
      });
    },
    timeoutMs,
  );

  test(
    'a per-CPU hash agree with the model',
    async () => {
      using map = await PerCpuHashMap.create({ name: 'model', key: u32, value: u64, maxEntries: capacity });
      withSeed((random) => {
        const value = (each: Random) => Array.from({ length: map.cpus }, () => BigInt(each.below(2 ** 53)));
        const model = new HashModel<number, bigint[]>(capacity);
        const key = (each: Random) => each.below(capacity * 1.5);
        compareRandomly({ map, model, key, value, takes: hasTake, conditions: true }, random, operations);
      });
    },
    timeoutMs,
  );

  test(
    'a per-CPU array agree with the model',
    async () => {
      using map = await PerCpuArrayMap.create({ name: 'model', value: u32, maxEntries: 50 });
      withSeed((random) => {
        const model = Array.from({ length: map.length }, () => Array<number>(map.cpus).fill(0));
        const value = () => Array.from({ length: map.cpus }, () => random.below(2 ** 32));
        for (let number = 0; number < operations; number++) {
          const index = random.below(map.length);
          const dice = random.below(1000);
          if (dice < 450) expectSame(map.get(index), model[index]);
          else if (dice < 990) map.set(index, (model[index] = value()));
          else if (dice < 998)
            map.updateBatch([
              [index, (model[index] = value())],
              [0, (model[0] = value())],
            ]);
          else expect([...map]).toEqual(model);
        }
        expect([...map.entries()]).toEqual([...model.entries()]);
      });
    },
    timeoutMs,
  );

  test(
    'a trie agree with the model',
    async () => {
      // Room for every prefix: before 6.13 a full trie does not even replace a value.
      using map = await LpmTrie.create({ name: 'model', key: lpmKey(4), value: u32, maxEntries: 10_000 });
      withSeed((random) => {
        // Few bits, so that prefixes lie within each other.
        const key = (each: Random): LpmKey => {
          const prefixLength = each.pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 31, 32]);
          const bits = (each.below(2 ** 10) << 22) >>> 0;
          const masked = prefixLength === 0 ? 0 : (bits & (~0 << (32 - prefixLength))) >>> 0;
          return { prefixLength, data: Uint8Array.of(masked >>> 24, masked >>> 16, masked >>> 8, masked) };
        };
        const value = (each: Random) => each.below(2 ** 32);
        const subject = { map, model: new TrieModel<number>(), key, value, takes: false, conditions: false };
        compareRandomly(subject, random, operations);
      });
    },
    timeoutMs,
  );

  test(
    'an LRU hash: what is found was written last, and there are never too many',
    async () => {
      using map = await LruHashMap.create({ name: 'model', key: u32, value: u64.asNumber, maxEntries: capacity });
      withSeed((random) => {
        checkLru(random, {
          write: (key, value) => map.set(key, value),
          read: (key) => map.get(key),
          remove: (key) => map.delete(key),
          all: () => [...map],
        });
      });
    },
    timeoutMs,
  );

  test(
    'a per-CPU LRU hash: the same',
    async () => {
      using map = await LruPerCpuHashMap.create({ name: 'model', key: u32, value: u64.asNumber, maxEntries: capacity });
      withSeed((random) => {
        const first = (values: readonly number[]) => {
          expect(new Set(values).size).toBe(1);
          return values[0] ?? -1;
        };
        const all = (value: number) => Array<number>(map.cpus).fill(value);
        checkLru(random, {
          write: (key, value) => map.set(key, all(value)),
          read: (key) => {
            const values = map.get(key);
            return values === undefined ? undefined : first(values);
          },
          remove: (key) => map.delete(key),
          all: () => [...map].map(([key, values]) => [key, first(values)]),
        });
      });
    },
    timeoutMs,
  );
});

interface LruMap {
  write(key: number, value: number): boolean;
  read(key: number): number | undefined;
  remove(key: number): boolean;
  all(): [number, number][];
}

function checkLru(random: Random, map: LruMap): void {
  const last = new Map<number, number>();
  let found = 0;
  for (let number = 0; number < operations; number++) {
    const key = random.below(capacity * 3);
    const dice = random.below(1000);
    if (dice < 500) {
      expectSame(map.write(key, number), true);
      last.set(key, number);
      // What was just written is there.
      expectSame(map.read(key), number);
    } else if (dice < 900) {
      const value = map.read(key);
      if (value !== undefined) {
        found++;
        expectSame(value, last.get(key));
      }
    } else if (dice < 995) {
      const removed = map.remove(key);
      if (removed) expectSame(last.has(key), true);
      last.delete(key);
      expectSame(map.read(key), undefined);
    } else {
      const entries = map.all();
      if (entries.length > capacity) throw new Error(`${entries.length} entries, the most are ${capacity}`);
      for (const [each, value] of entries) expectSame(value, last.get(each));
    }
  }
  expect(found).toBeGreaterThan(0);
}

/** As `expect(…).toEqual`, which is too slow to ask a million times. */
function expectSame(found: unknown, expected: unknown): void {
  if (found === expected) return;
  expect(found).toEqual(expected);
}
