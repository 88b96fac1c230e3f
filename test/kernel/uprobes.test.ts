// Probes in user space: in this process alone, where asking for its priority calls getpriority of the C library.
import { readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';

import { Ebpf, Link, ObjectSpec, PerfEventLink, Uprobe, Uretprobe, features } from '../../lib/index.js';
import { hasUprobes, libc } from '../helpers/user-space.js';
import { kernelAtLeast } from '../helpers/kernel-version.js';
import { PinFolder } from '../helpers/pin-folder.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';

/** Calls getpriority that often. */
function askForPriority(times = 1): void {
  for (let count = 0; count < times; count++) void getPriority();
}

/** Loads the sample, which watches this process, with programs that are not loaded unless asked for. */
async function load(...more: readonly string[]): Promise<Ebpf> {
  const spec = ObjectSpec.parse(readFileSync(sample('uprobe')));
  for (const name of more) spec.program(name).autoload = true;
  return Ebpf.load(spec, { variables: { target_pid: process.pid } });
}

describe('uprobes', () => {
  testIf(hasUprobes, 'uprobes')('run at entry and return of a function', async () => {
    const ebpf = await load();
    try {
      const entry = await ebpf.program('anywhere', Uprobe).attach({ target: libc, function: 'getpriority' });
      const exit = await ebpf.program('returned', Uretprobe).attach({ target: libc, function: 'getpriority' });
      expect(entry).toBeInstanceOf(PerfEventLink);
      expect(entry.target).toBe(`uprobe ${libc}:getpriority`);
      expect(exit.target).toBe(`uretprobe ${libc}:getpriority`);
      askForPriority(3);
      expect(ebpf.variable('entries').value).toBe(3n);
      expect(ebpf.variable('returns').value).toBe(3n);
      await entry.close();
      askForPriority(2);
      expect(ebpf.variable('entries').value).toBe(3n);
      expect(ebpf.variable('returns').value).toBe(5n);
      await exit.close();
      askForPriority();
      expect(ebpf.variable('returns').value).toBe(5n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('attach where their sections say, and say which do not', async () => {
    const ebpf = await load();
    try {
      const { links, unattached } = await ebpf.attach();
      expect(links.map(({ program, target }) => [program, target.replace(/ \S*libc\S*:/, ' libc:')])).toEqual([
        ['enter', 'uprobe libc:getpriority'],
        ['leave', 'uretprobe libc:getpriority'],
      ]);
      expect(unattached.map(({ program, reason }) => [program.name, reason])).toEqual([
        ['anywhere', 'its section "uprobe" names no place in user space'],
        ['returned', 'its section "uretprobe" names no place in user space'],
      ]);
      askForPriority();
      expect(ebpf.variable('entries').value).toBe(1n);
      expect(ebpf.variable('returns').value).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('find libraries by name and what processes run', async () => {
    const ebpf = await load();
    try {
      const program = ebpf.program('anywhere', Uprobe);
      const { pid } = process;
      const targets: [Parameters<Uprobe['attach']>[0], string][] = [
        [{ target: 'libc', function: 'getpriority' }, 'libc'],
        [{ target: { pid, library: 'libc' }, function: 'getpriority' }, libc],
        [{ target: { pid, library: libc }, function: 'getpriority' }, libc],
        [{ target: { pid }, function: 'uv_os_getpriority' }, process.execPath],
        [{ target: process.execPath, function: 'uv_os_getpriority', pid }, process.execPath],
      ];
      for (const [options, file] of targets) {
        const link = await program.attach(options);
        expect(link.target).toContain(file);
        askForPriority();
        await link.close();
      }
      expect(ebpf.variable('entries').value).toBe(BigInt(targets.length));
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('run in one process, or not in it', async () => {
    const ebpf = await load();
    try {
      const program = ebpf.program('anywhere', Uprobe);
      await using own = await program.attach({ target: libc, function: 'getpriority', pid: process.pid });
      askForPriority();
      expect(ebpf.variable('entries').value).toBe(1n);
      await own.close();
      // The first process is another one.
      await using other = await program.attach({ target: libc, function: 'getpriority', pid: 1 });
      askForPriority();
      expect(other.closed).toBe(false);
      expect(ebpf.variable('entries').value).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('have a link to pin and describe where the kernel has one', async () => {
    const ebpf = await load();
    try {
      const link = await ebpf.program('anywhere', Uprobe).attach({ target: libc, function: 'getpriority' });
      if ((await features.perfLink()).supported) expect(link.info().programId).toBe(ebpf.program('anywhere').info().id);
      else expect(() => link.info()).toThrow(expect.objectContaining({ code: 'ERR_EBPF_UNSUPPORTED', since: '5.15' }));
      askForPriority();
      expect(ebpf.variable('entries').value).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('outlive their object when their link is pinned, and end with the pin', async () => {
    if (!(await features.perfLink()).supported) return;
    const pins = await PinFolder.create();
    try {
      const ebpf = await load();
      const path = join(pins.path, 'link');
      const link = await ebpf.program('anywhere', Uprobe).attach({ target: libc, function: 'getpriority' });
      const { id } = link.info();
      const entries = ebpf.variable('entries');
      link.pin(path);
      await link.close();
      askForPriority();
      expect(entries.value).toBe(1n);
      await ebpf.close();
      await using again = Link.open(path);
      expect(again).toBeInstanceOf(PerfEventLink);
      expect(again.info().id).toBe(id);
      await again.detach();
      expect(() => Link.open(path)).toThrow(expect.objectContaining({ errnoName: 'ENOENT' }));
    } finally {
      await pins.close();
    }
  });

  testIf(hasUprobes && kernelAtLeast(6, 0), 'kernel 6.0')('may sleep in programs of sections that say so', async () => {
    const ebpf = await load('patient');
    try {
      await ebpf.program('patient', Uprobe).attach({ target: libc, function: 'getpriority', pid: process.pid });
      askForPriority(2);
      expect(ebpf.variable('slept').value).toBe(2n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('take a cookie, or say that the kernel has none', async () => {
    const { supported } = await features.bpfCookie();
    const ebpf = await load(...(supported ? ['with_cookie'] : []));
    try {
      const program = ebpf.program(supported ? 'with_cookie' : 'anywhere', Uprobe);
      const attached = program.attach({ target: libc, function: 'getpriority', cookie: 40_000_000_007n });
      if (!supported) {
        await expect(attached).rejects.toMatchObject({ code: 'ERR_EBPF_UNSUPPORTED', since: '5.15' });
        return;
      }
      await attached;
      askForPriority(2);
      expect(ebpf.variable('cookies').value).toBe(80_000_000_014n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(hasUprobes, 'uprobes')('that are refused leave nothing behind and say why', async () => {
    const ebpf = await load();
    try {
      const program = ebpf.program('anywhere', Uprobe);
      const descriptors = openProbes();
      const cases: [Parameters<Uprobe['attach']>[0], Record<string, unknown>][] = [
        [{}, { code: 'ERR_EBPF_INVALID_VALUE', path: 'target' }],
        [{ target: libc }, { code: 'ERR_EBPF_INVALID_VALUE', path: 'place' }],
        [
          { target: libc, function: 'getpriority', offset: 4 },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'place' },
        ],
        [
          { target: '/no/such/file', function: 'main' },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'target' },
        ],
        [
          { target: '/', function: 'main' },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'target' },
        ],
        [{ target: '/proc/self/status', function: 'main' }, { code: 'ERR_EBPF_OBJECT_FORMAT' }],
        [
          { target: libc, function: 'getpriority', pid: 0 },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'pid' },
        ],
        [
          { target: libc, function: 'getpriority', pid: 0x7fff_ffff },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'pid' },
        ],
        [
          { target: libc, function: 'getpriority+0x10000' },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'function' },
        ],
        [
          { target: libc, function: 'environ' },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'function' },
        ],
        [
          { target: libc, offset: 2 ** 40 },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'offset' },
        ],
        [
          { target: libc, offset: -1 },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'offset' },
        ],
        [
          { target: libc, address: 2 ** 40 },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'address' },
        ],
        [
          { target: libc, function: 'getprioritty' },
          { code: 'ERR_EBPF_NOT_FOUND', suggestions: expect.arrayContaining(['getpriority']) as unknown },
        ],
      ];
      for (const [options, error] of cases) await expect(program.attach(options)).rejects.toMatchObject(error);
      await expect(
        ebpf.program('returned', Uretprobe).attach({ target: libc, function: 'getpriority+1' }),
      ).rejects.toMatchObject({ code: 'ERR_EBPF_INVALID_VALUE', path: 'function' });
      await expect(
        program.attach({ target: libc, function: 'getpriority', signal: AbortSignal.abort() }),
      ).rejects.toMatchObject({ name: 'AbortError' });
      expect(openProbes()).toBe(descriptors);
      expect(program.links).toEqual([]);
      askForPriority();
      expect(ebpf.variable('entries').value).toBe(0n);
    } finally {
      await ebpf.close();
    }
  });
});

/** How many mappings this process has of breakpoints' memory, which the kernel makes with the first. */
function openProbes(): number {
  return readFileSync('/proc/self/maps', 'utf8').split('[uprobes]').length;
}
