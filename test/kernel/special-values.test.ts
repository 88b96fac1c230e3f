// Values of which a part is the kernel's own: locks and timers.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

import { ArrayMap, Ebpf, HashMap, MapType, ObjectSpec } from '../../lib/index.js';
import { hasJit, kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { until } from '../helpers/until.js';

const packet = { data: new Uint8Array(64) };
/** Offset of `mark` in struct __sk_buff, which a test run takes from its context. */
const marked = (mark: number) => {
  const context = new Uint8Array(192);
  new Uint32Array(context.buffer)[2] = mark;
  return { ...packet, context };
};

interface Pair {
  readonly first: number;
  readonly second: bigint;
}

test('a lock is left out of values, and held while they are read and written', async () => {
  const ebpf = await Ebpf.load(sample('locked_values'));
  try {
    const pairs = ebpf.map('pairs', HashMap);
    const array = ebpf.map('pair_array', ArrayMap);
    pairs.set(1, { first: 5, second: 5 });
    array.set(1, { first: 5, second: 5 });
    expect([pairs.get(1), array.get(1)]).toEqual([
      { first: 5, second: 5n },
      { first: 5, second: 5n },
    ]);
    await ebpf.program('write_pairs').testRun(marked(9));
    expect([...pairs]).toEqual([[1, { first: 9, second: 9n }]]);
    expect([...array][1]).toEqual({ first: 9, second: 9n });
    expect(() => pairs.set(1, { first: 1, second: 1, lock: 0 })).toThrow(
      expect.objectContaining({ path: 'value.lock' }) as Error,
    );
    expect(
      pairs.updateBatch([
        [2, { first: 2, second: 2 }],
        [1, { first: 3, second: 3 }],
      ]),
    ).toBe(2);
    expect(new Map(pairs)).toEqual(
      new Map([
        [1, { first: 3, second: 3n }],
        [2, { first: 2, second: 2n }],
      ]),
    );
    expect(ebpf.variable('torn').value).toBe(0n);
  } finally {
    await ebpf.close();
  }
});

test('with the lock neither side sees half a value', async () => {
  const ebpf = await Ebpf.load(sample('locked_values'));
  try {
    const pairs = ebpf.map('pairs', HashMap);
    pairs.set(1, { first: 0, second: 0 });
    // Off the event loop, on another processor where there is one.
    const running = ebpf.program('write_pairs').testRun({ ...marked(7), repeat: 100_000 });
    const state = { done: false };
    void running.finally(() => (state.done = true));
    for (let value = 0; !state.done; value = (value + 1) % 1000) {
      for (let times = 0; times < 100; times++) {
        const { first, second } = pairs.get(1) as Pair;
        if (BigInt(first) !== second) throw new Error(`half a value: ${first} and ${second}`);
        pairs.set(1, { first: value, second: value });
      }
      await sleep(0);
    }
    await running;
    expect(ebpf.variable('torn').value).toBe(0n);
  } finally {
    await ebpf.close();
  }
});

const hasTimers = hasJit && kernelHasSymbol('bpf_timer_start');
testIf(hasTimers, 'timers')(
  'a timer is left out of values, and the kernel ends it when its value is stored',
  async () => {
    const ebpf = await Ebpf.load(sample('timed_values'));
    try {
      const tasks = ebpf.map('tasks', ArrayMap);
      const start = async () => (await ebpf.program('start').testRun(packet)).returnValue;
      tasks.set(1, { number: 3, after: 4 });
      expect(await start()).toBe(0);
      expect([...tasks]).toEqual([
        { number: 0, after: 0 },
        { number: 3, after: 4 },
      ]);
      await until(() => ebpf.variable('fired').value === 3n);
      expect(() => {
        tasks.set(1, { number: 3, timer: new Uint8Array(16), after: 4 });
      }).toThrow(expect.objectContaining({ path: 'value.timer' }) as Error);
      expect(await start()).toBe(0);
      tasks.set(1, { number: 5, after: 6 });
      expect(tasks.get(1)).toEqual({ number: 5, after: 6 });
      expect(await start()).toBe(0);
      await until(() => (ebpf.variable('fired').value as bigint) > 3n);
      // Three and five, the last time; what was started in between was ended by storing.
      expect(ebpf.variable('fired').value).toBe(8n);
    } finally {
      await ebpf.close();
    }
  },
);

test('a lock in a map that cannot have one is refused before the load, by name', async () => {
  const spec = ObjectSpec.parse(readFileSync(sample('locked_values')), { name: 'locked_values.bpf.o' });
  spec.map('pairs').type = MapType.LRU_HASH;
  await expect(Ebpf.load(spec)).rejects.toMatchObject({
    name: 'UnsupportedError',
    feature: 'spin locks in maps of type LRU_HASH',
    message: expect.stringContaining('of map "pairs" member "lock" of the value is a struct bpf_spin_lock') as string,
  });
});

testIf(kernelHasSymbol('btf_parse_fields'), 'kernel 6.2')('a struct with two locks is named', async () => {
  await expect(Ebpf.load(sample('two_locks'))).rejects.toMatchObject({
    name: 'UnsupportedError',
    message:
      'types of "two_locks.bpf.o": the kernel refuses them: struct "pair" has the locks "left" and "right"; ' +
      'the kernel takes one in a struct',
    cause: { errnoName: 'E2BIG' },
  });
});
