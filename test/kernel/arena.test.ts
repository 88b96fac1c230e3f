// An arena: memory at an address that programs and this process agree on.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  Arena,
  BpfMap,
  Ebpf,
  EbpfError,
  HashMap,
  MapFlag,
  MapType,
  ObjectSpec,
  UsageError,
  pointer,
  struct,
  u32,
  u64,
} from '../../lib/index.js';
import { runChild } from '../helpers/child.js';
import { hasJit } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const vmlinux = '/sys/kernel/btf/vmlinux';
const hasArenas = hasJit && existsSync(vmlinux) && readFileSync(vmlinux, 'latin1').includes('\0bpf_arena\0');
const context = { context: new Uint8Array(8) };

testIf(hasArenas, 'arenas')('global variables of an arena are read and written by both sides', async () => {
  await using ebpf = await Ebpf.load(sample('arena'), { variables: { total: 100 } });
  expect(ebpf.map('memory')).toMatchObject({ type: MapType.ARENA, flags: MapFlag.MMAPABLE, maxEntries: 16 });
  const value = (name: string): unknown => ebpf.variable(name).value;
  expect([value('runs'), value('total'), value('label')]).toEqual([5, 100n, 'arena']);
  expect((await ebpf.program('touch').testRun(context)).returnValue).toBe(6);
  expect([value('runs'), value('total'), value('label'), value('outside')]).toEqual([6, 106n, 'Arena', 106n]);
  ebpf.variable('runs').value = 40;
  expect((await ebpf.program('touch').testRun(context)).returnValue).toBe(41);
  expect(value('outside')).toBe(147n);
  expect(ebpf.variable('runs').section).toBe('.addr_space.1');
});

testIf(hasArenas, 'arenas')('without an address the kernel chooses one, and two objects have theirs', async () => {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('arena'))));
  spec.map('memory').mapExtra = 0n;
  await using one = await Ebpf.load(spec);
  await using two = await Ebpf.load(spec);
  two.variable('runs').value = 0;
  expect((await one.program('touch').testRun(context)).returnValue).toBe(6);
  expect((await two.program('touch').testRun(context)).returnValue).toBe(1);
});

testIf(hasArenas, 'arenas')('an address that is taken is refused, and nothing is left behind', async () => {
  await using first = await Ebpf.load(sample('arena'));
  expect(first.maps.length).toBeGreaterThan(0);
  const second = Ebpf.load(sample('arena'));
  await expect(second).rejects.toThrow(EbpfError);
  await expect(second).rejects.toMatchObject({ syscall: 'mmap', errnoName: 'EEXIST' });
});

testIf(hasArenas, 'arenas')('global variables must fit', async () => {
  const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('arena'))));
  spec.map('memory').maxEntries = 0;
  await expect(Ebpf.load(spec)).rejects.toThrow(UsageError);
  await expect(Ebpf.load(spec)).rejects.toThrow("maps.memory.maxEntries: the arena's 0 pages have 0 bytes");
});

const Node = struct('node', { next: pointer, value: u64 });

testIf(hasArenas, 'arenas')('a list in an arena is followed and changed by both sides', async () => {
  await using ebpf = await Ebpf.load(sample('arena_list'));
  const arena = ebpf.map('memory', Arena);
  expect(arena).toBeInstanceOf(BpfMap);
  expect(ebpf.map('memory')).toBe(arena);
  expect([arena.pages, arena.size]).toEqual([4, arena.memory.length]);
  expect((await ebpf.program('build').testRun(context)).returnValue).toBe(0);

  const values: bigint[] = [];
  const offsets: number[] = [];
  for (let at = ebpf.variables['head'] as bigint; at !== 0n;) {
    const offset = arena.offsetOf(at);
    const { next, value } = arena.memory.get(offset, Node);
    values.push(value);
    offsets.push(offset);
    expect(arena.memory.loadBigUint64(offset + 8)).toBe(value);
    at = next;
  }
  expect(values).toEqual([8n, 7n, 6n, 5n, 4n, 3n, 2n, 1n]);

  // A node of ours before the first, and another value in the second.
  const [first = 0, second = 0] = offsets;
  const ours = arena.offsetOf(arena.address) + 2 * (arena.size / arena.pages);
  arena.memory.set(ours, Node, { next: arena.address + BigInt(first), value: 100 });
  arena.memory.storeBigUint64(second + 8, 1000n);
  ebpf.variables['head'] = arena.address + BigInt(ours);
  await ebpf.program('walk').testRun(context);
  expect({ ...ebpf.variables }).toMatchObject({ length: 9, sum: 100n + 8n + 1000n + 6n + 5n + 4n + 3n + 2n + 1n });
});

testIf(hasArenas, 'arenas')('pointers and places outside of an arena are refused', async () => {
  await using ebpf = await Ebpf.load(sample('arena_list'));
  const arena = ebpf.map('memory', Arena);
  const { memory, size } = arena;
  for (const outside of [0n, arena.address - 1n, arena.address + BigInt(size)]) {
    expect(() => arena.offsetOf(outside)).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'pointer' }) as Error,
    );
  }
  expect(arena.offsetOf(arena.address + BigInt(size) - 1n)).toBe(size - 1);
  expect(() => memory.get(size - 15, Node)).toThrow(UsageError);
  expect(() => memory.loadUint32(size)).toThrow(UsageError);
  expect(() => ebpf.map('memory', HashMap)).toThrow('it is a map of type ARENA, not a HashMap; ask for Arena');
  await ebpf.close();
  expect(memory.closed).toBe(true);
  for (const use of [() => arena.memory.loadUint32(0), () => arena.address, () => memory.read(0, new Uint8Array(1))]) {
    expect(use).toThrow(expect.objectContaining({ code: 'ERR_EBPF_CLOSED' }) as Error);
  }
});

