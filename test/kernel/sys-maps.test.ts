import { constants, endianness } from 'node:os';

import { BpfCommand, MapFlag, MapType, MapUpdateFlag } from '../../lib/abi/index.js';
import { EbpfError, UsageError } from '../../lib/errors/index.js';
import {
  createMap,
  freezeMap,
  listIds,
  loadBtf,
  mapBatch,
  mapDelete,
  mapLookup,
  mapLookupAndDelete,
  mapNextKey,
  Mapping,
  mapShape,
  mapUpdate,
  mapUpdateHandle,
  objectInfo,
  openById,
  type CreateMapOptions,
  type Handle,
  type MapBatchBuffers,
} from '../../lib/sys/index.js';
import { BtfBuilder } from '../../lib/index.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { until } from '../helpers/until.js';

const { ENOENT, EINVAL, EBADF, EEXIST, EPERM } = constants.errno;
/** The kernel's own (include/linux/errno.h). */
const ENOTSUPP = 524;

const bytes32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);
/** As the processor has it, little- or big-endian. */
const numberOf = (bytes: Uint8Array) => new Uint32Array(bytes.slice().buffer)[0];
const bytes64 = (...values: bigint[]) => new Uint8Array(BigUint64Array.from(values).buffer);

const opened: { close: () => void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

async function makeMap(options: Partial<CreateMapOptions> = {}): Promise<Handle> {
  const map = await createMap({
    type: MapType.HASH,
    name: 'sys_test',
    keySize: 4,
    valueSize: 8,
    maxEntries: 64,
    ...options,
  });
  opened.push(map);
  return map;
}

describe('elements', () => {
  test('are stored, found, walked and deleted in a hash', async () => {
    const map = await makeMap();
    const value = new Uint8Array(8);
    expect(mapLookup(map, bytes32(1), value, 0)).toBe(-ENOENT);
    expect(mapUpdate(map, bytes32(1), bytes64(0x1122334455667788n), MapUpdateFlag.NOEXIST)).toBe(0);
    expect(mapUpdate(map, bytes32(1), bytes64(5n), MapUpdateFlag.NOEXIST)).toBe(-EEXIST);
    expect(mapUpdate(map, bytes32(2), bytes64(6n), MapUpdateFlag.EXIST)).toBe(-ENOENT);
    expect(mapUpdate(map, bytes32(2), bytes64(6n), MapUpdateFlag.ANY)).toBe(0);
    expect(mapLookup(map, bytes32(1), value, 0)).toBe(0);
    expect(value).toEqual(bytes64(0x1122334455667788n));

    const keys: (number | undefined)[] = [];
    const next = new Uint8Array(4);
    for (let key: Uint8Array | null = null; mapNextKey(map, key, next) === 0; key = next) keys.push(numberOf(next));
    expect(keys.sort()).toEqual([1, 2]);

    // Since 5.14 (3e87f192b405); earlier kernels have it for queues and stacks only.
    if (kernelHasSymbol('htab_map_lookup_and_delete_elem')) {
      expect(mapLookupAndDelete(map, bytes32(2), value, 0)).toBe(0);
    } else {
      expect(mapLookupAndDelete(map, bytes32(2), value, 0)).toBe(-ENOTSUPP);
      expect(mapLookup(map, bytes32(2), value, 0)).toBe(0);
      expect(mapDelete(map, bytes32(2))).toBe(0);
    }
    expect(value).toEqual(bytes64(6n));
    expect(mapDelete(map, bytes32(1))).toBe(0);
    expect(mapDelete(map, bytes32(1))).toBe(-ENOENT);
    expect(mapNextKey(map, null, next)).toBe(-ENOENT);
  });

  test('are stored in place in an array', async () => {
    const map = await makeMap({ type: MapType.ARRAY, maxEntries: 3 });
    expect(mapUpdate(map, bytes32(2), bytes64(9n), 0)).toBe(0);
    const value = new Uint8Array(8);
    expect(mapLookup(map, bytes32(2), value, 0)).toBe(0);
    expect(value).toEqual(bytes64(9n));
    expect(mapLookup(map, bytes32(3), value, 0)).toBe(-ENOENT);
    expect(mapDelete(map, bytes32(2))).toBe(-EINVAL);
  });

  test('work on views in the middle of a buffer and touch nothing around them', async () => {
    const map = await makeMap();
    const memory = new Uint8Array(32).fill(0xee);
    expect(mapUpdate(map, bytes32(1), bytes64(7n), 0)).toBe(0);
    expect(mapLookup(map, bytes32(1), memory.subarray(9, 17), 0)).toBe(0);
    expect(memory.slice(9, 17)).toEqual(bytes64(7n));
    expect([...memory.slice(0, 9), ...memory.slice(17)].every((byte) => byte === 0xee)).toBe(true);
  });

  test('of a queue have no key', async () => {
    const map = await makeMap({ type: MapType.QUEUE, keySize: 0 });
    expect(mapUpdate(map, null, bytes64(1n), 0)).toBe(0);
    expect(mapUpdate(map, null, bytes64(2n), 0)).toBe(0);
    const value = new Uint8Array(8);
    expect(mapLookup(map, null, value, 0)).toBe(0);
    expect(value).toEqual(bytes64(1n));
    expect(mapLookupAndDelete(map, null, value, 0)).toBe(0);
    expect(mapLookupAndDelete(map, null, value, 0)).toBe(0);
    expect(value).toEqual(bytes64(2n));
    expect(mapLookupAndDelete(map, null, value, 0)).toBe(-ENOENT);
    expect(mapLookup(map, bytes32(1), value, 0)).toBe(-EINVAL);
  });

  test('of a per-CPU map take 8-byte aligned values of every possible CPU', async () => {
    const map = await makeMap({ type: MapType.PERCPU_ARRAY, valueSize: 4, maxEntries: 1 });
    const { valueBytes } = mapShape(map);
    expect(valueBytes % 8).toBe(0);
    expect(valueBytes).toBeGreaterThanOrEqual(8);
    expect(mapLookup(map, bytes32(0), new Uint8Array(valueBytes), 0)).toBe(0);
    expect(mapLookup(map, bytes32(0), new Uint8Array(valueBytes - 1), 0)).toBe(-EINVAL);
  });

  test('of a map of maps are handles', async () => {
    const inner = await makeMap({ type: MapType.ARRAY, maxEntries: 1 });
    const outer = await makeMap({ type: MapType.ARRAY_OF_MAPS, valueSize: 4, maxEntries: 2, innerMap: inner });
    expect(mapUpdateHandle(outer, bytes32(1), inner, 0)).toBe(0);
    const id = new Uint8Array(4);
    expect(mapLookup(outer, bytes32(1), id, 0)).toBe(0);
    expect(numberOf(id)).toBe(objectInfo(inner, 'map').id);
    // A number that JavaScript made up is no descriptor.
    expect(mapUpdate(outer, bytes32(0), bytes32(3), 0)).toBe(-EBADF);
    inner.close();
    expect(mapUpdateHandle(outer, bytes32(0), inner, 0)).toBe(-EBADF);
  });
});

describe('buffers that are too short are refused', () => {
  test.each([
    ['an empty', 0],
    ['a short', 3],
  ])('%s key', async (_, size) => {
    const map = await makeMap();
    const key = new Uint8Array(size);
    expect(mapLookup(map, key, new Uint8Array(8), 0)).toBe(-EINVAL);
    expect(mapUpdate(map, key, new Uint8Array(8), 0)).toBe(-EINVAL);
    expect(mapDelete(map, key)).toBe(-EINVAL);
    expect(mapNextKey(map, key, new Uint8Array(4))).toBe(-EINVAL);
    expect(mapNextKey(map, null, key)).toBe(-EINVAL);
    expect(mapLookup(map, null, new Uint8Array(8), 0)).toBe(-EINVAL);
  });

  test('a value', async () => {
    const map = await makeMap();
    expect(mapUpdate(map, bytes32(1), bytes64(1n), 0)).toBe(0);
    const memory = new Uint8Array(8).fill(0xee);
    for (const size of [0, 1, 7]) {
      expect(mapLookup(map, bytes32(1), memory.subarray(0, size), 0)).toBe(-EINVAL);
      expect(mapUpdate(map, bytes32(1), memory.subarray(0, size), 0)).toBe(-EINVAL);
    }
    expect(memory).toEqual(new Uint8Array(8).fill(0xee));
  });

  test('the buffers of a batch', async () => {
    const map = await makeMap();
    const keys = new Uint8Array(4 * 4);
    const values = new Uint8Array(4 * 8);
    const nextPosition = new Uint8Array(4);
    const batch = (changes: Partial<MapBatchBuffers>, entries = 4) =>
      mapBatch(map, BpfCommand.MAP_LOOKUP_BATCH, {
        ...{ position: null, nextPosition, keys, values, count: Uint32Array.of(entries) },
        ...changes,
      });
    expect(batch({})).toBe(-ENOENT);
    expect(batch({ keys: keys.subarray(1) })).toBe(-EINVAL);
    expect(batch({ values: values.subarray(1) })).toBe(-EINVAL);
    expect(batch({ values: null })).toBe(-EINVAL);
    expect(batch({ nextPosition: nextPosition.subarray(1) })).toBe(-EINVAL);
    expect(batch({ position: nextPosition.subarray(1) })).toBe(-EINVAL);
    expect(batch({ nextPosition: null })).toBe(-EINVAL);
    expect(batch({}, 5)).toBe(-EINVAL);
    expect(batch({}, 0xffff_ffff)).toBe(-EINVAL);
    expect(batch({ count: new Uint32Array(0) })).toBe(-EINVAL);
  });
});

test.each([
  ['a hash', MapType.HASH],
  ['an array', MapType.ARRAY],
])('batches fill, walk and empty %s', async (_, type) => {
  const entries = 64;
  const map = await makeMap({ type, maxEntries: entries });
  const keys = bytes32(...Array.from({ length: entries }, (_unused, index) => index));
  const values = bytes64(...Array.from({ length: entries }, (_unused, index) => BigInt(index) * 3n));
  const count = Uint32Array.of(entries);
  const whole = { position: null, nextPosition: null, keys, values, count };
  expect(mapBatch(map, BpfCommand.MAP_UPDATE_BATCH, whole)).toBe(0);
  expect(count[0]).toBe(entries);

  const found = new Map<number, bigint>();
  const position = new Uint8Array(4);
  const someKeys = new Uint32Array(40);
  const someValues = new BigUint64Array(40);
  const some = { keys: new Uint8Array(someKeys.buffer), values: new Uint8Array(someValues.buffer) };
  for (let start: Uint8Array | null = null; ; start = position) {
    count[0] = 40;
    const buffers = { position: start, nextPosition: position, ...some, count };
    const result = mapBatch(map, BpfCommand.MAP_LOOKUP_BATCH, buffers);
    for (const [index, key] of someKeys.subarray(0, count[0]).entries()) found.set(key, someValues[index] ?? 0n);
    if (result === -ENOENT) break;
    expect(result).toBe(0);
  }
  expect(found.size).toBe(entries);
  expect(found.get(63)).toBe(189n);

  count[0] = entries;
  const emptied = mapBatch(map, BpfCommand.MAP_DELETE_BATCH, { ...whole, values: null });
  // Arrays have no batch deletion (-ENOTSUPP): refused before it began, so nothing was done.
  expect(emptied).toBe(type === MapType.HASH ? 0 : -524);
  expect(count[0]).toBe(type === MapType.HASH ? entries : 0);
});

describe('handles', () => {
  test('are refused once closed, and closing again does nothing', async () => {
    const map = await makeMap();
    map.close();
    expect(map.closed).toBe(true);
    map.close();
    await map.closeAsync();
    expect(mapLookup(map, bytes32(1), new Uint8Array(8), 0)).toBe(-EBADF);
    expect(() => freezeMap(map)).toThrow(UsageError);
    expect(() => freezeMap(map)).toThrow('map "sys_test" is closed');
  });

  test('a stale token is not that of whatever takes its place', async () => {
    const map = await makeMap();
    const { token } = map;
    map.close();
    const other = await makeMap({ name: 'other' });
    expect(other.token).not.toBe(token);
    for (const made of [token, 0, -5, 1.5, 2 ** 40, Number.MAX_SAFE_INTEGER, NaN, Infinity]) {
      map.token = made;
      expect(mapLookup(map, bytes32(1), new Uint8Array(8), 0)).toBe(-EBADF);
    }
    map.token = -1;
  });

  test('closeAsync closes off the event loop', async () => {
    const map = await makeMap();
    const { id } = objectInfo(map, 'map');
    await map.closeAsync();
    expect(map.closed).toBe(true);
    await until(() => !listIds('map').includes(id));
  });

  test('an object is found by its id', async () => {
    const map = await makeMap();
    const { id } = objectInfo(map, 'map');
    expect(listIds('map')).toContain(id);
    const again = openById('map', id);
    opened.push(again);
    expect(mapUpdate(again, bytes32(1), bytes64(3n), 0)).toBe(0);
    expect(mapLookup(map, bytes32(1), new Uint8Array(8), 0)).toBe(0);
    expect(() => openById('map', 0x7fff_ffff)).toThrow(
      'cannot open map 2147483647: bpf(BPF_MAP_GET_FD_BY_ID) failed with ENOENT',
    );
  });
});

test('the kernel tells what a map is', async () => {
  const map = await makeMap();
  expect(mapShape(map)).toEqual({
    ...{ type: MapType.HASH, keySize: 4, valueSize: 8, maxEntries: 64, flags: 0, valueBytes: 8 },
  });
  expect(objectInfo(map, 'map')).toMatchObject({ type: MapType.HASH, name: 'sys_test', keySize: 4, maxEntries: 64 });
});

test('a refused map says what was attempted', async () => {
  const refused: unknown = await makeMap({ type: MapType.ARRAY, keySize: 3 }).catch((error: unknown) => error);
  expect(EbpfError.is(refused)).toBe(true);
  expect(refused).toMatchObject({
    code: 'ERR_EBPF_KERNEL',
    errno: -EINVAL,
    errnoName: 'EINVAL',
    syscall: 'bpf(BPF_MAP_CREATE)',
    message: 'cannot create map "sys_test": bpf(BPF_MAP_CREATE) failed with EINVAL',
  });
  await expect(makeMap({ name: 'a name with spaces' })).rejects.toThrow(UsageError);
});

test('a frozen map takes no more updates', async () => {
  const map = await makeMap({ type: MapType.ARRAY });
  freezeMap(map);
  expect(mapUpdate(map, bytes32(0), bytes64(1n), 0)).toBe(-EPERM);
});

describe('a mapping', () => {
  async function makeMapping(writable: boolean): Promise<{ map: Handle; mapping: Mapping }> {
    const map = await makeMap({ type: MapType.ARRAY, maxEntries: 2, flags: MapFlag.MMAPABLE });
    const mapping = Mapping.create(map, 16, { writable });
    opened.push(mapping);
    return { map, mapping };
  }

  test('reads and writes what the map holds', async () => {
    const { map, mapping } = await makeMapping(true);
    mapping.write(8, bytes64(0xfedcba9876543210n));
    const value = new Uint8Array(8);
    expect(mapLookup(map, bytes32(1), value, 0)).toBe(0);
    expect(value).toEqual(bytes64(0xfedcba9876543210n));
    mapUpdate(map, bytes32(0), bytes64(42n), 0);
    mapping.read(0, value);
    expect(value).toEqual(bytes64(42n));
    const all = Uint8Array.from([...bytes64(42n), ...bytes64(0xfedcba9876543210n)]);
    for (const offset of [0, 3, 4]) {
      for (const size of [0, 1, 2, 3, 4, 5, 8, 12]) {
        const part = new Uint8Array(size);
        mapping.read(offset, part);
        expect(part).toEqual(all.slice(offset, offset + size));
      }
    }
    mapping.write(4, bytes32(7));
    mapping.write(2, Uint8Array.of(1, 2));
    mapping.read(0, value);
    const expected = Uint8Array.from([...bytes64(42n).subarray(0, 4), ...bytes32(7)]);
    expected.set([1, 2], 2);
    expect(value).toEqual(expected);
  });

  test('refuses what leaves it, writing a read-only one, and any use once closed', async () => {
    const { map, mapping } = await makeMapping(false);
    expect(() => mapping.read(9, new Uint8Array(8))).toThrow('8 bytes at 9 leave the 16 bytes mapped');
    expect(() => mapping.read(-1, new Uint8Array(1))).toThrow(UsageError);
    expect(() => mapping.read(0, new Uint8Array(17))).toThrow(UsageError);
    expect(() => mapping.read(2 ** 52, new Uint8Array(1))).toThrow(UsageError);
    expect(() => mapping.write(0, new Uint8Array(8))).toThrow('this mapping is read-only');
    map.close();
    mapping.read(0, new Uint8Array(8));
    mapping.close();
    mapping.close();
    expect(() => mapping.read(0, new Uint8Array(8))).toThrow('mapping "sys_test" is closed');
  });

  test('is refused for a map without MMAPABLE', async () => {
    const map = await makeMap({ type: MapType.ARRAY });
    expect(() => Mapping.create(map, 16, { writable: true })).toThrow(/cannot map map "sys_test" into memory: mmap/);
  });
});

test('the kernel takes spin locks in values where our table says so', async () => {
  const builder = new BtfBuilder({ littleEndian: endianness() === 'LE' });
  const u32 = builder.addInt('unsigned int', { size: 4 });
  const at = (name: string, type: number, bitOffset: number) => ({ name, type, bitOffset, bitSize: 0 });
  const lock = builder.addStruct('bpf_spin_lock', 4, [at('val', u32, 0)]);
  const locked = builder.addStruct('locked', 8, [at('count', u32, 0), at('lock', lock, 32)]);
  const btf = await loadBtf(builder.encode());
  opened.push(btf);
  const taken: string[] = [];
  for (const name of ['HASH', 'ARRAY', 'LRU_HASH', 'PERCPU_HASH', 'LRU_PERCPU_HASH', 'PERCPU_ARRAY'] as const) {
    const types = { btf, btfKeyTypeId: u32, btfValueTypeId: locked };
    try {
      const sizes = { keySize: 4, valueSize: 8, maxEntries: 4 };
      opened.push(await createMap({ type: MapType[name], name, ...sizes, ...types }));
      taken.push(name);
    } catch (error) {
      // EOPNOTSUPP, which Node calls ENOTSUP; before Linux 5.15 the kernel's own ENOTSUPP.
      expect(error).toMatchObject({ errnoName: expect.stringMatching(/^ENOTSUPP?$/) as string });
    }
  }
  expect(taken).toEqual(['HASH', 'ARRAY']);
});
