// Probes that a program was built with: one of test/fixtures/probes, in processes of its own.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { Ebpf, ObjectSpec, Uprobe, UprobeMultiLink, Usdt, UsdtLink, features, listUsdt } from '../../lib/index.js';
import { PinFolder } from '../helpers/pin-folder.js';
import { hasProbedProgram, probedProgram, startProbed, type ProbedProcess } from '../helpers/probed-program.js';
import { sample } from '../helpers/samples.js';
import { testIf } from '../helpers/skip.js';
import { hasUprobes } from '../helpers/user-space.js';

const canProbe = hasUprobes && hasProbedProgram;

/** Where `struct pt_regs` has the address of the instruction. */
const instructionOffsets: Record<string, number> = { x64: 128, arm64: 256, s390x: 16 };

let child: ProbedProcess | undefined;
afterEach(async () => {
  await child?.close();
  child = undefined;
});

/** Starts the program, and loads the sample, which watches it. */
async function start(command?: readonly string[]): Promise<[ebpf: Ebpf, child: ProbedProcess]> {
  const started = (child = startProbed(command));
  const ebpf = await Ebpf.load(sample('usdt'), {
    variables: { target_pid: started.pid, ip_offset: instructionOffsets[process.arch] ?? 0 },
  });
  return [ebpf, started];
}

