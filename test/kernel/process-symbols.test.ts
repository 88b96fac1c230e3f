// Names of the addresses of this process and of children.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Ebpf, ProcessSymbols, StackTraceMap, type UserSymbol } from '../../lib/index.js';
import { repository } from '../helpers/command.js';
import { rawArguments, sample } from '../helpers/samples.js';
import { until } from '../helpers/until.js';

/** A file with code that a child can map: the addon, compiled here or as it is published. */
const addon =
  [
    'build/Release/node_ebpf.node',
    `prebuilds/linux-${process.arch}/node.napi${process.arch === 'arm64' ? '.armv8' : ''}.node`,
  ]
    .map((name) => join(repository, name))
    .find((path) => existsSync(path)) ?? '';

/** Where a file lies in a process: the first address of its code, and which byte of the file that is. */
function codeOf(pid: number, path: string): { readonly start: bigint; readonly offset: number } {
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const match = /^([0-9a-f]+)-[0-9a-f]+ r.x. ([0-9a-f]+) \S+ \d+ +(.*)$/u.exec(line);
    const [, start = '', offset = '', file = ''] = match ?? [];
    if (file.replace(/ \(deleted\)$/u, '') === path)
      return { start: BigInt(`0x${start}`), offset: Number.parseInt(offset, 16) };
  }
  throw new Error(`${path} is not mapped`);
}

const mapped = (pid: number, path: string): boolean => readFileSync(`/proc/${pid}/maps`, 'utf8').includes(path);

async function only(symbols: Promise<UserSymbol[]>): Promise<UserSymbol | undefined> {
  const found = await symbols;
  expect(found).toHaveLength(1);
  return found[0];
}

/** The names in the code of a file, at every sixteenth byte. */
async function namesIn(process: ProcessSymbols, path: string, bytes = 65_536): Promise<Set<string>> {
  const { start } = codeOf(process.pid, path);
  const addresses = Array.from({ length: bytes / 16 }, (_, index) => start + BigInt(index * 16));
  const symbols = await process.resolve(addresses);
  return new Set(symbols.flatMap(({ name }) => (name === undefined ? [] : [name])));
}

const children: ChildProcess[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'process-symbols-'));
});

afterEach(async () => {
  for (const child of children.splice(0)) await end(child);
  rmSync(folder, { recursive: true });
});

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

/** A process that runs a script, has said so, and then loads whatever file it is told to. */
async function start(script: string, ...flags: string[]): Promise<ChildProcess & { readonly pid: number }> {
  const listen = `process.stdin.on('data', (path) => process.dlopen({ exports: {} }, String(path).trim()));`;
  const child = spawn(process.execPath, [...flags, '-e', `${listen} ${script}; console.log('ready')`], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // V8 leaves a log here when it is asked for a perf map.
    cwd: folder,
  });
  children.push(child);
  await once(child.stdout, 'data');
  if (child.pid === undefined) throw new Error('no child');
  return child as ChildProcess & { readonly pid: number };
}

