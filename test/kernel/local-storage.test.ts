import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  BtfTracepoint,
  CgroupSockAddr,
  CgrpStorage,
  Ebpf,
  InodeStorage,
  Lsm,
  SkStorage,
  TaskStorage,
  struct,
  u32,
  u64,
} from '../../lib/index.js';
import { TestCgroup, cgroupRoot } from '../helpers/cgroup.js';
import { hasLsm, isBpfModuleActive } from '../helpers/kernel-hooks.js';
import { kernelHasSymbol } from '../helpers/kernel-symbols.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function load(name: string, variables: Record<string, unknown> = {}): Promise<Ebpf> {
  const ebpf = await Ebpf.load(sample(name), { variables });
  closing.push(async () => ebpf.close());
  return ebpf;
}

function testCgroup(): TestCgroup {
  const cgroup = new TestCgroup();
  closing.push(() => {
    cgroup.close();
  });
  return cgroup;
}

function refused(path: string, message: string): Error {
  return expect.objectContaining({
    name: 'UsageError',
    code: 'ERR_EBPF_INVALID_VALUE',
    path,
    message: expect.stringContaining(message) as string,
  }) as Error;
}

async function listening(): Promise<Server> {
  const server = createServer((socket) => socket.end());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    server.close();
    await once(server, 'close');
  });
  return server;
}

describe('SkStorage', () => {
  const Connections = struct('connections', { count: u64, port: u32 });

  test('is written by a program and read here, and the other way round', async () => {
    const ebpf = await load('cgroup_values');
    const cgroup = testCgroup();
    const link = await ebpf.program('connect4', CgroupSockAddr).attach({ cgroup: cgroup.path });
    const { port } = (await listening()).address() as AddressInfo;
    const sockets = ebpf.map('of_socket', SkStorage.of(Connections));
    const socket = await cgroup.within(async () => {
      const connected = connect({ port, host: '127.0.0.1' });
      connected.on('error', () => undefined);
      await once(connected, 'connect');
      return connected;
    });
    const networkOrder = ((port & 0xff) << 8) | (port >> 8);
    const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
    expect(sockets.get(socket)).toEqual({ count: 1n, port: littleEndian ? networkOrder : port });
    expect(sockets.has(socket)).toBe(true);
    socket.destroy();

    // A socket without address: connecting it twice is what the program sees.
    const datagrams = createSocket('udp4');
    await cgroup.within(async () => {
      datagrams.bind(0, '127.0.0.1');
      await once(datagrams, 'listening');
    });
    expect(sockets.get(datagrams)).toBeUndefined();
    expect(sockets.set(datagrams, { count: 40, port: 1 })).toBe(true);
    datagrams.connect(port, '127.0.0.1');
    await once(datagrams, 'connect');
    expect(ebpf.variable('stored').value).toBe(40n);
    expect(sockets.get(datagrams)?.count).toBe(41n);
    expect([sockets.delete(datagrams), sockets.delete(datagrams)]).toEqual([true, false]);
    expect(sockets.get(datagrams)).toBeUndefined();
    datagrams.close();
    await once(datagrams, 'close');
    await link.close();
  });

  test('is written by a program for a socket of IPv6', async () => {
    const ebpf = await load('cgroup_values');
    const cgroup = testCgroup();
    const link = await ebpf.program('connect6', CgroupSockAddr).attach({ cgroup: cgroup.path });
    const sockets = ebpf.map('of_socket', SkStorage.of(Connections));
    const datagrams = createSocket('udp6');
    await cgroup.within(async () => {
      datagrams.bind(0, '::1');
      await once(datagrams, 'listening');
    });
    expect(sockets.get(datagrams)).toBeUndefined();
    datagrams.connect(7, '::1');
    await once(datagrams, 'connect');
    expect(sockets.get(datagrams)?.count).toBe(1n);
    datagrams.disconnect();
    expect(sockets.set(datagrams, { count: 40, port: 1 })).toBe(true);
    datagrams.connect(7, '::1');
    await once(datagrams, 'connect');
    expect(ebpf.variable('stored').value).toBe(40n);
    expect(sockets.get(datagrams)?.count).toBe(41n);
    datagrams.close();
    await once(datagrams, 'close');
    await link.close();
  });

  test('is made without an object, and stores on a condition', async () => {
    using limits = await SkStorage.create({ name: 'limits', value: u64 });
    const server = await listening();
    expect(limits.set(server, 1n, { ifPresent: true })).toBe(false);
    expect(limits.set(server, 1n, { ifAbsent: true })).toBe(true);
    expect(limits.set(server, 2n, { ifAbsent: true })).toBe(false);
    expect(limits.set(server, 3n, { ifPresent: true })).toBe(true);
    const value: bigint | undefined = limits.get(server);
    expect(value).toBe(3n);
    using again = SkStorage.open({ id: limits.info().id });
    expect(again.get(server)).toBe(3n);
    expect(() => {
      limits.set(server, -1);
    }).toThrow(refused('value', 'expected a bigint'));
  });

  test('refuses what is no open socket', async () => {
    using limits = await SkStorage.create({ value: u64 });
    const fd = openSync('/proc/self/status', 'r');
    expect(() => limits.get(fd)).toThrow(refused('socket', `descriptor ${fd} is not of a socket`));
    closeSync(fd);
    expect(() => limits.get(fd)).toThrow(refused('socket', `descriptor ${fd} is not open`));
    for (const wrong of [-1, 1.5, '3', undefined, null, {}, createServer()]) {
      expect(() => limits.get(wrong as never)).toThrow(refused('socket', ''));
    }
    limits.close();
    expect(() => limits.get(0)).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }) as Error);
  });
});

