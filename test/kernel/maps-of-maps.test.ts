import { readFileSync } from 'node:fs';

import type { BpfMap } from '../../lib/index.js';
import {
  ArrayMap,
  ArrayOfMaps,
  Ebpf,
  HashMap,
  HashOfMaps,
  MapFlag,
  ObjectSpec,
  PerCpuArrayMap,
  ProgramArray,
  struct,
  u32,
  u64,
} from '../../lib/index.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { rawArguments, sample } from '../helpers/samples.js';

const Counter = struct('counter', { count: u64, last: u32 });

let ebpf: Ebpf;
const made: { close: () => void }[] = [];

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('inner_maps'));
});

afterEach(async () => {
  for (const map of made.splice(0)) map.close();
  await ebpf.close();
});

function keep<M extends BpfMap>(map: M): M {
  made.push(map);
  return map;
}

function found<M extends BpfMap>(map: M | undefined): M {
  if (map === undefined) throw new Error('there is no map');
  return keep(map);
}

const numbers = async (maxEntries = 4, flags = 0) =>
  keep(await ArrayMap.create({ name: 'numbers', value: u64, maxEntries, flags }));
const counters = async () => keep(await HashMap.create({ key: u32, value: Counter, maxEntries: 16 }));

/** Changes the maps at a place; how many there were. */
async function touch(place: number): Promise<bigint> {
  ebpf.variable('place').value = BigInt(place);
  ebpf.variable('found').value = 0n;
  await ebpf.program('touch').testRun({ context: rawArguments(0) });
  return ebpf.variable('found').value as bigint;
}

function refused(path: string, message: string): Error {
  return expect.objectContaining({
    name: 'UsageError',
    code: 'ERR_EBPF_INVALID_VALUE',
    path,
    message: expect.stringContaining(message) as string,
  }) as Error;
}

