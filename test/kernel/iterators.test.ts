// Iterators over what the kernel has. They only look.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, readdirSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { finished } from 'node:stream/promises';

import {
  Ebpf,
  HashMap,
  IteratorLink,
  IteratorProgram,
  ObjectSpec,
  SockMap,
  bytes,
  cstr,
  struct,
  u32,
  type IteratorAttachOptions,
} from '../../lib/index.js';
import { TestCgroup } from '../helpers/cgroup.js';
import { heldObjects } from '../helpers/held-objects.js';
import { kernelHasFunction } from '../helpers/kernel-types.js';
import { PinFolder } from '../helpers/pin-folder.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const TaskEntry = struct('task_entry', { process: u32, thread: u32, comm: cstr(16) });

const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('iterators'))), { name: 'iterators.bpf.o' });

/** The sample with the programs that are named, of those that do not load by themselves. */
async function load(...names: readonly string[]): Promise<Ebpf> {
  const wanted = spec.clone();
  for (const name of names) wanted.program(name).autoload = true;
  return Ebpf.load(wanted);
}

/** All of them, or the first `most`. */
async function all<T>(values: AsyncIterable<T>, most = Infinity): Promise<T[]> {
  const found: T[] = [];
  for await (const value of values) {
    found.push(value);
    if (found.length >= most) break;
  }
  return found;
}

const ascending = (left: number, right: number): number => left - right;
const ownThreads = (): number[] => readdirSync('/proc/self/task').map(Number).sort(ascending);

let ebpf: Ebpf;

afterEach(async () => {
  await ebpf.close();
});

const program = (name: string): IteratorProgram => ebpf.program(name, IteratorProgram);

