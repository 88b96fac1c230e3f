// Programs at many kernel functions. They count what security_task_setnice does, which runs when a process changes a priority.
import { existsSync, readFileSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';

import {
  Ebpf,
  KprobeMulti,
  KretprobeMulti,
  KprobeSession,
  ObjectSpec,
  type KernelFunction,
  type KprobeMultiLink,
} from '../../lib/index.js';
import { heldBy, heldTooLong } from '../helpers/event-loop.js';
import { linkIds } from '../helpers/kernel-ids.js';
import { hasKprobeMulti, hasKprobeSession } from '../helpers/kernel-hooks.js';
import { hasJit } from '../helpers/kernel-symbols.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const nice = getPriority();
const watched = 'security_task_setnice';
const tracefs = ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'].find((path) => existsSync(`${path}/events`));

/** Enters security_task_setnice. */
function changePriority(value: number): void {
  setPriority(process.pid, value);
}

async function load(name = 'kprobe_multi'): Promise<Ebpf> {
  return Ebpf.load(sample(name), { variables: { target_pid: process.pid } });
}

/** Its program that does nothing, alone: the others use helpers that kernels without kprobe.multi need not have. */
async function loadNothing(): Promise<Ebpf> {
  const spec = ObjectSpec.parse(readFileSync(sample('kprobe_multi')));
  for (const program of spec.programs.values()) program.autoload = program.name === 'nothing';
  return Ebpf.load(spec);
}

/** What the kernel lists, read all at once. */
function traceable(): string[] {
  const lines = readFileSync(`${tracefs ?? ''}/available_filter_functions`, 'latin1').split('\n');
  return lines.filter((line) => line !== '' && !line.startsWith('__ftrace_invalid'));
}

const names = (link: KprobeMultiLink): string[] => link.functions.map(({ name }) => name);

let ebpf: Ebpf;

afterEach(async () => {
  changePriority(nice);
  await ebpf.close();
});

describe('kprobe.multi', () => {
  testIf(hasKprobeMulti, 'kprobe.multi')(
    'runs at entry and return of the functions that the section names',
    async () => {
      ebpf = await load();
      const { links, unattached } = await ebpf.attach();
      expect(links.map(({ program, target }) => [program, target])).toEqual([
        ['pattern', 'kprobe.multi security_task_setn* (1 functions)'],
        ['leave', 'kretprobe.multi security_task_setn* (1 functions)'],
      ]);
      expect(unattached.map(({ program, reason }) => [program.name, reason])).toEqual([
        ['anywhere', 'its section "kprobe.multi" names no kernel functions'],
        ['nothing', 'its section "kprobe.multi" names no kernel functions'],
      ]);
      changePriority(5);
      expect([ebpf.variables['entries'], ebpf.variables['returns']]).toEqual([1n, 1n]);
      expect(ebpf.program('leave', KretprobeMulti).links).toHaveLength(1);
      expect(links[0]?.info().programId).toBe(ebpf.program('pattern').info().id);
      for (const link of links) await link.close();
      changePriority(6);
      expect([ebpf.variables['entries'], ebpf.variables['returns']]).toEqual([1n, 1n]);
    },
  );

  testIf(hasKprobeMulti, 'kprobe.multi')(
    'takes names, patterns and expressions, and gives each function its cookie',
    async () => {
      ebpf = await load();
      const program = ebpf.program('anywhere', KprobeMulti);
      const functions = [
        'security_task_getscheduler',
        `vmlinux:${watched}`,
        'security_task_setn?c*',
        /^security_task_set(nice|x)$/g,
      ];
      const cookie = ({ name }: KernelFunction): number => (name === watched ? 7 : 8);
      const link = await program.attach({ functions, cookie });
      expect(names(link).sort()).toEqual(['security_task_getscheduler', watched]);
      expect(link.target).toBe(
        `kprobe.multi security_task_getscheduler, vmlinux:${watched}, security_task_setn?c* and 1 more (2 functions)`,
      );
      changePriority(5);
      expect(ebpf.variables['cookies']).toEqual([7n, 0n, 0n, 0n]);
      const [found] = link.functions.filter(({ name }) => name === watched);
      expect(ebpf.variables['addresses']).toEqual([found?.address, 0n, 0n, 0n]);
      await link.close();

      // By address, the same function is found again.
      const again = await program.attach({ functions: found?.address ?? 0n, cookie: 2n ** 64n - 1n });
      expect(again.functions).toEqual([{ name: '', module: undefined, address: found?.address }]);
      changePriority(6);
      expect(ebpf.variables['cookies']).toEqual([7n, 2n ** 64n - 1n, 0n, 0n]);
    },
  );

  testIf(hasKprobeMulti, 'kprobe.multi')('chooses the functions that the kernel can trace', async () => {
    ebpf = await load();
    const link = await ebpf.program('nothing', KprobeMulti).attach({ functions: /^vfs_[a-m]/ });
    const unsafe = existsSync('/sys/kernel/debug/kprobes/blacklist')
      ? readFileSync('/sys/kernel/debug/kprobes/blacklist', 'utf8')
      : '';
    const expected = traceable().filter((name) => /^vfs_[a-m]/.test(name) && !unsafe.includes(`\t${name}\n`));
    expect(names(link).sort()).toEqual(expected.sort());
    expect(expected.length).toBeGreaterThan(10);
  });

  testIf(hasKprobeMulti, 'kprobe.multi')('refuses what stands for no function, or for several', async () => {
    ebpf = await load();
    const program = ebpf.program('anywhere', KprobeMulti);
    await expect(program.attach({ functions: [watched, 'security_task_setnicer'] })).rejects.toMatchObject({
      code: 'ERR_EBPF_NOT_FOUND',
      suggestions: expect.arrayContaining([watched]) as unknown,
    });
    await expect(program.attach({ functions: [watched, /^no_such/] })).rejects.toThrow(
      'no kernel function that can be traced matches /^no_such/',
    );
    const seen = new Set<string>();
    const several = traceable().find((name) => /^\w+$/.test(name) && seen.size === seen.add(name).size) ?? '';
    await expect(program.attach({ functions: several })).rejects.toThrow(
      new RegExp(`symbols named "${several}", at 0x[0-9a-f]+, 0x[0-9a-f]+`, 'u'),
    );
    // What is no function's entry.
    const wrong = (await program.attach({ functions: watched })).functions[0]?.address ?? 0n;
    await expect(program.attach({ functions: [wrong + 0x11n] })).rejects.toMatchObject({
      code: 'ERR_EBPF_NOT_FOUND',
      message: expect.stringContaining('available_filter_functions') as unknown,
    });
    expect(program.links).toHaveLength(1);
  });

  test('refuses what cannot be a function, before the kernel is asked', async () => {
    ebpf = await loadNothing();
    const program = ebpf.program('nothing', KprobeMulti);
    await expect(program.attach()).rejects.toThrow('section "kprobe.multi" of program "nothing" names none');
    for (const functions of [
      '',
      'a b',
      'a/../b',
      'a:b:c',
      'x\0',
      [],
      0n,
      1n << 64n,
      [undefined as unknown as string],
    ]) {
      await expect(program.attach({ functions })).rejects.toMatchObject({
        code: 'ERR_EBPF_INVALID_VALUE',
        path: 'functions',
      });
    }
  });

  if (!hasKprobeMulti) {
    test('is refused by a kernel without it, which is named as the reason', async () => {
      ebpf = await loadNothing();
      await expect(ebpf.program('nothing', KprobeMulti).attach({ functions: [watched] })).rejects.toMatchObject({
        code: 'ERR_EBPF_UNSUPPORTED',
        since: '5.18',
        message: expect.stringContaining('CONFIG_FPROBE') as unknown,
      });
    });
  }
});

describe('kprobe.session', () => {
  // What the program hands itself it gets by a kernel function.
  testIf(hasKprobeSession && hasJit, hasKprobeSession ? 'a JIT' : 'kprobe.session')(
    'runs at entry and return, and hands itself a number in between',
    async () => {
      ebpf = await load('kprobe_session');
      const { links } = await ebpf.attach();
      expect(links.map(({ target }) => target)).toEqual([`kprobe.session ${watched} (1 functions)`]);
      changePriority(5);
      changePriority(6);
      expect([ebpf.variables['entries'], ebpf.variables['returns'], ebpf.variables['handed']]).toEqual([2n, 2n, 101n]);
    },
  );

  if (!hasKprobeSession) {
    test('is refused by a kernel without it, which is named as the reason', async () => {
      ebpf = await load('kprobe_session');
      const attached = ebpf.program('both', KprobeSession).attach({ functions: 0xffff_ffff_8100_0000n });
      await expect(attached).rejects.toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '6.10' });
    });
  }
});