describe('ArrayOfMaps', () => {
  test('takes maps that are made at run time, which programs then find', async () => {
    const outer = ebpf.map('by_index', ArrayOfMaps);
    const inner = await numbers();
    expect(await touch(0)).toBe(0n);
    await outer.set(0, inner);
    expect(await touch(0)).toBe(1n);
    expect(await touch(0)).toBe(1n);
    expect([...inner]).toEqual([0n, 2n, 0n, 0n]);
    // It lives as long as it is inside.
    inner.close();
    expect(await touch(0)).toBe(1n);
    expect([...ArrayMap.from(found(outer.get(0)))]).toEqual([0n, 3n, 0n, 0n]);

    expect(await outer.delete(0)).toBe(true);
    expect(await outer.delete(0)).toBe(false);
    expect(await touch(0)).toBe(0n);
    expect(outer.get(0)).toBeUndefined();
  });

  test('holds from the start what its definition says, decoded by it', async () => {
    const outer = ebpf.map('by_index', ArrayOfMaps);
    expect([...outer.ids()]).toEqual([[2, ebpf.map('ready').info().id]]);
    expect(await touch(2)).toBe(1n);
    const ready = found(outer.get(2));
    expect(ready).toBeInstanceOf(ArrayMap);
    expect(ready.name).toBe('ready');
    // Another handle of the same map.
    ebpf.map('ready', ArrayMap).set(0, 9n);
    expect([...ArrayMap.from(ready)]).toEqual([9n, 1n, 0n, 0n]);
  });

  test('gives maps of the kind that is declared', async () => {
    const Numbers = ArrayMap.of(u64);
    const outer = ebpf.map('by_index', ArrayOfMaps.of(Numbers));
    const inner = found(outer.get(2));
    const value: bigint | undefined = inner.get(1);
    expect(value).toBe(0n);
    expect(ebpf.map('by_index', ArrayOfMaps.of(Numbers))).toBe(outer);
    expect(() => ebpf.map('by_index', ArrayOfMaps.of(ArrayMap.of(u64)))).toThrow('already used with other types');

    using other = ArrayOfMaps.of(HashMap).open({ id: outer.info().id });
    // The map that is not of that kind is closed again: the suite looks for descriptors that are left.
    expect(() => other.get(2)).toThrow('it is a map of type ARRAY, not a HashMap');
  });

  test('replaces, and tells ids', async () => {
    const outer = ebpf.map('by_index', ArrayOfMaps);
    const [first, second] = [await numbers(), await numbers()];
    await outer.set(1, first);
    await outer.set(1, second);
    expect(outer.length).toBe(4);
    expect(outer.mapId(1)).toBe(second.info().id);
    expect([outer.mapId(0), outer.mapId(4)]).toEqual([undefined, undefined]);
    expect([outer.has(1), outer.has(0), outer.has(4)]).toEqual([true, false, false]);
    expect([...outer.ids()].map(([index]) => index)).toEqual([1, 2]);
    expect(await touch(1)).toBe(1n);
    expect([first.get(1), second.get(1)]).toEqual([0n, 1n]);
  });

  test('says why a map does not fit', async () => {
    const outer = ebpf.map('by_index', ArrayOfMaps);
    const hash = keep(await HashMap.create({ name: 'hash', key: u32, value: u64, maxEntries: 4 }));
    await expect(outer.set(0, hash)).rejects.toThrow(
      refused(
        'map',
        'map "hash" does not fit map "by_index": it is not like the inner map of its definition: type is HASH, not ARRAY',
      ),
    );
    const narrow = keep(await ArrayMap.create({ value: u32, maxEntries: 4, flags: MapFlag.MMAPABLE }));
    await expect(outer.set(0, narrow)).rejects.toThrow(
      refused('map', `value size is 4, not 8, flags is MMAPABLE, not 0`),
    );
    await expect(outer.set(0, await numbers(5))).rejects.toThrow(
      refused(
        'map',
        'maxEntries is 5, not 4; arrays of any length fit where the inner maps have the flag BPF_F_INNER_MAP',
      ),
    );
    await expect(outer.set(0, outer)).rejects.toThrow(
      refused('map', 'of type ARRAY_OF_MAPS cannot be inside other maps'),
    );
    expect(outer.has(0)).toBe(false);

    // Of a map that is not of a load here the template is not known.
    using opened = ArrayOfMaps.open({ id: outer.info().id });
    await expect(opened.set(0, narrow)).rejects.toThrow(
      refused('map', 'it is not like the map that this was made for'),
    );
  });

  test('refuses wrong arguments', async () => {
    const outer = ebpf.map('by_index', ArrayOfMaps);
    const inner = await numbers();
    for (const wrong of [-1, 0.5, '0', undefined]) {
      await expect(outer.set(wrong as number, inner)).rejects.toThrow(
        refused('index', 'must be a whole number from 0'),
      );
    }
    await expect(outer.set(4, inner)).rejects.toThrow(refused('index', 'past the end'));
    for (const wrong of [undefined, null, {}, 5, ebpf.program('touch')]) {
      await expect(outer.set(0, wrong as never)).rejects.toThrow(refused('map', 'must be a loaded map'));
    }
    inner.close();
    await expect(outer.set(0, inner)).rejects.toMatchObject({ code: 'ERR_EBPF_CLOSED' });
  });

  test('is made without an object', async () => {
    const inner = await numbers();
    const outer = keep(await ArrayOfMaps.create({ name: 'outer', inner, maxEntries: 2 }));
    expect(outer.has(0)).toBe(false);
    await outer.set(1, inner);
    inner.set(3, 7n);
    expect(ArrayMap.from(found(outer.get(1))).get(3)).toBe(7n);
    await expect(ArrayOfMaps.create({ inner: 5 as never, maxEntries: 2 })).rejects.toThrow(
      refused('inner', 'must be a loaded map'),
    );
    const programs = keep(await ProgramArray.create({ maxEntries: 1 }));
    await expect(ArrayOfMaps.create({ inner: programs, maxEntries: 2 })).rejects.toThrow('cannot create map');
  });

  test('takes the place of that of an object', async () => {
    const inner = await numbers();
    const outer = keep(await ArrayOfMaps.create({ name: 'outer', inner, maxEntries: 4 }));
    const other = await Ebpf.load(sample('inner_maps'), { maps: { by_index: outer } });
    try {
      await outer.set(0, inner);
      await other.program('touch').testRun({ context: rawArguments(0) });
      expect(inner.get(1)).toBe(1n);
    } finally {
      await other.close();
    }
  });

  test('takes arrays of any length where the object says so', async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('inner_maps')));
    for (const map of [spec.map('ready'), spec.map('by_index').inner])
      if (map !== undefined) map.flags = MapFlag.INNER_MAP;
    const other = await Ebpf.load(spec);
    try {
      const outer = other.map('by_index', ArrayOfMaps);
      const long = await numbers(100, MapFlag.INNER_MAP);
      await outer.set(0, long);
      await other.program('touch').testRun({ context: rawArguments(0) });
      expect(long.get(1)).toBe(1n);
    } finally {
      await other.close();
    }
  });

  test('takes per-CPU maps', async () => {
    const inner = keep(await PerCpuArrayMap.create({ value: u64, maxEntries: 1 }));
    const outer = keep(await ArrayOfMaps.create({ inner, maxEntries: 1 }));
    await outer.set(0, inner);
    expect(found(outer.get(0))).toBeInstanceOf(PerCpuArrayMap);
  });
});

