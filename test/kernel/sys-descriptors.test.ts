import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';

import { BpfCommand, MapElementAttr, MapFlag, MapType } from '../../lib/abi/index.js';
import { EbpfError } from '../../lib/errors/index.js';
import { addon } from '../../lib/sys/addon.js';
import { AttributeWriter, Direction } from '../../lib/sys/attribute-writer.js';
import {
  adoptDescriptor,
  createMap,
  deleteAsync,
  descriptorInfo,
  loadBtf,
  mapLookup,
  mapUpdateHandle,
  objectInfo,
  readInMemory,
  storageDelete,
  storageLookup,
  storageUpdate,
  tryOpenProcess,
  updateHandleAsync,
  type CreateMapOptions,
  type Handle,
} from '../../lib/sys/index.js';
import { intBtf } from '../helpers/assemble.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { testIf } from '../helpers/skip.js';

const { EBADF, EINVAL, ENOENT, ERANGE, ESRCH, ENOTSOCK } = constants.errno;

const bytes32 = (...values: number[]) => new Uint8Array(Uint32Array.from(values).buffer);

/** Above what /proc/sys/kernel/pid_max can be. */
const noProcess = 0x40_0000 + 1;

const opened: { close: () => void }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

function keep<T extends { close: () => void }>(value: T): T {
  opened.push(value);
  return value;
}

async function makeMap(options: Partial<CreateMapOptions>): Promise<Handle> {
  const map = { type: MapType.ARRAY, name: 'sys_test', keySize: 4, valueSize: 4, maxEntries: 2, ...options };
  return keep(await createMap(map));
}

function openProcess(id: number, thread = false): Handle {
  const process = tryOpenProcess(id, thread);
  if (typeof process === 'number') throw new Error(`pidfd_open returned ${process}`);
  return keep(process);
}

describe('descriptors of something else', () => {
  test("are copies: the caller's may be closed", () => {
    const descriptor = openSync('/proc/self/status', 'r');
    const handle = keep(adoptDescriptor(descriptor, 'a file'));
    closeSync(descriptor);
    expect(descriptorInfo(handle).get('pos')).toBe('0');
    expect(() => adoptDescriptor(descriptor, 'a file')).toThrow('cannot use a file: fcntl failed with EBADF');
    for (const wrong of [-1, 2 ** 31, 2 ** 32 + 1, 1e300]) {
      expect(() => keep(adoptDescriptor(wrong, 'a file'))).toThrow(EbpfError);
    }
  });

  test('stand for processes', () => {
    const info = descriptorInfo(openProcess(process.pid));
    expect(info.get('Pid')).toBe(String(process.pid));
    expect(tryOpenProcess(noProcess, false)).toBe(-ESRCH);
    expect(tryOpenProcess(-1, false)).toBe(-EINVAL);
  });

  test('are not of what was closed', () => {
    const handle = openProcess(process.pid);
    handle.close();
    expect(descriptorInfo(handle).size).toBe(0);
  });
});

describe('maps that hold descriptors', () => {
  test('take them off the event loop too', async () => {
    const inner = await makeMap({});
    const outer = await makeMap({ type: MapType.ARRAY_OF_MAPS, innerMap: inner });
    expect(await updateHandleAsync(outer, bytes32(1), inner, 0)).toBe(0);
    const id = new Uint8Array(4);
    expect(mapLookup(outer, bytes32(1), id, 0)).toBe(0);
    expect(new Uint32Array(id.buffer)[0]).toBe(objectInfo(inner, 'map').id);
    expect(await deleteAsync(outer, bytes32(1))).toBe(0);
    expect(await deleteAsync(outer, bytes32(1))).toBe(-ENOENT);
  });

  test('take no number that JavaScript made up', async () => {
    const inner = await makeMap({});
    const outer = await makeMap({ type: MapType.ARRAY_OF_MAPS, innerMap: inner });
    const attr = new AttributeWriter(MapElementAttr)
      .handle('map_fd', outer)
      .pointer('key', bytes32(0), Direction.TO_KERNEL)
      .pointer('value', bytes32(5), Direction.TO_KERNEL);
    const { buffers, patches } = attr;
    expect(addon().mapElement(BpfCommand.MAP_UPDATE_ELEM, outer.token, buffers, patches)).toBe(-EINVAL);
    const late = new Uint8Array(8);
    const elsewhere = new AttributeWriter(MapElementAttr)
      .handle('map_fd', outer)
      .pointer('key', bytes32(0), Direction.TO_KERNEL)
      .pointer('value', late, Direction.TO_KERNEL)
      .handleIn(late, 4, inner);
    expect(addon().mapElement(BpfCommand.MAP_UPDATE_ELEM, outer.token, elsewhere.buffers, elsewhere.patches)).toBe(
      -EINVAL,
    );
  });

  test('take cgroups', async () => {
    const map = await makeMap({ type: MapType.CGROUP_ARRAY });
    expect(mapUpdateHandle(map, bytes32(0), openProcess(process.pid), 0)).toBe(-EBADF);
  });
});

