import { MapType } from '../../../lib/abi/index.js';
import { Btf, BtfBuilder } from '../../../lib/btf/index.js';
import { UsageError } from '../../../lib/errors/index.js';
import { MapSpec, type MapSpecOptions } from '../../../lib/object/index.js';
import { type MapPlan, relocate } from '../../../lib/relocate/index.js';
import { facts, objectOf } from './fixtures.js';

const builder = new BtfBuilder({ littleEndian: true });
for (let id = 1; id <= 5; id++) builder.addInt(`type_${id}`, { size: 4 });
const btf = Btf.parse(builder.encode(), { name: 'test.bpf.o' });

function plan(options: Partial<MapSpecOptions>, kernel: Partial<typeof facts> = {}): MapPlan {
  const spec = new MapSpec({ name: 'events', type: MapType.HASH, ...options });
  const { maps } = relocate(objectOf([], { maps: new Map([[spec.name, spec]]), btf }), { ...facts, ...kernel });
  const [only] = maps;
  if (only === undefined) throw new Error('no map is planned');
  return only;
}

test.each([
  [0, 4096, 0],
  [1, 4096, 4096],
  [4096, 4096, 4096],
  [4097, 4096, 8192],
  [10_000, 4096, 16_384],
  [262_144, 4096, 262_144],
  [10_000, 65_536, 65_536],
  [0x8000_0000, 4096, 0x8000_0000],
])('a ring of %i bytes has, with pages of %i, %i', (maxEntries, pageSize, expected) => {
  expect(plan({ type: MapType.RINGBUF, maxEntries }, { pageSize }).maxEntries).toBe(expected);
  expect(plan({ type: MapType.USER_RINGBUF, maxEntries }, { pageSize }).maxEntries).toBe(expected);
});

test('a ring beyond what the kernel can be told is refused', () => {
  expect(() => plan({ type: MapType.RINGBUF, maxEntries: 0x8000_0001 })).toThrow(
    /^maps.events.maxEntries: a ring buffer of 2147483649 bytes is too large/,
  );
});

test('a perf event array has an entry per possible CPU unless it says otherwise', () => {
  expect(plan({ type: MapType.PERF_EVENT_ARRAY }).maxEntries).toBe(6);
  expect(plan({ type: MapType.PERF_EVENT_ARRAY, maxEntries: 2 }).maxEntries).toBe(2);
  expect(plan({ type: MapType.HASH, maxEntries: 0 }).maxEntries).toBe(0);
});

test('types of keys and values go along where the kernel takes them', () => {
  const types = { keyType: 3, valueType: 5 };
  expect(plan({ type: MapType.HASH, ...types })).toMatchObject({ btfKeyTypeId: 3, btfValueTypeId: 5 });
  expect(plan({ type: MapType.ARRAY, ...types })).toMatchObject({ btfKeyTypeId: 3, btfValueTypeId: 5 });
  const without = [
    'PERF_EVENT_ARRAY',
    'CGROUP_ARRAY',
    'STACK_TRACE',
    'DEVMAP',
    'CPUMAP',
    'XSKMAP',
    'SOCKHASH',
    'RINGBUF',
  ] as const;
  for (const type of without) {
    expect(plan({ type: MapType[type], ...types })).toMatchObject({ btfKeyTypeId: 0, btfValueTypeId: 0 });
  }
});

test('an object without types has none for its maps', () => {
  const spec = new MapSpec({ name: 'm', type: MapType.HASH, keyType: 3, valueType: 5 });
  const { maps } = relocate(objectOf([], { maps: new Map([['m', spec]]) }), facts);
  expect(maps[0]).toMatchObject({ btfKeyTypeId: 0, btfValueTypeId: 0 });
});

test('what is inside a map-in-map is planned alike', () => {
  const inner = new MapSpec({ name: 'ring', type: MapType.RINGBUF, maxEntries: 5000 });
  const outer = plan({ type: MapType.ARRAY_OF_MAPS, valueType: 5, inner });
  expect(outer.inner).toMatchObject({ spec: inner, maxEntries: 8192 });
  expect(outer.btfValueTypeId).toBe(0);
  expect(plan({}).inner).toBeUndefined();
});

test('contents and freezing are the data map’s', () => {
  const initialValue = Uint8Array.of(1, 2, 3, 4);
  const rodata = plan({
    name: '.rodata',
    kind: 'data',
    type: MapType.ARRAY,
    valueSize: 4,
    initialValue,
    readOnly: true,
  });
  expect(rodata).toMatchObject({ initialValue, freeze: true });
  expect(plan({ name: '.bss', kind: 'data', type: MapType.ARRAY, valueSize: 4 })).toMatchObject({
    initialValue: undefined,
    freeze: false,
  });
  expect(() => plan({ type: MapType.ARRAY, valueSize: 8, initialValue })).toThrow(UsageError);
  expect(() => plan({ type: MapType.ARRAY, valueSize: 8, initialValue })).toThrow(/4 bytes were given .* has 8/);
});

test('names are what the kernel takes, also when given by hand', () => {
  expect(plan({ name: 'a-name/with:odd characters' }).kernelName).toBe('a_name_with_odd');
  expect(plan({ name: 'x', kernelName: 'not valid, and too long' }).kernelName).toBe('not_valid__and_');
});

test('maps are planned in their order, those not to be created left out', () => {
  const specs = ['c', 'a', 'b'].map((name) => new MapSpec({ name, type: MapType.HASH, autoCreate: name !== 'a' }));
  const { maps } = relocate(objectOf([], { maps: new Map(specs.map((spec) => [spec.name, spec])) }), facts);
  expect(maps.map(({ spec }) => spec.name)).toEqual(['c', 'b']);
});