describe('HashOfMaps', () => {
  test('takes maps that are made at run time, which programs then find', async () => {
    const outer = ebpf.map('by_user', HashOfMaps.of(u64, HashMap.of(u32, Counter)));
    const inner = await counters();
    expect(await outer.set(7, inner)).toBe(true);
    expect(await touch(7)).toBe(1n);
    expect(await touch(7)).toBe(1n);
    expect([...inner]).toEqual([[1, { count: 2n, last: 5 }]]);
    inner.close();
    const inside = found(outer.get(7));
    const last: number | undefined = inside.get(1)?.last;
    expect(last).toBe(5);
    expect(outer.get(8)).toBeUndefined();
    expect(await outer.delete(7)).toBe(true);
    expect(await outer.delete(7)).toBe(false);
    expect(await touch(7)).toBe(0n);
  });

  test('walks, counts and tells ids', async () => {
    const outer = ebpf.map('by_user', HashOfMaps.of(u64, HashMap));
    const inners = [await counters(), await counters(), await counters()];
    for (const [index, inner] of inners.entries()) await outer.set(2n ** 40n + BigInt(index), inner);
    const ids = inners.map((inner, index) => [2n ** 40n + BigInt(index), inner.info().id]);
    expect([...outer.ids()].sort(([a], [b]) => (a < b ? -1 : 1))).toEqual(ids);
    expect(new Set(outer.keys())).toEqual(new Set(ids.map(([key]) => key)));
    expect(outer.count()).toBe(3);
    expect([outer.has(2n ** 40n), outer.has(5)]).toEqual([true, false]);
    expect(outer.mapId(2n ** 40n + 1n)).toBe(inners[1]?.info().id);
  });

  test('stores on a condition', async () => {
    const outer = ebpf.map('by_user', HashOfMaps);
    const [first, second] = [await counters(), await counters()];
    expect(await outer.set(1n, first, { ifPresent: true })).toBe(false);
    expect(await outer.set(1n, first, { ifAbsent: true })).toBe(true);
    expect(await outer.set(1n, second, { ifAbsent: true })).toBe(false);
    expect(outer.mapId(1n)).toBe(first.info().id);
    expect(await outer.set(1n, second, { ifPresent: true })).toBe(true);
    expect(outer.mapId(1n)).toBe(second.info().id);
  });

  test('is decoded by the types of its definition where the maps inside have none', async () => {
    const outer = ebpf.map('by_user', HashOfMaps);
    const untyped = keep(await HashMap.create({ key: u32, valueSize: 16, maxEntries: 16 }));
    if (kernelAtLeast(5, 15) && !kernelAtLeast(6, 2)) {
      await expect(outer.set(1n, untyped)).rejects.toThrow(
        refused('map', 'may also have types (BTF) and the other none'),
      );
      return;
    }
    await outer.set(1n, untyped);
    expect(await touch(1)).toBe(1n);
    expect([...HashMap.from(found(outer.get(1n)))].length).toBe(1);
  });

  test('says why a map does not fit, and refuses wrong keys', async () => {
    const outer = ebpf.map('by_user', HashOfMaps);
    await expect(outer.set(1n, await numbers())).rejects.toThrow(refused('map', 'type is ARRAY, not HASH'));
    const inner = await counters();
    await expect(outer.set('1', inner)).rejects.toThrow(refused('key', 'expected a bigint'));
    await expect(outer.delete(-1n)).rejects.toThrow(refused('key', 'expected a bigint'));
    expect(() => outer.get(null)).toThrow(refused('key', 'expected a bigint'));
    expect(outer.count()).toBe(0);
  });

  test('is full at some point', async () => {
    const inner = await counters();
    const outer = keep(await HashOfMaps.create({ key: u32, inner, maxEntries: 1 }));
    await outer.set(1, inner);
    await expect(outer.set(2, inner)).rejects.toMatchObject({ errnoName: 'E2BIG' });
    expect([...outer.keys()]).toEqual([1]);
  });

  test('is opened elsewhere, with its keys declared', async () => {
    const inner = await counters();
    await ebpf.map('by_user', HashOfMaps).set(3n, inner);
    using opened = HashOfMaps.of(u64, HashMap.of(u32, Counter)).open({ id: ebpf.map('by_user').info().id });
    expect([...opened.keys()]).toEqual([3n]);
    inner.set(9, { count: 1, last: 2 });
    expect(found(opened.get(3)).get(9)).toEqual({ count: 1n, last: 2 });
  });
});