describe('probes that a program was built with', () => {
  test('are listed, with what can be read of them', async () => {
    for (const architecture of ['x64', 'arm64', 's390x']) {
      for (const kind of ['', '-fixed']) {
        const path = probedProgram().replace(/[^/]*$/, `${architecture}${kind}.elf`);
        const places = await listUsdt(path);
        expect(places.map(({ provider, name }) => `${provider}:${name}`)).toEqual([
          ...['node_ebpf:forms', 'node_ebpf:twice', 'node_ebpf:twice', 'node_ebpf:guarded'],
        ]);
        const [forms] = places;
        expect(forms?.arguments.map(({ size, signed, problem }) => [size, signed, problem === undefined])).toEqual([
          ...[4, 8, 1, 4, 2, 4, 8, 8].map((size, index) => [size, [0, 2, 3, 5].includes(index), index !== 6]),
        ]);
        expect(forms?.arguments[6]?.problem).toMatch(/^programs do not see register "(xmm|v|f)0"$/);
        expect(places.map(({ semaphoreOffset }) => semaphoreOffset !== undefined)).toEqual([false, false, false, true]);
      }
    }
  });

  for (const kind of ['moving', 'fixed'] as const) {
    testIf(canProbe, 'uprobes')(`give programs their arguments, of a program of ${kind} addresses`, async () => {
      const [ebpf, process] = await start([probedProgram(kind)]);
      try {
        const { pid } = process;
        // Memory that was not used before is not there yet, and programs that may not wait cannot read it.
        await process.hit();
        const link = await ebpf
          .program('forms', Usdt)
          .attach({ target: probedProgram(kind), probe: 'node_ebpf:forms', pid, cookie: 1n << 40n });
        expect(link).toBeInstanceOf(UsdtLink);
        await process.hit();
        expect(ebpf.variables['calls']).toBe(1n);
        expect(ebpf.variables['count']).toBe(8n);
        expect(ebpf.variables['cookie']).toBe(1n << 40n);
        const errors = ebpf.variables['errors'] as bigint[];
        // The number of floating point; and of libbpf before 1.7, with which the sample was compiled, memory by two registers.
        const unread = link.places[0]?.arguments.map(
          ({ location }) => location === undefined || location.kind === 'indexed',
        );
        expect(errors.map((error) => error === -22n)).toEqual(unread);
        expect(unread?.[6]).toBe(true);
        const values = ebpf.variables['values'] as bigint[];
        expect(values.filter((_, index) => index !== 5)).toEqual([
          ...[-7n, 0x1122334455667788n, -15n, -1234567n, 54321n, 0n, 42n],
        ]);
        if (unread?.[5] === false) expect(values[5]).toBe(-30n);
        await link.close();
        await process.hit();
        expect(ebpf.variables['calls']).toBe(1n);
      } finally {
        await ebpf.close();
      }
    });
  }

  testIf(canProbe, 'uprobes')(
    "give them to objects of libbpf's usdt.bpf.h since 1.7, by two registers too",
    async () => {
      const process = (child = startProbed());
      const variables = { target_pid: process.pid, ip_offset: instructionOffsets[globalThis.process.arch] ?? 0 };
      const ebpf = await Ebpf.load(sample('usdt_newer'), { variables });
      try {
        // The memory must be there before a program can read it.
        await process.hit();
        const { pid } = process;
        const link = await ebpf
          .program('forms', Usdt)
          .attach({ target: { pid }, probe: 'node_ebpf:forms', cookie: 1n << 40n });
        await process.hit();
        const { calls, count, cookie, types, errors, values } = ebpf.variables;
        expect([calls, count, cookie]).toEqual([1n, 8n, 1n << 40n]);
        expect(errors).toEqual([0n, 0n, 0n, 0n, 0n, 0n, -22n, 0n]);
        expect(values).toEqual([-7n, 0x1122334455667788n, -15n, -1234567n, 54321n, -30n, 0n, 42n]);
        // Compilers for arm64 give what is in an array a register of its own.
        const [kind, type] = globalThis.process.arch === 'arm64' ? ['memory', 2] : ['indexed', 3];
        expect(link.places[0]?.arguments[5]?.location?.kind).toBe(kind);
        expect((types as number[])[5]).toBe(type);
      } finally {
        await ebpf.close();
      }
    },
  );

  testIf(canProbe, 'uprobes')(
    'at several places are attached at all of them, by one link where there are such',
    async () => {
      const [ebpf, process] = await start();
      try {
        const link = await ebpf
          .program('twice', Usdt)
          .attach({ target: { pid: process.pid }, probe: 'node_ebpf:twice' });
        expect(link.target).toBe(`usdt ${probedProgram()}:node_ebpf:twice (2 places)`);
        expect(link.places).toHaveLength(2);
        await process.hit();
        expect(ebpf.variables['twice_calls']).toBe(2n);
        expect(ebpf.variables['twice_sum']).toBe(42n);
        if ((await features.uprobeMulti()).supported)
          expect(link.info().programId).toBe(ebpf.program('twice').info().id);
        else expect(() => link.info()).toThrow(expect.objectContaining({ since: '6.6' }));
        await link.detach();
        await process.hit();
        expect(ebpf.variables['twice_calls']).toBe(2n);
      } finally {
        await ebpf.close();
      }
    },
  );

  testIf(canProbe, 'uprobes')('are attached where the section says', async () => {
    const process = (child = startProbed());
    const spec = ObjectSpec.parse(readFileSync(sample('usdt')));
    spec.program('twice').attachTo = `${probedProgram('fixed')}:node_ebpf:twice`;
    const ebpf = await Ebpf.load(spec, { variables: { target_pid: process.pid } });
    try {
      const { links, unattached } = await ebpf.attach();
      expect(links.map(({ target }) => target)).toEqual([`usdt ${probedProgram('fixed')}:node_ebpf:twice (2 places)`]);
      expect(unattached.map(({ program, reason }) => [program.name, reason])).toEqual([
        ['forms', 'its section "usdt" names no probe'],
        ['guarded', 'its section "usdt" names no probe'],
      ]);
    } finally {
      await ebpf.close();
    }
  });

  testIf(canProbe, 'uprobes')('work on when they are pinned and closed, whatever is attached next', async () => {
    const [ebpf, process] = await start();
    const pins = await PinFolder.create();
    try {
      if (!(await features.uprobeMulti()).supported) return;
      const path = join(pins.path, 'link');
      const { pid } = process;
      const link = await ebpf.program('twice', Usdt).attach({ target: { pid }, probe: 'node_ebpf:twice' });
      link.pin(path);
      await link.close();
      // It must not be told of other arguments by this.
      await ebpf.program('forms', Usdt).attach({ target: { pid }, probe: 'node_ebpf:forms' });
      await process.hit();
      expect(ebpf.variables['twice_sum']).toBe(42n);
      await using again = UprobeMultiLink.open(path);
      expect(again.info().offsets).toHaveLength(2);
      await again.detach();
      await process.hit();
      expect(ebpf.variables['twice_sum']).toBe(42n);
    } finally {
      await ebpf.close();
      await pins.close();
    }
  });

  testIf(canProbe, 'uprobes')('see that they are watched by their semaphore, and that they are no longer', async () => {
    const [ebpf, process] = await start();
    try {
      expect(await process.hit()).toBe(0);
      const { pid } = process;
      const attach = async (): Promise<UsdtLink> =>
        ebpf.program('guarded', Usdt).attach({ target: probedProgram(), probe: 'node_ebpf:guarded', pid });
      await attach().then(async (link) => {
        expect(await process.hit()).toBe(1);
        expect(ebpf.variables['guarded_calls']).toBe(1n);
        await link.close();
      });
      expect(await process.hit()).toBe(0);
      expect(ebpf.variables['guarded_calls']).toBe(1n);
    } finally {
      await ebpf.close();
    }
  });

  testIf(canProbe, 'uprobes')('can be attached again and again, more often than there is room for', async () => {
    const [ebpf, process] = await start();
    try {
      const program = ebpf.program('twice', Usdt);
      const options = { target: probedProgram(), probe: 'node_ebpf:twice', pid: process.pid };
      const { maxEntries } = ebpf.map('__bpf_usdt_specs').info();
      const rounds = 3;
      for (let round = 0; round < rounds; round++) {
        const link = await program.attach(options);
        await process.hit();
        await link.close();
      }
      expect(ebpf.variables['twice_calls']).toBe(BigInt(rounds) * 2n);
      expect(maxEntries).toBe(256);
      if (!(await features.bpfCookie()).supported) return;
      // Each attachment describes two places.
      const links = [];
      for (let count = 0; count < maxEntries / 2; count++) links.push(await program.attach(options));
      await expect(program.attach(options)).rejects.toMatchObject({
        code: 'ERR_EBPF_INVALID_VALUE',
        message: expect.stringContaining('BPF_USDT_MAX_SPEC_CNT') as unknown,
      });
      await links[7]?.close();
      await (await program.attach(options)).close();
      await Promise.all(links.map(async (link) => link.close()));
    } finally {
      await ebpf.close();
    }
  });

  testIf(canProbe, 'uprobes')('that are refused leave nothing behind and say why', async () => {
    const [ebpf, process] = await start();
    try {
      const program = ebpf.program('guarded', Usdt);
      const target = probedProgram();
      const { pid } = process;
      const cases: [Parameters<Usdt['attach']>[0], Record<string, unknown>][] = [
        [{}, { code: 'ERR_EBPF_INVALID_VALUE', path: 'target' }],
        [{ target }, { code: 'ERR_EBPF_INVALID_VALUE', path: 'probe' }],
        [
          { target, probe: 'guarded' },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'probe' },
        ],
        [
          { target, probe: 'node_ebpf:guarde' },
          { code: 'ERR_EBPF_NOT_FOUND', suggestions: expect.arrayContaining(['node_ebpf:guarded']) as unknown },
        ],
        [
          { target: '/no/such/file', probe: 'a:b' },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'target' },
        ],
        [{ target, probe: 'node_ebpf:guarded', pid: 0x7fff_ffff }, { path: 'pid' }],
        [{ target, probe: 'node_ebpf:guarded', pid, signal: AbortSignal.abort() }, { name: 'AbortError' }],
      ];
      const others = ['x64', 'arm64', 's390x'].filter((each) => each !== globalThis.process.arch);
      for (const other of others) {
        const path = target.replace(/[^/]*$/, `${other}.elf`);
        cases.push([
          { target: path, probe: 'node_ebpf:guarded' },
          { code: 'ERR_EBPF_INVALID_VALUE', path: 'target' },
        ]);
      }
      for (const [options, error] of cases) await expect(program.attach(options)).rejects.toMatchObject(error);
      expect(await process.hit()).toBe(0);
      if (!(await features.bpfCookie()).supported) {
        // The file is elsewhere in each process, and this kernel tells programs nothing else than where they are.
        await expect(program.attach({ target, probe: 'node_ebpf:guarded' })).rejects.toMatchObject({ since: '5.15' });
      }
    } finally {
      await ebpf.close();
    }
  });
});