describe('TaskStorage', () => {
  const Runs = struct('runs', { count: u64, thread: u32 });

  testIf(kernelAtLeast(5, 12), 'kernel 5.12')(
    'is written by a program and read here, and the other way round',
    async () => {
      const ebpf = await load('task_storage');
      const runs = ebpf.map('runs', TaskStorage.of(Runs));
      expect(runs.get(process.pid)).toBeUndefined();
      expect(runs.set(process.pid, { count: 10, thread: 0 })).toBe(true);
      expect(runs.get(process.pid)).toEqual({ count: 10n, thread: 0 });
      // A test run is made by another thread of this process than the main one.
      await ebpf.program('count').testRun({ context: rawArguments(0) });
      expect(runs.get(process.pid)).toEqual({ count: 10n, thread: 0 });
      expect([runs.delete(process.pid), runs.delete(process.pid), runs.has(process.pid)]).toEqual([true, false, false]);
    },
  );

  testIf(kernelAtLeast(6, 9), 'kernel 6.9')('is found of threads', async () => {
    const ebpf = await load('task_storage');
    const runs = ebpf.map('runs', TaskStorage.of(Runs));
    await ebpf.program('count').testRun({ context: rawArguments(0) });
    await ebpf.program('count').testRun({ context: rawArguments(0) });
    const threads = readdirSync('/proc/self/task').map(Number);
    const found = threads.flatMap((thread) => runs.get({ thread }) ?? []);
    expect(found.reduce((sum, { count }) => sum + count, 0n)).toBe(2n);
    for (const { thread } of found) expect(threads).toContain(thread);
    const [other = 0] = found.map(({ thread }) => thread).filter((thread) => thread !== process.pid);
    if (other !== 0) expect(() => runs.get(other)).toThrow(refused('task', `say { thread: ${other} }`));
  });

  testIf(kernelAtLeast(5, 11), 'kernel 5.11')('refuses what is no task', async () => {
    using calls = await TaskStorage.create({ name: 'calls', value: u64 });
    expect(calls.set(process.pid, 5n)).toBe(true);
    expect(calls.get(process.pid)).toBe(5n);
    const none = 0x40_0001;
    expect(() => calls.get(none)).toThrow(refused('task', `there is no process ${none}`));
    for (const wrong of [0, -1, 1.5, '1', undefined, null, {}]) {
      expect(() => calls.get(wrong as never)).toThrow(refused('task', 'must be the id of a process'));
    }
    const fd = openSync('/proc/self/status', 'r');
    expect(() => calls.get({ fd })).toThrow(refused('task', 'is not of an open pidfd'));
    closeSync(fd);
  });
});

