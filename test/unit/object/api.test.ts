// What can be read of an object, and edited before a load.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { AttachType, MapFlag, MapType, ProgramType } from '../../../lib/abi/index.js';
import { BtfKind } from '../../../lib/btf/index.js';
import { ObjectSpec } from '../../../lib/object/index.js';

const samples = join(__dirname, '../../../bpf-samples');

function sample(name: string): ObjectSpec {
  return ObjectSpec.parse(new Uint8Array(readFileSync(join(samples, name))), { name });
}

test.each([
  ['bpf', 'little'],
  ['bpfeb', 'big'],
])('an object says what it is: %s', (suffix, endianness) => {
  const spec = sample(`map_values.${suffix}.o`);
  expect(spec).toMatchObject({ endianness, license: 'Dual MIT/GPL', kernelVersion: 0, warnings: [] });
  expect(spec.program('look')).toMatchObject({
    name: 'look',
    section: 'socket',
    type: ProgramType.SOCKET_FILTER,
    attachType: AttachType.CGROUP_INET_INGRESS,
    attachTo: undefined,
    autoload: true,
    autoAttach: true,
    flags: 0,
  });
  expect(spec.program('look').instructions.byteLength % 8).toBe(0);
  expect(spec.program('look').function.lines.offsets[0]).toBe(0);
  expect([...spec.functions.keys()]).toEqual(['read_inner']);
  expect([...spec.programs.keys()]).toEqual(['tail_one', 'tail_three', 'look', 'jump', 'letters']);
  expect(spec.map('by_index')).toMatchObject({
    type: MapType.ARRAY_OF_MAPS,
    keySize: 4,
    valueSize: 4,
    maxEntries: 4,
    key: { kind: BtfKind.TYPEDEF, name: '__u32' },
    value: undefined,
    inner: { name: 'by_index.inner', type: MapType.ARRAY, value: { kind: BtfKind.TYPEDEF, name: '__u64' } },
    slots: [
      { index: 1, kind: 'map', name: 'first' },
      { index: 3, kind: 'map', name: 'second' },
    ],
  });
  expect(spec.map('empty')).toMatchObject({ inner: { valueSize: 8 }, slots: [], key: undefined });
  expect(spec.map('on_node')).toMatchObject({ flags: MapFlag.NUMA_NODE, numaNode: 0 });
  expect(spec.map('tails').slots).toEqual([
    { index: 1, kind: 'program', name: 'tail_one' },
    { index: 3, kind: 'program', name: 'tail_three' },
  ]);
  expect(spec.map('unseen').type).toBe(MapType.ARRAY);
  expect(spec.map('.rodata.str1.1')).toMatchObject({ valueSize: 8, readOnly: true, valueType: 0, value: undefined });
  expect(spec.map('.data')).toMatchObject({ value: { kind: BtfKind.DATASEC, name: '.data' } });
  const { section, offset, size, constant, type, value } = spec.variable('weak_variable');
  expect({ section, size, constant, type, value }).toMatchObject({
    section: '.data',
    size: 4,
    constant: false,
    type: { kind: BtfKind.TYPEDEF, name: '__u32' },
    value: 5,
  });
  expect(offset % 4).toBe(0);
});

test('what is edited is what a load sees, and a parsed object stays as it was', () => {
  const spec = sample('map_values.bpf.o');
  const copy = spec.clone();
  Object.assign(copy, { license: 'GPL', kernelVersion: 0x050a00 });
  Object.assign(copy.program('look'), {
    type: ProgramType.XDP,
    attachType: AttachType.XDP,
    autoAttach: false,
    flags: 32,
  });
  Object.assign(copy.map('first'), {
    type: MapType.HASH,
    maxEntries: 7,
    flags: MapFlag.NO_PREALLOC,
    numaNode: 1,
    mapExtra: 3n,
    pinning: 'by-name',
    pinPath: '/sys/fs/bpf/x',
    autoCreate: false,
  });
  Object.assign(copy.map('by_index').inner ?? {}, { maxEntries: 9 });
  copy.map('tails').slots = [];
  copy.variable('weak_variable').value = 6;
  expect(spec).toMatchObject({ license: 'Dual MIT/GPL', kernelVersion: 0 });
  expect(spec.program('look')).toMatchObject({ type: ProgramType.SOCKET_FILTER, autoAttach: true, flags: 0 });
  expect(spec.map('first')).toMatchObject({ type: MapType.ARRAY, maxEntries: 1, pinning: 'none', autoCreate: true });
  expect(spec.map('by_index').inner?.maxEntries).toBe(1);
  expect(spec.map('tails').slots).toHaveLength(2);
  expect(spec.variable('weak_variable').value).toBe(5);
  expect(copy.variable('weak_variable').value).toBe(6);
  expect(copy.map('first').clone()).toMatchObject({ mapExtra: 3n, numaNode: 1, pinPath: '/sys/fs/bpf/x' });
});
