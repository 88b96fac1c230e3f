import { closeSync, openSync } from 'node:fs';

import { CgroupArray, Ebpf, cgroupId } from '../../lib/index.js';
import { TestCgroup, cgroupRoot } from '../helpers/cgroup.js';
import { rawArguments, sample } from '../helpers/samples.js';

let ebpf: Ebpf;
let cgroup: TestCgroup;
let cgroups: CgroupArray;

beforeEach(async () => {
  cgroup = new TestCgroup();
  ebpf = await Ebpf.load(sample('cgroup_membership'));
  cgroups = ebpf.map('cgroups', CgroupArray);
});

afterEach(async () => {
  await ebpf.close();
  cgroup.close();
});

/** EAGAIN: what the helpers answer for an empty slot. */
const empty = -11n;

async function membership(): Promise<unknown[]> {
  await ebpf.program('task').testRun({ context: rawArguments(0) });
  return [ebpf.variable('first').value, ebpf.variable('second').value];
}

describe('CgroupArray', () => {
  test('lets programs ask where the current task is', async () => {
    expect(await membership()).toEqual([empty, empty]);
    cgroups.set(0, cgroup.path);
    cgroups.set(1, cgroupRoot());
    expect(await membership()).toEqual([0n, 1n]);
    await cgroup.within(async () => {
      expect(await membership()).toEqual([1n, 1n]);
    });
    expect(await membership()).toEqual([0n, 1n]);
    expect([cgroups.delete(1), cgroups.delete(1)]).toEqual([true, false]);
    expect(await membership()).toEqual([0n, empty]);
  });

  test("lets programs ask where a packet's socket is", async () => {
    // A test run's socket is in the cgroup of the process since Linux 5.18; before, it is in the root.
    cgroups.set(1, cgroupRoot());
    cgroups.set(0, cgroup.path);
    await cgroup.within(async () => {
      await ebpf.program('packet').testRun({ data: new Uint8Array(64) });
    });
    expect([0n, 1n]).toContain(ebpf.variable('first').value);
    expect(ebpf.variable('second').value).toBe(1n);
  });

  test('takes open directories, for the call only', async () => {
    const fd = openSync(cgroupRoot(), 'r');
    cgroups.set(0, fd);
    cgroups.set(1, { fd });
    closeSync(fd);
    expect(await membership()).toEqual([1n, 1n]);
  });

  test('is made without an object', async () => {
    using made = await CgroupArray.create({ maxEntries: 2 });
    made.set(0, cgroup.path);
    expect(made.length).toBe(2);
    const other = await Ebpf.load(sample('cgroup_membership'), { maps: { cgroups: made } });
    try {
      await other.program('task').testRun({ context: rawArguments(0) });
      expect(other.variable('first').value).toBe(0n);
    } finally {
      await other.close();
    }
  });

  test.each<[unknown, string, string]>([
    ['/no/such/cgroup', 'cgroup', 'ENOENT'],
    ['/tmp', 'cgroup', 'is not in a cgroup2 file system'],
    [undefined, 'cgroup', 'must be a descriptor'],
  ])('refuses %p', (wrong, path, message) => {
    expect(() => {
      cgroups.set(0, wrong as string);
    }).toThrow(
      expect.objectContaining({
        code: 'ERR_EBPF_INVALID_VALUE',
        path,
        message: expect.stringContaining(message) as string,
      }) as Error,
    );
  });

  test('refuses slots that are not there', () => {
    expect(() => {
      cgroups.set(2, cgroup.path);
    }).toThrow('2 is past the end of map "cgroups", whose length is 2');
    expect(() => cgroups.delete(-1)).toThrow('must be a whole number from 0');
  });
});

describe('cgroupId', () => {
  test('is the inode of the directory', () => {
    expect(cgroupId(cgroup.path)).toBe(cgroup.id);
    const fd = openSync(cgroup.path, 'r');
    expect(cgroupId(fd)).toBe(cgroup.id);
    closeSync(fd);
    expect(() => cgroupId('/no/such/cgroup')).toThrow('cgroup: ENOENT');
    expect(() => cgroupId('/proc/self/status')).toThrow('cgroup: it is no directory');
  });
});