describe('CgrpStorage', () => {
  const Made = struct('made', { time: u64, by: u32 });

  testIf(kernelHasSymbol('bpf_cgrp_storage_get'), 'kernel 6.2')(
    'is written by a program and read here, and the other way round',
    async () => {
      const ebpf = await load('cgrp_storage', { target_pid: process.pid });
      const link = await ebpf.program('make', BtfTracepoint).attach();
      const cgroup = testCgroup();
      await link.close();
      const made = ebpf.map('made', CgrpStorage.of(Made));
      expect(made.get(cgroup.path)).toEqual({ time: expect.any(BigInt) as bigint, by: process.pid });
      expect(made.get(cgroupRoot())).toBeUndefined();
      const fd = openSync(cgroup.path, 'r');
      expect(made.set({ fd }, { time: 0, by: 1 })).toBe(true);
      expect(made.get(fd)).toEqual({ time: 0n, by: 1 });
      closeSync(fd);
      expect([made.delete(cgroup.path), made.delete(cgroup.path)]).toEqual([true, false]);
      expect(() => made.get('/no/such/cgroup')).toThrow(refused('cgroup', 'ENOENT'));
      expect(() => made.get('/tmp')).toThrow(refused('cgroup', 'is not in a cgroup2 file system'));
      expect(() => made.get(undefined as never)).toThrow(refused('cgroup', 'must be a descriptor'));
    },
  );

  testIf(kernelHasSymbol('bpf_cgrp_storage_get'), 'kernel 6.2')('is made without an object', async () => {
    using budgets = await CgrpStorage.create({ name: 'budgets', valueSize: 3 });
    const cgroup = testCgroup();
    expect(budgets.set(cgroup.path, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(budgets.get(cgroup.path)).toEqual(Uint8Array.of(1, 2, 3));
  });
});

describe('InodeStorage', () => {
  const Opened = struct('opened', { count: u64, by: u32 });

  testIf(hasLsm, 'BPF LSM')('is written by a program and read here, and the other way round', async () => {
    const ebpf = await load('inode_storage', { target_pid: process.pid });
    const folder = mkdtempSync(join(tmpdir(), 'node-ebpf-'));
    closing.push(() => {
      rmSync(folder, { recursive: true });
    });
    const path = join(folder, 'file');
    const opened = ebpf.map('opened', InodeStorage.of(Opened));
    writeFileSync(path, '');
    expect(opened.get(path)).toBeUndefined();
    const link = await ebpf.program('open', Lsm).attach();
    const file = await open(path);
    expect(opened.get(file)).toEqual({ count: 1n, by: process.pid });
    // Finding it by its path opens it for no access, which the program does not see.
    expect(opened.get(path)).toEqual({ count: 1n, by: process.pid });
    expect(opened.set(file.fd, { count: 10, by: 0 })).toBe(true);
    closeSync(openSync(path, 'r'));
    expect(opened.get(path)?.count).toBe(11n);
    expect([opened.delete(file), opened.delete(path)]).toEqual([true, false]);
    await file.close();
    await link.close();
    expect(() => opened.get('/no/such/file')).toThrow(refused('file', 'ENOENT'));
    expect(() => opened.get(0x7fff_fffe)).toThrow(refused('file', 'is not open'));
    expect(() => opened.get(undefined as never)).toThrow(refused('file', 'must be a descriptor'));
  });

  // Where BPF is no security module the kernel would look into the memory of another one: no call may get that far.
  test('is not touched where BPF is no security module', async () => {
    let labels: InodeStorage<bigint>;
    try {
      labels = await InodeStorage.create({ value: u64 });
    } catch (error) {
      // A kernel without CONFIG_BPF_LSM.
      expect(error).toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED' });
      return;
    }
    closing.push(() => {
      labels.close();
    });
    if (isBpfModuleActive) {
      expect(labels.get('/')).toBeUndefined();
      return;
    }
    const unsupported = expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED' }) as Error;
    expect(() => labels.get('/')).toThrow(unsupported);
    expect(() => labels.set('/', 1n)).toThrow(unsupported);
    expect(() => labels.delete('/')).toThrow(unsupported);
    expect(() => labels.raw).toThrow(unsupported);
  });
});
