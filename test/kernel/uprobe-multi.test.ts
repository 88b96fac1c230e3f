// Many places in user space by one program: in this process alone, which asks for its own priority and sets it.
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { getPriority, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import {
  Ebpf,
  ObjectSpec,
  UprobeMulti,
  UprobeMultiLink,
  UprobeSession,
  UretprobeMulti,
  features,
  type Link,
} from '../../lib/index.js';
import { heldBy, heldTooLong } from '../helpers/event-loop.js';
import { linkIds } from '../helpers/kernel-ids.js';
import { hasUprobeSessions, hasUprobes, libc } from '../helpers/user-space.js';
import { openDescriptors } from '../helpers/open-descriptors.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

const priority = getPriority();
const { pid } = process;

/** Calls getpriority once and setpriority once. */
function askAndSet(): void {
  setPriority(getPriority());
}

afterEach(() => {
  expect(getPriority()).toBe(priority);
});

async function load(name: string, variables: Record<string, unknown> = {}, ...more: readonly string[]): Promise<Ebpf> {
  const spec = ObjectSpec.parse(readFileSync(sample(name)));
  for (const each of more) spec.program(each).autoload = true;
  return Ebpf.load(spec, { variables: { target_pid: pid, ...variables } });
}

describe('uprobe.multi', () => {
  testIf(hasUprobes, 'uprobes')('runs at entry and return of the functions that the section names', async () => {
    const ebpf = await load('uprobe_multi');
    try {
      const { links } = await ebpf.attach();
      expect(links.map(({ target }) => target.replace(/ \S*libc\S*:/, ' libc:'))).toEqual([
        'uprobe.multi libc:?etpriority (2 places)',
        'uretprobe.multi libc:?etpriority (2 places)',
      ]);
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(2n);
      expect(ebpf.variable('returns').value).toBe(2n);
      await Promise.all(links.map(async (link) => link.close()));
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(2n);
      expect(ebpf.variable('returns').value).toBe(2n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('runs where the caller says: names, patterns, expressions, places', async () => {
    const ebpf = await load('uprobe_multi');
    try {
      const program = ebpf.program('anywhere', UprobeMulti);
      await using all = await program.attach({
        target: { pid, library: 'libc' },
        functions: ['getpriority', /^setpriori/g, { function: 'getpriority' }, 'getpriorit?'],
      });
      expect(all).toBeInstanceOf(UprobeMultiLink);
      expect(all.places.map(({ text }) => text)).toEqual(['getpriority', 'setpriority']);
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(2n);
      await all.close();
      const [, set] = all.places;
      await using one = await program.attach({ target: libc, functions: { offset: set?.fileOffset } });
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(3n);
      expect(one.target).toMatch(/^uprobe\.multi \/\S+:\+0x[0-9a-f]+ \(1 place\)$/);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('has one link from Linux 6.6 on, and none before', async () => {
    const ebpf = await load('uprobe_multi');
    try {
      const link: Link = await ebpf.program('enter', UprobeMulti).attach();
      if ((await features.uprobeMulti()).supported) expect(link.info().programId).toBe(ebpf.program('enter').info().id);
      else expect(() => link.info()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED', since: '6.6' }));
      expect(link.survivesProcess).toBe(false);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('gives each place its cookie', async () => {
    const { supported } = await features.bpfCookie();
    if (!supported) {
      const ebpf = await load('uprobe_multi');
      await expect(ebpf.program('enter', UprobeMulti).attach({ cookie: 1 })).rejects.toMatchObject({ since: '5.15' });
      await ebpf.close();
      return;
    }
    const ebpf = await load('uprobe_multi', {}, 'with_cookie');
    try {
      await ebpf.program('with_cookie', UprobeMulti).attach({
        target: libc,
        functions: '?etpriority',
        cookie: ({ text }) => (text === 'getpriority' ? 1 : 1n << 40n),
      });
      askAndSet();
      expect(ebpf.variable('cookies').value).toBe((1n << 40n) + 1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('runs in one process, or not in it', async () => {
    const ebpf = await load('uprobe_multi');
    try {
      const program = ebpf.program('anywhere', UprobeMulti);
      const places = { target: libc, functions: '?etpriority' };
      await using own = await program.attach({ ...places, pid });
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(2n);
      await own.close();
      // The first process is another one.
      await using other = await program.attach({ ...places, pid: 1 });
      askAndSet();
      expect(other.closed).toBe(false);
      expect(ebpf.variable('entries').value).toBe(2n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('that is refused leaves nothing behind and says why', async () => {
    const ebpf = await load('uprobe_multi');
    try {
      const program = ebpf.program('anywhere', UprobeMulti);
      const cases: [Parameters<UprobeMulti['attach']>[0], Record<string, unknown>][] = [
        [{}, { code: 'ERR_EBPF_INVALID_VALUE', path: 'target' }],
        [{ target: libc }, { code: 'ERR_EBPF_INVALID_VALUE', path: 'functions' }],
        [
          { target: libc, functions: [] },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'functions' },
        ],
        [{ target: libc, functions: 'no_such_*' }, { code: 'ERR_EBPF_NOT_FOUND' }],
        [{ target: libc, functions: /^no_such/ }, { code: 'ERR_EBPF_NOT_FOUND' }],
        [
          { target: libc, functions: ['getpriority', 'getprioritty'] },
          { suggestions: expect.arrayContaining(['getpriority']) as unknown },
        ],
        [{ target: libc, functions: 'getpriority', cookie: -1 }, { path: 'cookie' }],
        [{ target: libc, functions: 'getpriority', counterOffset: () => 0.5 }, { path: 'counterOffset' }],
        [{ target: libc, functions: 'getpriority', pid: 0x7fff_ffff }, { path: 'pid' }],
        [{ target: libc, functions: 'getpriority', signal: AbortSignal.abort() }, { name: 'AbortError' }],
      ];
      for (const [options, error] of cases) await expect(program.attach(options)).rejects.toMatchObject(error);
      expect(program.links).toEqual([]);
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(0n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('given up half-way leaves nothing attached', async () => {
    const ebpf = await load('uprobe_multi');
    try {
      const abort = new AbortController();
      const program = ebpf.program('anywhere', UprobeMulti);
      const attached = program.attach({ target: libc, functions: '?etpriority', signal: abort.signal });
      setTimeout(() => {
        abort.abort();
      }, 2);
      // It may be done before, and then stays.
      const link = await attached.catch((error: unknown) => {
        expect(error).toMatchObject({ name: 'AbortError' });
        return undefined;
      });
      await link?.close();
      expect(program.links).toEqual([]);
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(0n);
    } finally {
      await ebpf.close();
    }
  });
});

describe('uretprobe.multi', () => {
  testIf(hasUprobes, 'uprobes')('is a class of its own', async () => {
    const ebpf = await load('uprobe_multi');
    try {
      await using link = await ebpf.program('leave', UretprobeMulti).attach({ target: libc, functions: 'getpriority' });
      askAndSet();
      expect(link.places).toHaveLength(1);
      expect(ebpf.variable('returns').value).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });
});

describe('uprobe.session', () => {
  testIf(hasUprobeSessions, 'kernel 6.13')(
    'runs at entry and return, and carries a value from one to the other',
    async () => {
      const ebpf = await load('uprobe_session');
      try {
        await ebpf.program('both', UprobeSession).attach();
        askAndSet();
        expect(ebpf.variable('entries').value).toBe(2n);
        expect(ebpf.variable('returns').value).toBe(2n);
        expect(ebpf.variable('kept').value).toBe(14n);
      } finally {
        await ebpf.close();
      }
    },
  );

  testIf(hasUprobeSessions, 'kernel 6.13')('does not run at the return when the entry says so', async () => {
    const ebpf = await load('uprobe_session', { entry_only: true });
    try {
      await ebpf.program('both', UprobeSession).attach({ target: libc, functions: 'getpriority', pid });
      askAndSet();
      expect(ebpf.variable('entries').value).toBe(1n);
      expect(ebpf.variable('returns').value).toBe(0n);
    } finally {
      await ebpf.close();
    }
  });
});

describe('thousands of functions', () => {
  const functions = /^[a-z]/;
  /** Of a library that no process uses: they are never entered. */
  let folder: string;
  let target: string;
  let ebpf: Ebpf;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'uprobe-multi-'));
    target = join(folder, 'libc.so');
    copyFileSync(libc, target);
    ebpf = await load('uprobe_multi');
  });

  afterEach(async () => {
    await ebpf.close();
    rmSync(folder, { recursive: true });
  });

  testIf(hasUprobes, 'uprobes')('are attached and detached without holding the event loop', async () => {
    const program = ebpf.program('anywhere', UprobeMulti);
    const held = heldTooLong(async () => {
      let link: UprobeMultiLink | undefined;
      const attach = await heldBy(async () => {
        link = await program.attach({ target, functions });
      });
      expect(link?.places.length).toBeGreaterThan(1000);
      const detach = await heldBy(async () => link?.close());
      return { attach, detach };
    });
    expect(await held).toEqual([]);
  });

  testIf(hasUprobes, 'uprobes')('stay unattached when an abort comes in the middle', async () => {
    const program = ebpf.program('anywhere', UprobeMulti);
    const before = [linkIds(), openDescriptors()];
    for (const turns of [0, 1, 5, 20]) {
      const abort = new AbortController();
      const state = { attached: false };
      const outcome = program.attach({ target, functions, signal: abort.signal }).then(
        () => {
          state.attached = true;
          return 'attached';
        },
        (error: unknown) => error,
      );
      for (let turn = 0; turn < turns; turn++) await nextTurn();
      // With one link for all of them a kernel may be done by then.
      const isLate = state.attached;
      abort.abort(new Error(`after ${turns}`));
      expect(await outcome).toEqual(isLate ? 'attached' : new Error(`after ${turns}`));
      if (turns < 5) expect(isLate).toBe(false);
      await Promise.all(program.links.map(async (link) => link.close()));
      expect([program.links, linkIds(), openDescriptors()]).toEqual([[], ...before]);
    }
  });
});