/** A local storage of one `int`: the kernel takes none without types. */
async function storage(type: MapType): Promise<Partial<CreateMapOptions>> {
  const btf = keep(await loadBtf(intBtf()));
  return { type, maxEntries: 0, flags: MapFlag.NO_PREALLOC, btf, btfKeyTypeId: 1, btfValueTypeId: 1 };
}

const hasTaskStorage = kernelHasSymbol('bpf_pid_task_storage_lookup_elem');

describe('storage', () => {
  testIf(hasTaskStorage, 'kernel 5.11')('is found by a handle or by bytes', async () => {
    const map = await makeMap(await storage(MapType.TASK_STORAGE));
    const owner = openProcess(process.pid);
    const value = new Uint8Array(4);
    expect(storageLookup(map, owner, value, 0)).toBe(-ENOENT);
    expect(storageUpdate(map, owner, bytes32(7), 0)).toBe(0);
    expect(storageLookup(map, owner, value, 0)).toBe(0);
    expect(value).toEqual(bytes32(7));
    expect(storageLookup(map, bytes32(0x7fff_ffff), value, 0)).toBe(-EBADF);
    expect(storageLookup(map, new Uint8Array(3), value, 0)).toBe(-EINVAL);
    expect(storageDelete(map, owner)).toBe(0);
    expect(storageDelete(map, owner)).toBe(-ENOENT);
    owner.close();
    expect(storageLookup(map, owner, value, 0)).toBe(-EBADF);
  });

  test('of sockets is not found by something else', async () => {
    const map = await makeMap(await storage(MapType.SK_STORAGE));
    const owner = openProcess(process.pid);
    expect(storageLookup(map, owner, new Uint8Array(4), 0)).toBe(-ENOTSOCK);
  });
});

describe('a file that is in memory', () => {
  const path = '/proc/self/status';

  test('is read to its end behind what is there, off the event loop', async () => {
    const descriptor = openSync(path, 'r');
    try {
      const destination = new Uint8Array(65_536).fill(1);
      const count = await readInMemory(descriptor, destination, 2);
      expect(count).toBeGreaterThan(100);
      const text = Buffer.from(destination).toString('latin1');
      expect(text.slice(0, 7)).toBe('\x01\x01Name:');
      expect(text.slice(2 + count)).toBe('\x01'.repeat(65_536 - 2 - count));
      // The end again, and no room.
      expect(await readInMemory(descriptor, destination, 2)).toBe(0);
      expect(await readInMemory(descriptor, destination, destination.byteLength)).toBe(0);
    } finally {
      closeSync(descriptor);
    }
  });

  test('is not read to where there is no room, nor from what is no file', async () => {
    const room = new Uint8Array(8);
    const descriptor = openSync(path, 'r');
    try {
      expect(addon().read(descriptor, room, 9)).toBe(-ERANGE);
      expect(addon().read(descriptor, room, -1)).toBe(-EINVAL);
      expect(addon().read(descriptor, 'text' as unknown as Uint8Array, 0)).toBe(-EINVAL);
      expect(addon().read(descriptor, room, 0)).toBe(8);
    } finally {
      closeSync(descriptor);
    }
    await expect(readInMemory(-1, room, 0)).rejects.toMatchObject({ errnoName: 'EBADF', syscall: 'read' });
  });
});
