// An arena: memory at an address that programs and this process agree on.
import { existsSync, readFileSync } from 'node:fs';

import { Ebpf, EbpfError, MapFlag, MapType, ObjectSpec, UsageError } from '../../lib/index.js';
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