describe('ten thousand functions', () => {
  const many = 10_000;

  testIf(hasKprobeMulti, 'kprobe.multi')(
    'are attached and detached without holding the event loop, with one link',
    async () => {
      ebpf = await load();
      const all = traceable().filter((name) => !/^(?:rcu|__rcu|arch_cpu_idle|default_idle|acpi)/.test(name));
      const counts = new Map<string, number>();
      for (const name of all) counts.set(name, (counts.get(name) ?? 0) + 1);
      const chosen = new Set(all.filter((name) => /^\w+$/.test(name) && counts.get(name) === 1).slice(0, many));
      expect(chosen.size).toBe(many);
      const program = ebpf.program('nothing', KprobeMulti);
      for (const functions of [[...chosen], '*e*']) {
        const held = heldTooLong(async () => {
          let link: KprobeMultiLink | undefined;
          const attach = await heldBy(async () => {
            link = await program.attach({ functions });
          });
          expect(link?.functions.length).toBeGreaterThanOrEqual(many);
          const detach = await heldBy(async () => link?.close());
          return { attach, detach };
        });
        expect(await held).toEqual([]);
      }
    },
    180_000,
  );

  testIf(hasKprobeMulti, 'kprobe.multi')('stay unattached when an abort comes in the middle', async () => {
    ebpf = await load();
    const program = ebpf.program('nothing', KprobeMulti);
    const before = linkIds();
    for (const turns of [0, 1, 20, 200]) {
      const abort = new AbortController();
      const attached = program.attach({ functions: 'a*', signal: abort.signal });
      const outcome = attached.then(
        () => 'attached',
        (error: unknown) => error,
      );
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      abort.abort(new Error(`after ${turns}`));
      expect(await outcome).toEqual(new Error(`after ${turns}`));
      expect([program.links, linkIds()]).toEqual([[], before]);
    }
  });
});
