import fc from 'fast-check';

import { FunctionChoice, type KernelFunctionPattern } from '../../../lib/kernel/function-choice.js';
import { FunctionList } from '../../../lib/kernel/function-list.js';
import { globTest } from '../../../lib/kernel/glob.js';

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

const functions: [name: string, module: string | undefined, place: string][] = [
  ['vfs_read', undefined, '04'],
  ['vfs_write', undefined, '14'],
  ['twice', undefined, '20'],
  ['twice', undefined, '34'],
  ['nf_read', 'nf_conntrack', '04'],
  ['vfs_read', 'odd_module', '14'],
];

/** What patterns choose of them, with the names that are ambiguous or missing. */
function choose(patterns: KernelFunctionPattern[], fitting: boolean): unknown[] {
  const choice = new FunctionChoice(patterns);
  const expression = new RegExp(`^(extra) ${choice.nameSource(2)}`);
  const chosen: string[] = [];
  for (const [name, module, place] of functions) {
    if (fitting && !expression.test(`extra ${name} [some]`)) continue;
    const takes = fitting ? choice.takesFitting.bind(choice) : choice.takes.bind(choice);
    if (takes(name, module, name !== 'vfs_write', chosen.length)) chosen.push(`${module ?? ''}:${name}@${place}`);
  }
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
    expect(choose(patterns, false)).toEqual(expected);
    expect(choose(patterns, true)).toEqual(expected);
  });

  test.each(['', 'a b', 'a\n', ':a', 'a:', 'a:b:c', 'a/b', '(a', 5, undefined, null])('refuse %j', (wrong) => {
    expect(() => new FunctionChoice([wrong as string])).toThrow(
      expect.objectContaining({ code: 'ERR_EBPF_INVALID_VALUE', path: 'functions' }),
    );
  });

  test('of texts pass over names that fit none, however many', () => {
    const many = Array.from({ length: 40 }, (_, index) => `f${index}_*`);
    const fits = (patterns: KernelFunctionPattern[], name: string): boolean =>
      new RegExp(`^${new FunctionChoice(patterns).nameSource(1)}`).test(name);
    expect(fits(['a*b*c', 'x?z'], 'a1b2c')).toBe(true);
    expect(fits(['a*b*c', 'x?z', 'p*q*r*'], 'p-q-r-s')).toBe(true);
    expect(['a1c2b', 'xyzz', 'a1b2cd'].map((name) => fits(['a*b*c', 'x?z'], name))).toEqual([false, false, false]);
    // Tried one after another they would cost more than they save.
    expect(fits(many, 'other')).toBe(true);
    expect(fits(['a', /b/], 'other')).toBe(true);
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
