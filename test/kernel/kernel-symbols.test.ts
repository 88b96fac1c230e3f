import { readFileSync } from 'node:fs';

import { Ebpf, KernelSymbols, StackTraceMap } from '../../lib/index.js';
import { heldBy, heldTooLong } from '../helpers/event-loop.js';
import { rawArguments, sample } from '../helpers/samples.js';

describe('KernelSymbols', () => {
  test('names addresses of this kernel, and finds addresses of names', async () => {
    const symbols = await KernelSymbols.read();
    expect(symbols.size).toBeGreaterThan(10_000);
    const address = symbols.address('vfs_read') ?? 0n;
    expect(symbols.resolve(address + 3n)).toEqual({ name: 'vfs_read', module: undefined, address, offset: 3 });
    expect(symbols.find('vmlinux:vfs_read')).toEqual([{ name: 'vfs_read', module: undefined, address }]);
    expect(symbols.find('some_module:vfs_read')).toEqual([]);
    expect(symbols.address('no_such_symbol')).toBeUndefined();
    expect(symbols.resolve(0x1000n)).toBeUndefined();
    const lines = readFileSync('/proc/kallsyms', 'latin1').split('\n').slice(0, -1);
    expect(Math.abs(symbols.size - lines.length)).toBeLessThan(1000);
    const counts = new Map<string, number>();
    for (const line of lines) counts.set(line.slice(19), (counts.get(line.slice(19)) ?? 0) + 1);
    const [several = ''] = [...counts].find(([name, count]) => count > 1 && /^\w+$/u.test(name)) ?? [];
    expect(symbols.find(several).length).toBe(counts.get(several));
    expect(() => symbols.address(several)).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'name' }),
    );
    const samples = lines.filter((line, index) => index % 97 === 0 && / [tT] \S+$/u.test(line));
    for (const line of samples) {
      const [digits = '', , name = ''] = line.split(' ');
      const found = symbols.resolve(BigInt(`0x${digits}`));
      expect(found?.offset).toBe(0);
      expect(symbols.find(name).map((one) => one.address)).toContain(found?.address);
    }
  });

  test('ends with an abort', async () => {
    await expect(KernelSymbols.read({ signal: AbortSignal.timeout(1) })).rejects.toThrow(/timeout/u);
    await expect(KernelSymbols.read({ signal: AbortSignal.abort(new Error('before')) })).rejects.toThrow('before');
  });

  test("names the kernel's part of stacks, programs included", async () => {
    const ebpf = await Ebpf.load(sample('stacks'));
    try {
      await ebpf.program('look').testRun({ context: rawArguments(0) });
      const symbols = await KernelSymbols.read();
      const frames = ebpf.map('addresses', StackTraceMap.addresses).get(Number(ebpf.variables['kernel_stack'])) ?? [];
      const names = frames.map((address) => symbols.resolve(address)?.name ?? '?');
      expect(names.join(' ')).toMatch(/bpf_prog_test_run_raw_tp.* __(?:do_)?sys_bpf/u);
      const { tag } = ebpf.program('look').info();
      const programs = symbols.find(`bpf_prog_${tag}_look`);
      // The kernel tells programs of root where net.core.bpf_jit_kallsyms is on.
      for (const { module } of programs) expect(module).toBe('bpf');
    } finally {
      await ebpf.close();
    }
  });

  test('is read without holding the event loop', async () => {
    const read = async () => ({ read: await heldBy(async () => KernelSymbols.read()) });
    expect(await heldTooLong(read, 5)).toEqual([]);
  });
});
