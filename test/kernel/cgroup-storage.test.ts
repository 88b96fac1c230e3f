import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';

import {
  AttachType,
  CgroupSockAddr,
  CgroupStorage,
  Ebpf,
  PerCpuCgroupStorage,
  cgroupId,
  struct,
  u32,
  u64,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { sample } from '../helpers/samples.js';

const Key = struct('bpf_cgroup_storage_key', { cgroup_inode_id: u64, attach_type: u32 });
const Connections = struct('connections', { count: u64, port: u32 });

let ebpf: Ebpf;
let cgroup: TestCgroup;
let server: Server;
let port: number;

beforeEach(async () => {
  cgroup = new TestCgroup();
  ebpf = await Ebpf.load(sample('cgroup_values'));
  server = createServer((socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
});

afterEach(async () => {
  await ebpf.close();
  cgroup.close();
  server.close();
  await once(server, 'close');
});

async function connectWithin(): Promise<void> {
  await cgroup.within(async () => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.resume();
    await once(socket, 'close');
  });
}

describe('CgroupStorage', () => {
  test('has a value for each place that a program is attached to, written from both sides', async () => {
    const values = ebpf.map('of_hook', CgroupStorage.of(Key, Connections));
    const key = { cgroup_inode_id: cgroupId(cgroup.path), attach_type: AttachType.CGROUP_INET4_CONNECT };
    expect([...values]).toEqual([]);
    expect(values.get(key)).toBeUndefined();
    expect(values.set(key, { count: 1, port: 0 })).toBe(false);

    const link = await ebpf.program('connect4', CgroupSockAddr).attach({ cgroup: cgroup.path });
    expect(values.get(key)).toEqual({ count: 0n, port: 0 });
    await connectWithin();
    expect(values.get(key)).toMatchObject({ count: 1n });
    expect(values.set(key, { count: 41, port: 0 })).toBe(true);
    await connectWithin();
    expect(values.get(key)?.count).toBe(42n);

    const other = await ebpf.program('connect6', CgroupSockAddr).attach({ cgroup: cgroup.path });
    const otherKey = { ...key, attach_type: AttachType.CGROUP_INET6_CONNECT };
    expect(values.has(otherKey)).toBe(true);
    expect(values.count()).toBe(2);
    expect(new Set([...values.keys()].map(({ attach_type }) => attach_type))).toEqual(
      new Set([key.attach_type, otherKey.attach_type]),
    );
    expect([...values.values()].map(({ count }) => count).sort()).toEqual([0n, 42n]);
    await other.close();
    await link.close();
  });

  test('is decoded by BTF', async () => {
    const link = await ebpf.program('connect4', CgroupSockAddr).attach({ cgroup: cgroup.path });
    const values = ebpf.map('of_hook', CgroupStorage);
    const key = { cgroup_inode_id: cgroup.id, attach_type: AttachType.CGROUP_INET4_CONNECT };
    expect([...values]).toEqual([[key, { count: 0n, port: 0 }]]);
    expect(() => values.get({ cgroup_inode_id: cgroup.id })).toThrow('key.attach_type');
    expect(() => values.set(key, { count: -1, port: 0 })).toThrow('value.count');
    await link.close();
  });
});

describe('PerCpuCgroupStorage', () => {
  test('has a value for each CPU, written from both sides', async () => {
    const link = await ebpf.program('connect4', CgroupSockAddr).attach({ cgroup: cgroup.path });
    const values = ebpf.map('of_cgroup', PerCpuCgroupStorage.of(u64, u64));
    const id = cgroupId(cgroup.path);
    const sum = () => (values.get(id) ?? []).reduce((total, value) => total + value, 0n);
    expect(values.get(id)).toEqual(new Array(values.cpus).fill(0n));
    await connectWithin();
    await connectWithin();
    expect(sum()).toBe(2n);
    expect(values.set(id, new Array<bigint>(values.cpus).fill(10n))).toBe(true);
    await connectWithin();
    expect(sum()).toBe(10n * BigInt(values.cpus) + 1n);
    expect([...values.keys()]).toEqual([id]);
    expect(values.set(id + 1n, new Array<bigint>(values.cpus).fill(0n))).toBe(false);
    expect(() => values.set(id, [])).toThrow(`must be an array of ${values.cpus}`);
    await link.close();
  });
});
