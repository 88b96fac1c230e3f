// Which functions the kernel can trace, by the lists of tracefs. They are files here, so that kernels of all ages can be asked.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { FunctionChoice } from '../../lib/kernel/function-choice.js';
import { readLines } from '../../lib/kernel/read-lines.js';
import { traceableFunctions } from '../../lib/kernel/traceable-functions.js';
import { Ebpf, KernelSymbols, KprobeMulti } from '../../lib/index.js';
import { hasKprobeMulti } from '../helpers/kernel-hooks.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'functions-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('the list with addresses', () => {
  const lines = `ffffffff81000004 vfs_read
ffffffff81000014 vfs_write
ffffffff81000044 __ftrace_invalid_address___64
ffffffffc0000004 nf_read [nf_conntrack]
ffffffffc0000014 vfs_read [odd_module]
`;

  test('is looked through', async () => {
    writeFileSync(join(folder, 'available_filter_functions_addrs'), lines);
    const found = await traceableFunctions(new FunctionChoice(['*_read']), undefined, folder);
    expect(found?.functions.names).toEqual(['vfs_read', 'nf_read', 'vfs_read']);
    const places = [0xffff_ffff_8100_0004n, 0xffff_ffff_c000_0004n, 0xffff_ffff_c000_0014n];
    expect([...(found?.places ?? [])]).toEqual(places);
    // Elsewhere no symbol says where these functions begin.
    const begins = process.arch === 'x64' ? places.map((place) => place - 4n) : places;
    expect([...(found?.functions.addresses ?? [])]).toEqual(begins);
    expect(found?.functions.at(1)).toEqual({ name: 'nf_read', module: 'nf_conntrack', address: begins[1] });
    expect(await traceableFunctions(new FunctionChoice(['*']), undefined, join(folder, 'none'))).toBeUndefined();
  });

  test('has nothing that was replaced, and addresses of any length', async () => {
    writeFileSync(join(folder, 'available_filter_functions_addrs'), `${lines}3ff001234560 short\n`);
    const all = await traceableFunctions(new FunctionChoice([/./]), undefined, folder);
    expect(all?.functions.names).toEqual(['vfs_read', 'vfs_write', 'nf_read', 'vfs_read', 'short']);
    expect(all?.places.at(-1)).toBe(0x3ff0_0123_4560n);
    const none = await traceableFunctions(new FunctionChoice(['nothing*']), undefined, folder);
    expect([none?.functions.names, none?.places.length]).toEqual([[], 0]);
  });
});

describe('the list without addresses, before Linux 6.5', () => {
  const exact = 'security_task_setnice';

  /** Every function of the kernel that a pattern of the tests can choose, as if it could be traced. */
  async function listed(): Promise<KernelSymbols> {
    const symbols = await KernelSymbols.read();
    const text = readFileSync('/proc/kallsyms', 'latin1');
    const names = [...text.matchAll(/ [tT] ((?:vfs_|security_task_)\w+)(?:\t\[(\w+)\])?$/gm)].map(
      ([, name, module]) => `${name}${module === undefined ? '' : ` [${module}]`}\n`,
    );
    writeFileSync(join(folder, 'available_filter_functions'), [...names, '__ftrace_invalid_address___64\n'].join(''));
    return symbols;
  }

  test('gets them from the symbols of the kernel', async () => {
    const symbols = await listed();
    const found = await traceableFunctions(new FunctionChoice([exact, 'vfs_*', /^vfs_[a-m]/]), undefined, folder);
    expect(found?.functions.length).toBeGreaterThan(20);
    for (const { name, module, address } of found?.functions.all() ?? []) {
      expect(symbols.find(`${module ?? 'vmlinux'}:${name}`).map((one) => one.address)).toContain(address);
    }
    expect(found?.functions.names).toContain(exact);
    expect([...(found?.places ?? [])]).toEqual([...(found?.functions.addresses ?? [])]);
  });

  test('has no place for a name that stands more often among the symbols', async () => {
    const symbols = await listed();
    writeFileSync(join(folder, 'available_filter_functions'), `vfs_read\n${exact}\n${exact}\n`);
    const choice = new FunctionChoice(['vfs_*', exact]);
    const found = await traceableFunctions(choice, undefined, folder);
    expect(found?.functions.all()).toEqual([
      { name: 'vfs_read', module: undefined, address: symbols.address('vfs_read') },
    ]);
    expect(choice.missing).toBe(exact);
  });

  testIf(hasKprobeMulti, 'kprobe.multi')('chooses what the other list does, and the kernel takes it', async () => {
    const tracefs =
      ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'].find((path) => existsSync(`${path}/events`)) ?? '';
    const list = readFileSync(`${tracefs}/available_filter_functions`, 'latin1');
    writeFileSync(join(folder, 'available_filter_functions'), list);
    const patterns = [exact, /^vfs_[a-m]/];
    const [older, newer] = [
      await traceableFunctions(new FunctionChoice(patterns), undefined, folder),
      await traceableFunctions(new FunctionChoice(patterns)),
    ];
    const sorted = (all = newer): unknown[] => all?.functions.all().sort((a, b) => Number(a.address - b.address)) ?? [];
    expect(sorted(older)).toEqual(sorted());
    expect(older?.functions.length).toBeGreaterThan(10);
    const ebpf = await Ebpf.load(sample('kprobe_multi'));
    try {
      const link = await ebpf.program('nothing', KprobeMulti).attach({ functions: [...(older?.places ?? [])] });
      expect(link.functions).toHaveLength(older?.functions.length ?? 0);
    } finally {
      await ebpf.close();
    }
  });
});

describe('lines of a file', () => {
  test.each([
    ['short ones', 'a\nbc\n\nd'],
    ['none', ''],
    ['longer ones than a piece', `${'x'.repeat(200_000)}\ny\n${'z'.repeat(70_000)}`],
    ['many', 'line\n'.repeat(50_000)],
  ])('come whole: %s', async (_, text) => {
    const path = join(folder, 'lines');
    writeFileSync(path, text);
    const pieces: string[] = [];
    for await (const piece of readLines(path)) pieces.push(piece.toString());
    expect(pieces.join('') === text).toBe(true);
    for (const piece of pieces.slice(0, -1)) expect(piece.endsWith('\n')).toBe(true);
  });

  test('end with an abort, and when nobody wants more', async () => {
    const path = join(folder, 'long');
    writeFileSync(path, 'line\n'.repeat(100_000));
    for await (const piece of readLines(path)) {
      expect(piece.length).toBeGreaterThan(0);
      break;
    }
    const abort = new AbortController();
    const read = async (): Promise<void> => {
      for await (const piece of readLines(path, abort.signal)) abort.abort(new Error(String(piece.length > 0)));
    };
    await expect(read()).rejects.toThrow('true');
  });
});