describe('createAt', () => {
  test('makes a map of the definition in a slot', async () => {
    const outer = ebpf.map('by_index', ArrayOfMaps.of(ArrayMap.of(u64)));
    const inner = keep(await outer.createAt(1, { name: 'made' }));
    expect(inner.info()).toMatchObject({ name: 'made', maxEntries: 4 });
    expect(outer.mapId(1)).toBe(inner.info().id);
    expect(await touch(1)).toBe(1n);
    expect(inner.get(1)).toBe(1n);
    await expect(outer.createAt(99)).rejects.toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE' });
    await expect(outer.createAt(0, { maxEntries: 0 })).rejects.toMatchObject({ path: 'maxEntries' });
    await expect(outer.createAt(0, { flags: 1 } as never)).rejects.toMatchObject({ name: 'UsageError' });
  });

  test('or under a key, decoded by the types of the definition, with as many entries as is said', async () => {
    const outer = ebpf.map('by_user', HashOfMaps.of(u64, HashMap.of(u32, Counter)));
    const inner = keep(await outer.createAt(3n, { maxEntries: 5 }));
    expect(inner.maxEntries).toBe(5);
    await touch(3);
    expect([...inner]).toEqual([[1, { count: 1n, last: 5 }]]);
    expect(found(outer.get(3n)).info().id).toBe(inner.info().id);
  });

  test('fills it before it is seen, in place of what was there', async () => {
    const outer = ebpf.map('by_index', ArrayOfMaps.of(ArrayMap.of(u64)));
    const first = keep(await outer.createAt(1, { entries: [[1, 7n]] }));
    expect(await touch(1)).toBe(1n);
    const entries = function* (): Generator<[number, bigint]> {
      yield [0, 5n];
      yield [1, 6n];
    };
    const second = keep(await outer.createAt(1, { entries: entries() }));
    expect(await touch(1)).toBe(1n);
    expect([[...first], [...second]]).toEqual([
      [0n, 8n, 0n, 0n],
      [5n, 7n, 0n, 0n],
    ]);
    const byUser = ebpf.map('by_user', HashOfMaps.of(u64, HashMap.of(u32, Counter)));
    const inner = keep(await byUser.createAt(3n, { entries: [[9, { count: 2, last: 0 }]] }));
    expect([...inner]).toEqual([[9, { count: 2n, last: 0 }]]);
  });

  test('changes nothing when an entry is refused', async () => {
    const byUser = ebpf.map('by_user', HashOfMaps.of(u64, HashMap.of(u32, Counter)));
    const there = keep(await byUser.createAt(3n, { maxEntries: 1, entries: [[1, { count: 1, last: 1 }]] }));
    const entry = (key: number): [number, { count: number; last: number }] => [key, { count: 0, last: 0 }];
    const wrong = [entry(1), [2, { count: -1, last: 0 }] as const];
    await expect(byUser.createAt(3n, { entries: wrong })).rejects.toMatchObject({ path: 'entries[1][1].count' });
    const full = byUser.createAt(3n, { maxEntries: 1, entries: [entry(1), entry(2)] });
    await expect(full).rejects.toMatchObject({ errnoName: 'E2BIG' });
    expect(byUser.mapId(3n)).toBe(there.info().id);
  });

  test('is refused where no definition says what is inside', async () => {
    const outer = keep(await ArrayOfMaps.create({ inner: await numbers(), maxEntries: 2 }));
    await expect(outer.createAt(0)).rejects.toThrow(/^map: no definition says what maps are inside/);
  });
});
