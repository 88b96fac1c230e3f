import { readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

import { Ebpf, Lsm, ObjectSpec, StackTraceMap, type AddressFrame, type BuildIdFrame } from '../../lib/index.js';
import { hasLsm } from '../helpers/kernel-hooks.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

let ebpf: Ebpf;

beforeEach(async () => {
  ebpf = await Ebpf.load(sample('stacks'));
  await ebpf.program('look').testRun({ context: rawArguments(0) });
});

afterEach(async () => {
  await ebpf.close();
});

/** An id that the program stored; it is negative when the kernel had no stack. */
function id(name: string): number {
  const value = Number(ebpf.variable(name).value);
  expect(value).toBeGreaterThanOrEqual(0);
  return value;
}

/** The kernel's functions by address. */
function symbolOf(address: bigint): string {
  let [best, name] = [0n, ''];
  for (const line of readFileSync('/proc/kallsyms', 'latin1').split('\n')) {
    const [start = '0', , symbol = ''] = line.split(/\s/u);
    const value = BigInt(`0x${start || '0'}`);
    if (value <= address && value > best) [best, name] = [value, symbol];
  }
  return name;
}

/** Where files of this process lie in memory. */
function mappedAt(address: bigint): string | undefined {
  for (const line of readFileSync('/proc/self/maps', 'utf8').split('\n')) {
    const match = /^([0-9a-f]+)-([0-9a-f]+) \S+ \S+ \S+ \S+\s*(.*)$/u.exec(line);
    const [, start = '0', end = '0', path] = match ?? [];
    if (BigInt(`0x${start}`) <= address && address < BigInt(`0x${end}`)) return path;
  }
  return undefined;
}

describe('StackTraceMap', () => {
  test("has the kernel's functions that led to the program", () => {
    const stacks = ebpf.map('addresses', StackTraceMap.addresses);
    const frames: bigint[] = stacks.get(id('kernel_stack')) ?? [];
    expect(frames.length).toBeGreaterThan(2);
    expect(frames.length).toBeLessThanOrEqual(stacks.depth);
    expect(frames).not.toContain(0n);
    expect(frames.map(symbolOf).join(' ')).toMatch(/bpf_prog_test_run_raw_tp|__bpf_prog_test_run_raw_tp/u);
    // The way in, from the innermost outwards.
    expect(frames.map(symbolOf).join(' ')).toMatch(/test_run.* __(?:do_)?sys_bpf/u);
  });

  test('has addresses of user space, which lie in mapped files', () => {
    const stacks = ebpf.map('addresses', StackTraceMap.addresses);
    const [innermost = 0n] = stacks.get(id('user_stack')) ?? [];
    // The system call itself is made in the C library.
    expect(mappedAt(innermost)).toMatch(/lib/u);
  });

  test('has places in files by build id', () => {
    const stacks = ebpf.map('build_ids', StackTraceMap.buildIds);
    expect(stacks.depth).toBe(32);
    const frames: (BuildIdFrame | AddressFrame)[] = stacks.get(id('user_build_ids')) ?? [];
    expect(frames.length).toBeGreaterThan(0);
    const [innermost] = frames;
    if (innermost?.status === 'ip') {
      // The kernel could not read the file at that moment, and says where it is in memory.
      expect(mappedAt(innermost.ip)).toMatch(/lib/u);
      return;
    }
    expect(innermost?.buildId).toMatch(/^[0-9a-f]{40}$/u);
    const addresses = ebpf.map('addresses', StackTraceMap.addresses);
    const path = mappedAt(addresses.get(id('user_stack'))?.[0] ?? 0n) ?? '';
    expect(readFileSync(path).includes(Buffer.from(innermost?.buildId ?? 'none', 'hex'))).toBe(true);
  });

  test('is walked, and stacks are taken out', () => {
    const stacks = ebpf.map('addresses', StackTraceMap);
    const [kernel, user] = [id('kernel_stack'), id('user_stack')];
    const both = [kernel, user].sort((a, b) => a - b);
    expect([...stacks.keys()]).toEqual(both);
    expect([...stacks].map(([key]) => key)).toEqual(both);
    expect([...stacks.values()]).toEqual(both.map((key) => stacks.get(key)));
    const frames = stacks.get(user);
    expect(stacks.take(user)).toEqual(frames);
    expect([stacks.take(user), stacks.get(user), stacks.has(user)]).toEqual([undefined, undefined, false]);
    expect([...stacks.keys()]).toEqual([kernel]);
    expect([stacks.delete(kernel), stacks.delete(kernel)]).toEqual([true, false]);
    expect([...stacks]).toEqual([]);
  });

  test('is emptied', async () => {
    const stacks = ebpf.map('addresses', StackTraceMap);
    stacks.clear();
    expect([...stacks]).toEqual([]);
    await ebpf.program('look').testRun({ context: rawArguments(0) });
    expect(stacks.has(id('kernel_stack'))).toBe(true);
  });

  test('refuses what is no id, and knows its frames', () => {
    const stacks = ebpf.map('addresses', StackTraceMap);
    for (const wrong of [-1, 0.5, '1', null]) expect(() => stacks.get(wrong as number)).toThrow(/^key: /u);
    expect(stacks.get(64)).toBeUndefined();
    expect(() => ebpf.map('addresses', StackTraceMap.buildIds)).toThrow(
      'map "addresses": its frames have addresses; ask for StackTraceMap.addresses',
    );
    expect(() => ebpf.map('build_ids', StackTraceMap.addresses)).toThrow('ask for StackTraceMap.buildIds');
    expect(() => ebpf.map('.data', StackTraceMap)).toThrow('not a StackTraceMap');
  });

  testIf(hasLsm, 'BPF LSM')('has the functions that led to a security hook', async () => {
    const spec = ObjectSpec.parse(readFileSync(sample('stacks')));
    spec.program('look_from_hook').autoload = true;
    await using hooked = await Ebpf.load(spec, { variables: { target_pid: process.pid } });
    await hooked.program('look_from_hook', Lsm).attach();
    setPriority(getPriority());
    const stack = Number(hooked.variables['hook_stack']);
    expect(stack).toBeGreaterThanOrEqual(0);
    const frames = hooked.map('addresses', StackTraceMap.addresses).get(stack) ?? [];
    // On the way from the system call to the hook.
    expect(frames.map(symbolOf).join(' ')).toMatch(/set_?one_prio|__(?:do_)?sys_setpriority/u);
  });
});
