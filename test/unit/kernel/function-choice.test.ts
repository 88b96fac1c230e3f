import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';

import { FunctionChoice, type KernelFunctionPattern } from '../../../lib/kernel/function-choice.js';
import { FunctionList } from '../../../lib/kernel/function-list.js';
import { globTest } from '../../../lib/kernel/glob.js';
import { readLines } from '../../../lib/kernel/read-lines.js';
import { eachTraceable, traceableFunctions } from '../../../lib/kernel/traceable-functions.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'functions-'));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('globs', () => {
  test('are what a regular expression says of the same pattern', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '_'), maxLength: 12 });
    const glob = fc.string({ unit: fc.constantFrom('a', 'b', '.', '_', '*', '?'), maxLength: 8 });
    fc.assert(
      fc.property(glob, text, (pattern, name) => {
        const source = Array.from(pattern, (one) => ({ '*': '.*', '?': '.', '.': '\\.' })[one] ?? one).join('');
        expect(globTest(pattern)(name)).toBe(new RegExp(`^${source}$`, 'u').test(name));
      }),
      { numRuns: 2000 },
    );
  });

  test('take no time that grows out of proportion', () => {
    const started = performance.now();
    expect(globTest(`${'*a'.repeat(500)}*b`)('a'.repeat(10_000))).toBe(false);
    expect(performance.now() - started).toBeLessThan(1000);
  });
});

const lines = `ffffffff81000004 vfs_read
ffffffff81000014 vfs_write
ffffffff81000020 twice
ffffffff81000034 twice
ffffffff81000044 __ftrace_invalid_address___64
ffffffffc0000004 nf_read [nf_conntrack]
ffffffffc0000014 vfs_read [odd_module]
`;

/** What patterns choose of the lines, with the names that are ambiguous or missing. */
function choose(...patterns: KernelFunctionPattern[]): unknown[] {
  const choice = new FunctionChoice(patterns);
  const chosen: string[] = [];
  eachTraceable(lines, true, (name, module, address) => {
    if (choice.takes(name, module, name !== 'vfs_write', chosen.length))
      chosen.push(`${module ?? ''}:${name}@${address.slice(-2)}`);
  });
  return [chosen, choice.ambiguous?.pattern, choice.missing];
}

describe('patterns', () => {
  test.each<[string, KernelFunctionPattern[], unknown[]]>([
    ['a name', ['nf_read'], [['nf_conntrack:nf_read@04'], undefined, undefined]],
    ['a name of a module', ['odd-module:vfs_read'], [['odd_module:vfs_read@14'], undefined, undefined]],
    ['a name of the kernel proper', ['vmlinux:vfs_read'], [[':vfs_read@04'], undefined, undefined]],
    ['a name of several', ['twice'], [[':twice@20', ':twice@34'], 'twice', undefined]],
    ['a name in two modules', ['vfs_read'], [[':vfs_read@04', 'odd_module:vfs_read@14'], 'vfs_read', undefined]],
    [
      'a pattern, without what is not safe',
      ['vfs_*'],
      [[':vfs_read@04', 'odd_module:vfs_read@14'], undefined, undefined],
    ],
    ['what is not safe, by its name', ['vfs_write'], [[':vfs_write@14'], undefined, undefined]],
    ['a pattern of modules', ['*t*:?f*_read'], [['nf_conntrack:nf_read@04'], undefined, undefined]],
    ['an expression', [/^(nf|no)_/g], [['nf_conntrack:nf_read@04'], undefined, undefined]],
    ['each once', ['nf_read', 'nf_*', /nf/], [['nf_conntrack:nf_read@04'], undefined, undefined]],
    ['a name that is not there', ['nf_read', 'no'], [['nf_conntrack:nf_read@04'], undefined, 'no']],
    ['a pattern without functions', ['nf_*', 'no*'], [['nf_conntrack:nf_read@04'], undefined, 'no*']],
  ])('choose %s', (_, patterns, expected) => {
    expect(choose(...patterns)).toEqual(expected);
  });

  test.each(['', 'a b', 'a\n', ':a', 'a:', 'a:b:c', 'a/b', '(a', 5, undefined, null])('refuse %j', (wrong) => {
    expect(() => new FunctionChoice([wrong as string])).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'functions' }),
    );
  });

  test('are looked for in the lists of tracefs', async () => {
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
});

describe('lists of functions', () => {
  test('grow', () => {
    const list = new FunctionList();
    for (let index = 0; index < 1000; index++) list.push(`f${index}`, index % 2 === 0 ? undefined : 'm', BigInt(index));
    expect(list.all()[999]).toEqual({ name: 'f999', module: 'm', address: 999n });
    expect(list.all()).toHaveLength(1000);
    expect([...list.addresses].reduce((sum, one) => sum + one)).toBe(499_500n);
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