describe('programs in other file systems', () => {
  const mount = 'd=$(mktemp -d); mount -t tmpfs tmpfs $d; cp "$1" $d/probed; chmod 755 $d/probed; exec $d/probed';

  testIf(canProbe, 'uprobes')('are found by the process that runs them', async () => {
    const [ebpf, process] = await start(['unshare', '-m', 'sh', '-c', mount, 'sh', probedProgram()]);
    try {
      await process.hit();
      const { pid } = process;
      const link = await ebpf.program('twice', Usdt).attach({ target: { pid }, probe: 'node_ebpf:twice' });
      expect(link.target).toMatch(/^usdt \/\S+\/probed:node_ebpf:twice/);
      await process.hit();
      expect(ebpf.variables['twice_calls']).toBe(2n);
      // The path that the process sees is nowhere here.
      const path = /^usdt (\S+):node_ebpf/.exec(link.target)?.[1];
      await expect(listUsdt(path ?? '')).rejects.toMatchObject({ path: 'target' });
      expect(await listUsdt({ pid, library: 'probed' })).toHaveLength(4);
    } finally {
      await ebpf.close();
    }
  });

  testIf(canProbe, 'uprobes')('and so are those that were removed since', async () => {
    const remove =
      'd=$(mktemp -d); cp "$1" $d/probed; exec 3<$d/probed; chmod 755 $d/probed; (sleep 0.3; rm -r $d) & exec $d/probed';
    const [usdt, process] = await start(['sh', '-c', remove, 'sh', probedProgram()]);
    const ebpf = await Ebpf.load(sample('uprobe'), { variables: { target_pid: process.pid } });
    try {
      await process.hit();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const { pid } = process;
      await ebpf.program('anywhere', Uprobe).attach({ target: { pid }, function: 'work' });
      await process.hit();
      // For the index of an array and for the probe's value.
      expect(ebpf.variable('entries').value).toBe(2n);
    } finally {
      await ebpf.close();
      await usdt.close();
    }
  });
});