testIf(hasArenas, 'arenas')('an arena is made without an object, and takes the place of one of an object', async () => {
  const address = 1n << 45n;
  using arena = await Arena.create({ name: 'mine', maxEntries: 4, address });
  expect(arena).toMatchObject({ name: 'mine', type: MapType.ARENA, flags: MapFlag.MMAPABLE, pages: 4, address });
  expect(arena.info()).toMatchObject({ name: 'mine', mapExtra: address });
  {
    await using ebpf = await Ebpf.load(sample('arena_list'), { maps: { memory: arena } });
    expect(ebpf.map('memory')).toBe(arena);
    await ebpf.program('build').testRun(context);
    const head = ebpf.variables['head'] as bigint;
    expect(arena.memory.get(arena.offsetOf(head), Node).value).toBe(8n);
  }
  expect(arena.closed).toBe(false);
  arena.memory.set(4096, u32, 7);
  expect(arena.memory.get(4096, u32)).toBe(7);

  using again = Arena.open({ id: arena.info().id });
  expect([again.pages, again.address]).toEqual([4, address]);
  expect(again.memory.get(4096, u32)).toBe(7);
  using reading = Arena.open({ id: arena.info().id }, { access: 'read' });
  expect(() => reading.memory).toThrow('the kernel maps arenas to read and write; open it without access');
  const elsewhere = Arena.create({ maxEntries: 4, address });
  await expect(elsewhere).rejects.toMatchObject({ name: 'UsageError', cause: { errnoName: 'EEXIST' } });
});

testIf(hasArenas, 'arenas')(
  'threads of a process have an arena in one place, until the last lets go of it',
  async () => {
    const first = await Arena.create({ maxEntries: 2 });
    const { address } = first;
    first.memory.storeUint32(0, 1);
    using second = Arena.open(first.share());
    expect(second.address).toBe(address);
    first.close();
    second.memory.storeUint32(4, 2);
    const { stdout, stderr } = await runChild(join(__dirname, 'children/arena-worker.ts'));
    expect(stdout + stderr).toBe('42\n');
    // It stays the place while nobody has it mapped.
    using third = Arena.open({ id: second.info().id });
    second.close();
    expect([third.address, third.memory.loadUint32(0), third.memory.loadUint32(4)]).toEqual([address, 1, 2]);
  },
);

testIf(hasArenas, 'arenas')('an arena of another process is opened where both have it', async () => {
  const address = 1n << 46n;
  using arena = await Arena.create({ maxEntries: 1, address });
  arena.memory.storeUint32(8, 41);
  const child = async ({ id }: { id: number }): Promise<string> => {
    const { stdout, stderr } = await runChild(join(__dirname, 'children/arena.ts'), [String(id)]);
    return stdout + stderr;
  };
  expect(await child(arena.info())).toBe('done\n');
  expect(arena.memory.loadUint32(8)).toBe(42);

  using homeless = await Arena.create({ maxEntries: 1 });
  expect(await child(homeless.info())).toMatch(/^arena "": another process has it at an address of its own/);
});

testIf(hasArenas, 'arenas')(
  'what no program has allocated is refused where touching it would end the process',
  async () => {
    const spec = ObjectSpec.parse(new Uint8Array(readFileSync(sample('arena_list'))));
    spec.map('memory').flags |= MapFlag.SEGV_ON_FAULT;
    await using ebpf = await Ebpf.load(spec);
    const { memory } = ebpf.map('memory', Arena);
    const refused = expect.objectContaining({ name: 'KernelError', errnoName: 'EFAULT' }) as Error;
    expect(() => memory.read(0, new Uint8Array(8))).toThrow(refused);
    expect(() => {
      memory.storeUint32(0, 1);
    }).toThrow(refused);
    await ebpf.program('build').testRun(context);
    const arena = ebpf.map('memory', Arena);
    const offset = arena.offsetOf(ebpf.variables['head'] as bigint);
    expect(memory.get(offset, Node).value).toBe(8n);
    memory.storeBigUint64(offset + 8, 9n);
    await ebpf.program('walk').testRun(context);
    expect(ebpf.variables['sum']).toBe(37n);
  },
);

testIf(hasArenas, 'arenas')('options that cannot be are refused before the kernel is asked', async () => {
  const refused = async (options: object, message: string): Promise<void> => {
    await expect(Arena.create(options as { maxEntries: number })).rejects.toThrow(message);
  };
  await refused({ maxEntries: 0 }, 'maxEntries: must be a whole number from 1');
  await refused({ maxEntries: 2 ** 21 }, 'maxEntries: 2097152 pages have 8589934592 bytes, more than 4294967296');
  await refused({ maxEntries: 1, address: 5n }, 'address: must be a bigint below 2^47, a multiple of 4096, not 5n');
  await refused({ maxEntries: 1, address: 4096 }, 'address: must be a bigint');
  await refused({ maxEntries: 2, address: 2n ** 32n - 4096n }, 'address: the arena must not cross a multiple of 4 GiB');
  await refused({ maxEntries: 1, valueSize: 8 }, 'no option of making a map is named "valueSize"');
  await refused({ maxEntries: 1, pages: 8 }, 'no option of making a map is named "pages"');
});