describe('iterators', () => {
  test('are attached by their section, and read as lines, anew each time', async () => {
    ebpf = await load();
    const { links, unattached } = await ebpf.attach();
    expect(links.map(({ target }) => target)).toEqual(['iter task', 'iter task']);
    expect(unattached).toEqual([]);
    const [tasks] = links;
    if (!(tasks instanceof IteratorLink)) throw new Error('it is no link of an iterator');
    for (let time = 0; time < 2; time++) {
      const [header, ...lines] = await all(tasks.lines());
      expect(header).toBe('process thread comm');
      const own = lines.filter((line) => line.startsWith(`${process.pid} `));
      for (const thread of ownThreads())
        expect(own.some((line) => line.startsWith(`${process.pid} ${thread} `))).toBe(true);
    }
    expect(tasks.info()).toMatchObject({ kind: 'iter', target: 'task', programId: program('dump_task').info().id });
  });

  test('are read as records, by the type of the object or a declared one', async () => {
    ebpf = await load();
    const link = await program('write_task').attach();
    const named = await all(link.records('task_entry'));
    const comm = readFileSync('/proc/self/comm', 'utf8').trimEnd();
    expect(named).toContainEqual({ process: process.pid, thread: process.pid, comm });
    const declared = await all(link.records(TaskEntry));
    expect(declared.filter((task) => task.process === process.pid).map((task) => task.thread)).toEqual(
      expect.arrayContaining(ownThreads()),
    );
    expect(() => link.records('task_entri')).toThrow(expect.objectContaining({ suggestions: ['task_entry'] }));
    const other = struct('task_entry', { process: u32 });
    expect(() => link.records(other)).toThrow(expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE' }));
  });

  test('refuse to take text for records', async () => {
    ebpf = await load();
    const link = await program('dump_task').attach();
    const records = link.records(bytes(10 << 20));
    await expect(all(records)).rejects.toThrow(/after its last whole .* writes another type, or text/);
  });

  test('are read as a stream of bytes', async () => {
    ebpf = await load();
    const link = await program('dump_task').attach();
    const stream = link.stream();
    let text = '';
    stream.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    await finished(stream);
    expect(text).toMatch(new RegExp(`^${process.pid} ${process.pid} `, 'mu'));
  });

  test('let go of what they read when the reader has enough or gives up', async () => {
    ebpf = await load();
    const link = await program('dump_task').attach();
    const before = heldObjects().size;
    for await (const line of link.lines()) {
      expect(line).toBe('process thread comm');
      expect(heldObjects().size).toBe(before + 1);
      break;
    }
    expect(heldObjects().size).toBe(before);
    const stream = link.stream();
    await once(stream, 'data');
    stream.destroy();
    await once(stream, 'close');
    const controller = new AbortController();
    const lines = link.lines({ signal: controller.signal });
    await lines.next();
    controller.abort('enough');
    await expect(all(lines)).rejects.toBe('enough');
    await expect(all(link.lines({ signal: AbortSignal.abort('none') }))).rejects.toBe('none');
    expect(heldObjects().size).toBe(before);
  });

  test('cannot be read once closed, and say so', async () => {
    ebpf = await load();
    const link = await program('dump_task').attach();
    await link.close();
    expect(() => link.lines()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }));
  });

  test('go over the entries of a map', async () => {
    ebpf = await load('dump_bpf_map_elem');
    const numbers = ebpf.map('numbers', HashMap);
    numbers.set(1, 10n);
    numbers.set(2, 20n);
    const link = await program('dump_bpf_map_elem').attach({ map: numbers });
    expect((await all(link.lines())).sort()).toEqual(['bpf_map_elem 10', 'bpf_map_elem 20']);
    expect(link.target).toBe('iter bpf_map_elem of map "numbers"');
    expect(link.info()).toMatchObject({ target: 'bpf_map_elem', mapId: numbers.info().id });
    await expect(program('dump_bpf_map_elem').attach()).rejects.toMatchObject({ path: 'map' });
  });

  test('have their program replaced', async () => {
    ebpf = await load();
    const link = await program('dump_task').attach();
    await link.update(program('write_task'));
    expect(await all(link.records(TaskEntry))).toContainEqual(expect.objectContaining({ thread: process.pid }));
  });

  test('are files that other programs read, once pinned', async () => {
    ebpf = await load();
    const pins = await PinFolder.create();
    try {
      const link = await program('dump_task').attach();
      const path = `${pins.path}/tasks`;
      link.pin(path);
      const reader = spawn('cat', [path], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      reader.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      await once(reader, 'close');
      expect(text).toMatch(new RegExp(`^process thread comm\\n[^]*^${process.pid} ${process.pid} `, 'mu'));
      const again = IteratorLink.open(path);
      expect(await all(again.lines())).toContain('process thread comm');
      expect(() => again.records('task_entry')).toThrow(/declare it with struct\(\)/);
      await again.close();
      link.unpin();
    } finally {
      await pins.close();
    }
  });

  test('tell of a program that writes too much of one thing', async () => {
    const much = spec.clone();
    much.program('write_too_much').autoload = true;
    ebpf = await Ebpf.load(much, { variables: { endlessly: 1 } });
    const link = await program('write_too_much').attach();
    await expect(all(link.lines())).rejects.toMatchObject({
      errnoName: 'E2BIG',
      message: expect.stringMatching(/more about one thing/) as unknown,
    });
  });

  const kinds: readonly (readonly [name: string, kernel: `${number}.${number}`, least: number])[] = [
    ['task_file', '5.8', 1],
    ['task_vma', '5.12', 1],
    ['bpf_map', '5.8', 1],
    ['bpf_prog', '5.9', 1],
    ['bpf_link', '5.19', 1],
    ['tcp', '5.9', 1],
    ['udp', '5.9', 0],
    ['unix', '5.15', 0],
    ['netlink', '5.8', 0],
    ['ipv6_route', '5.8', 0],
    ['ksym', '6.0', 1000],
  ];
  for (const [kind, kernel, least] of kinds) {
    testIf(kernelHasFunction(`bpf_iter_${kind}`), `kernel ${kernel}`)(`go over ${kind}`, async () => {
      ebpf = await load(`dump_${kind}`);
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      try {
        const link = await program(`dump_${kind}`).attach();
        // A kernel has 150,000 symbols: minutes where it is emulated.
        const lines = await all(link.lines(), 2000);
        expect(lines.length).toBeGreaterThanOrEqual(least);
        expect(lines.every((line) => line.startsWith(`${kind} `))).toBe(true);
      } finally {
        server.close();
      }
    });
  }

  testIf(kernelHasFunction('bpf_iter_sockmap'), 'kernel 5.10')('go over a map of sockets', async () => {
    ebpf = await load('dump_sockmap');
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    try {
      const map = ebpf.map('sockets', SockMap);
      map.set(0, socket);
      const lines = await all((await program('dump_sockmap').attach({ map })).lines());
      expect(lines).toEqual([`sockmap ${socket.localPort ?? -1}`]);
    } finally {
      socket.destroy();
      server.close();
    }
  });

  const hasPlaces = kernelHasFunction('bpf_iter_cgroup');

  testIf(hasPlaces, 'kernel 6.1')('go over a process, a thread or what a pidfd stands for', async () => {
    ebpf = await load('dump_task_file');
    const threadsOf = async (options: IteratorAttachOptions): Promise<number[]> =>
      (await all((await program('write_task').attach(options)).records(TaskEntry))).map(({ thread }) => thread);
    expect((await threadsOf({ pid: process.pid })).sort(ascending)).toEqual(ownThreads());
    expect(await threadsOf({ thread: process.pid })).toEqual([process.pid]);
    const link = await program('write_task').attach({ thread: process.pid });
    expect(link.info()).toMatchObject({ threadId: process.pid, processId: 0 });
    expect(link.target).toBe(`iter task of thread ${process.pid}`);
    const files = await all((await program('dump_task_file').attach({ pid: process.pid })).lines());
    expect(files).toContain('task_file 0');
    // The descriptor of a process's folder is one of the things that is no pidfd.
    const folder = openSync('/proc/self', 'r');
    try {
      await expect(program('write_task').attach({ pidfd: folder })).rejects.toMatchObject({ path: 'pidfd' });
    } finally {
      closeSync(folder);
    }
  });

  testIf(hasPlaces, 'kernel 6.1')('go over cgroups, in an order', async () => {
    ebpf = await load('dump_cgroup');
    const parent = new TestCgroup('iterate');
    const child = new TestCgroup('below', parent);
    try {
      const ids = async (options: IteratorAttachOptions): Promise<bigint[]> =>
        (await all((await program('dump_cgroup').attach(options)).lines())).map((line) =>
          BigInt(line.slice('cgroup '.length)),
        );
      const cgroup = parent.path;
      expect(await ids({ cgroup })).toEqual([parent.id, child.id]);
      expect(await ids({ cgroup, order: 'descendants-post' })).toEqual([child.id, parent.id]);
      expect(await ids({ cgroup, order: 'self-only' })).toEqual([parent.id]);
      const upwards = await ids({ cgroup: child.path, order: 'ancestors-up' });
      expect(upwards.slice(0, 2)).toEqual([child.id, parent.id]);
      expect(await ids({})).toEqual(expect.arrayContaining([parent.id, child.id]));
      const link = await program('dump_cgroup').attach({ cgroup, order: 'self-only' });
      expect(link.info()).toMatchObject({ target: 'cgroup', cgroupId: parent.id, order: 1 });
      await expect(program('dump_cgroup').attach({ cgroup: '/tmp' })).rejects.toMatchObject({ path: 'cgroup' });
      await expect(program('dump_cgroup').attach({ order: 'up' as 'children' })).rejects.toMatchObject({
        path: 'order',
      });
    } finally {
      await ebpf.close();
      child.close();
      parent.close();
    }
  });

  testIf(!hasPlaces, 'a kernel that goes over all tasks')('say so where the kernel goes over all tasks', async () => {
    ebpf = await load();
    const attached = program('write_task').attach({ pid: process.pid });
    await expect(attached).rejects.toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '6.1' });
  });

  test('refuse places that they do not go over', async () => {
    ebpf = await load('dump_bpf_map');
    const map = ebpf.map('numbers');
    await expect(program('dump_task').attach({ map })).rejects.toMatchObject({ path: 'map' });
    await expect(program('dump_bpf_map').attach({ pid: 1 })).rejects.toThrow(/it goes over everything/);
    await expect(program('dump_task').attach({ pid: 1, thread: 1 })).rejects.toMatchObject({ path: 'thread' });
    await expect(program('dump_task').attach({ pid: 0 })).rejects.toMatchObject({ path: 'pid' });
    await expect(program('dump_task').attach({ signal: AbortSignal.abort('no') })).rejects.toBe('no');
  });
});
