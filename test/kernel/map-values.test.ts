// What objects say their maps begin with, and sections that are read but seldom seen.
import { readFileSync } from 'node:fs';

import { AttachType, ArrayMap, BpfMap, Ebpf, ObjectSpec, ProgramType, UsageError } from '../../lib/index.js';
import { sample } from '../helpers/samples.js';

const bytes = new Uint8Array(readFileSync(sample('map_values')));
const packet = { data: new Uint8Array(64) };

/** `filter` stands in a section that says no type. */
function objectSpec(): ObjectSpec {
  const spec = ObjectSpec.parse(bytes, { name: 'map_values.bpf.o' });
  spec.program('letters').type = ProgramType.SOCKET_FILTER;
  return spec;
}

async function withLoaded(spec: ObjectSpec, use: (ebpf: Ebpf) => Promise<void>): Promise<void> {
  const ebpf = await Ebpf.load(spec);
  try {
    await use(ebpf);
  } finally {
    await ebpf.close();
  }
}

test('maps of maps begin with the maps of their definition, each in its slot', async () => {
  await withLoaded(objectSpec(), async (ebpf) => {
    ebpf.map('first', ArrayMap).set(0, 101n);
    ebpf.map('second', ArrayMap).set(0, 202n);
    const look = async (slot: number): Promise<unknown[]> => {
      ebpf.variable('wanted_slot').value = slot;
      await ebpf.program('look').testRun(packet);
      return [ebpf.variable('found').value, ebpf.variable('found_by_key').value];
    };
    // 1 when there is no map in the slot.
    expect(await look(0)).toEqual([1n, 202n]);
    expect(await look(1)).toEqual([101n, 1n]);
    expect(await look(2)).toEqual([1n, 101n]);
    expect(await look(3)).toEqual([202n, 1n]);
    expect(ebpf.variable('sum').value).toBe(18n);
    expect(ebpf.map('empty')).toBeInstanceOf(BpfMap);
  });
});

test('program arrays begin with the programs of their definition', async () => {
  await withLoaded(objectSpec(), async (ebpf) => {
    const results: number[] = [];
    for (const tail of [0, 1, 2, 3]) {
      ebpf.variable('wanted_tail').value = tail;
      results.push((await ebpf.program('jump').testRun(packet)).returnValue);
    }
    expect(results).toEqual([99, 11, 99, 33]);
  });
});

test('slots can be changed before the load, and what is left out of it stays out of them', async () => {
  const spec = objectSpec();
  spec.map('tails').slots = [{ index: 2, kind: 'program', name: 'tail_one' }];
  spec.map('by_key').slots = [{ index: 0, kind: 'map', name: 'first' }];
  spec.program('tail_three').autoload = false;
  await withLoaded(spec, async (ebpf) => {
    ebpf.map('first', ArrayMap).set(0, 7n);
    ebpf.variable('wanted_slot').value = 0;
    ebpf.variable('wanted_tail').value = 2;
    await ebpf.program('look').testRun(packet);
    expect(ebpf.variable('found_by_key').value).toBe(7n);
    expect((await ebpf.program('jump').testRun(packet)).returnValue).toBe(11);
  });
});

test('a program of no known section runs as the type it is given, and reads strings that have no variable', async () => {
  await withLoaded(objectSpec(), async (ebpf) => {
    const filter = ebpf.program('letters');
    expect([filter.type, filter.attachType]).toEqual([ProgramType.SOCKET_FILTER, AttachType.CGROUP_INET_INGRESS]);
    ebpf.variable('wanted_slot').value = 2;
    expect((await filter.testRun(packet)).returnValue).toBe('letters'.charCodeAt(2));
    expect(ebpf.maps.map(({ name }) => name)).toContain('.rodata.str1.1');
  });
  const untyped = ObjectSpec.parse(bytes, { name: 'map_values.bpf.o' });
  await expect(Ebpf.load(untyped)).rejects.toThrow(UsageError);
  await expect(Ebpf.load(untyped)).rejects.toThrow('section "filter" names no program type');
});

test('one parsed object is loaded many times', async () => {
  const spec = objectSpec();
  await withLoaded(spec, async (one) => {
    await withLoaded(spec, async (two) => {
      one.map('first', ArrayMap).set(0, 1n);
      two.map('first', ArrayMap).set(0, 2n);
      for (const [ebpf, value] of [
        [one, 1n],
        [two, 2n],
      ] as const) {
        await ebpf.program('look').testRun(packet);
        expect(ebpf.variable('found').value).toBe(value);
      }
    });
  });
});