describe('ProcessSymbols', () => {
  test("name the user's part of stacks, by address and by build id", async () => {
    const ebpf = await Ebpf.load(sample('stacks'));
    try {
      await ebpf.program('look').testRun({ context: rawArguments(0) });
      const symbols = await ProcessSymbols.open(process.pid);
      const addresses = ebpf.map('addresses', StackTraceMap.addresses).get(Number(ebpf.variables['user_stack'])) ?? [];
      const [innermost] = await symbols.resolve(addresses);
      expect(innermost).toEqual({
        name: 'syscall',
        offset: expect.any(Number) as unknown,
        file: expect.stringMatching(/libc|musl/u) as unknown,
        fileOffset: expect.any(Number) as unknown,
      });
      const frames = ebpf.map('build_ids', StackTraceMap.buildIds).get(Number(ebpf.variables['user_build_ids'])) ?? [];
      expect((await symbols.resolve(frames)).slice(0, 1)).toEqual([innermost]);
    } finally {
      await ebpf.close();
    }
  });

  test('know this program, its libraries and the vDSO', async () => {
    const symbols = await ProcessSymbols.open(process.pid);
    const program = codeOf(process.pid, process.execPath);
    const found = await only(symbols.resolve([program.start + 0x100n]));
    expect(found).toMatchObject({ file: process.execPath, fileOffset: program.offset + 0x100 });
    expect((await namesIn(symbols, process.execPath)).size).toBeGreaterThan(20);
    if (process.arch === 'x64') expect(await namesIn(symbols, '[vdso]', 4096)).toContain('__vdso_clock_gettime');
    // Nothing is there, nor can be.
    const nothing = { name: undefined, offset: undefined, file: undefined, fileOffset: undefined };
    expect(await symbols.resolve([1n, 0xffff_ffff_8100_0000n, { status: 'ip', ip: 2n }])).toEqual([
      nothing,
      nothing,
      nothing,
    ]);
    const unknown = { status: 'valid', buildId: '00'.repeat(20), offset: 77n } as const;
    expect(await symbols.resolve([unknown])).toEqual([{ ...nothing, fileOffset: 77 }]);
    expect(await symbols.resolve([])).toEqual([]);
  });

  test('name what is compiled at run time, later functions included', async () => {
    const child = await start(
      `globalThis.early = function earlyFunction(n) { let sum = 0; for (let i = 0; i < n; i++) sum += i % 7; return sum; }; early(1e7);
       setTimeout(() => { globalThis.late = function lateFunction(n) { let sum = 0; for (let i = 0; i < n; i++) sum += i % 5; return sum; }; late(1e7); setInterval(() => late(10), 1000); }, 100)`,
      '--perf-basic-prof',
    );
    const path = `/tmp/perf-${child.pid}.map`;
    try {
      const symbols = await ProcessSymbols.open(child.pid);
      for (const name of ['earlyFunction', 'lateFunction']) {
        await until(() => new RegExp(`${name}.*\\n`, 'u').test(existsSync(path) ? readFileSync(path, 'utf8') : ''));
        const lines = [...readFileSync(path, 'utf8').matchAll(/^(?:0x)?([0-9a-f]+) ([0-9a-f]+) (.*)$/gmu)];
        const [, at = '0', , whole] = lines.filter((line) => line[3]?.includes(name) === true).at(-1) ?? [];
        const found = await only(symbols.resolve([BigInt(`0x${at}`) + 1n]));
        expect(found).toMatchObject({ name: whole, offset: 1 });
      }
    } finally {
      rmSync(path, { force: true });
    }
  });

  test('see what is mapped later, also of a file that was removed', async () => {
    const child = await start('setInterval(() => {}, 1000)');
    const symbols = await ProcessSymbols.open(child.pid);
    const path = join(folder, 'copy.node');
    copyFileSync(addon, path);
    child.stdin?.write(`${path}\n`);
    await until(() => mapped(child.pid, path));
    rmSync(path);
    const { start: begin, offset } = codeOf(child.pid, path);
    expect(await only(symbols.resolve([begin + 64n]))).toMatchObject({ file: path, fileOffset: offset + 64 });
    expect([...(await namesIn(symbols, path))].join(' ')).toMatch(/napi|ebpf|_init/u);
  });

  test('still know what a process had that has ended', async () => {
    const child = await start('setInterval(() => {}, 1000)');
    const symbols = await ProcessSymbols.open(child.pid);
    const address = codeOf(child.pid, process.execPath).start + 0x1000n;
    await end(child);
    const found = await only(symbols.resolve([address, 1n].slice(0, 1)));
    expect(found?.file).toBe(process.execPath);
    // This process runs the same file, whose symbols are read once for both.
    const own = await ProcessSymbols.open(process.pid);
    const offset = address - codeOf(process.pid, process.execPath).start;
    expect(offset).toBeDefined();
    await own.resolve([codeOf(process.pid, process.execPath).start]);
    expect(await symbols.refresh()).toBe(false);
    expect((await only(symbols.resolve([address])))?.file).toBe(process.execPath);
    await expect(ProcessSymbols.open(child.pid)).rejects.toThrow(`there is no process ${child.pid}`);
  });

  test('are of a process', async () => {
    for (const wrong of [0, -1, 1.5, Number.NaN, '1']) {
      await expect(ProcessSymbols.open(wrong as number)).rejects.toMatchObject({
        code: 'ERR_EBPF_INVALID_VALUE',
        path: 'pid',
      });
    }
  });
});
