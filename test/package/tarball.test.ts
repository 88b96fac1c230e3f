// The packed tarball as a user has it: installed in an empty folder, with no compiler and nothing of this repository.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Executor, repository, RunningCommand, samples } from '../helpers/command.js';

const patienceMs = 180_000;
let folder: string;
/** Node and npm, and the shell that npm's own scripts begin with: no compiler, make or python. */
let path: string;

function run(
  program: string,
  args: readonly string[],
  cwd: string,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { cwd, env: environment, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}\n${stdout}\n${stderr}`);
  return stdout;
}

function pack(source: string, destination: string): string {
  const output = run('npm', ['pack', '--json', '--pack-destination', destination], source);
  const [{ filename }] = JSON.parse(output.slice(output.indexOf('['))) as [{ filename: string }];
  return join(destination, filename);
}

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'node-ebpf-package-'));
  const commands = join(folder, 'commands');
  mkdirSync(commands);
  const npm = run('/bin/sh', ['-c', 'command -v npm'], folder).trim();
  const commandsOnPath: [string, string][] = [
    ['node', process.execPath],
    ['npm', npm],
    ['sh', '/bin/sh'],
    ['env', '/usr/bin/env'],
  ];
  for (const [name, target] of commandsOnPath) symlinkSync(target, join(commands, name));
  path = commands;

  const own = pack(repository, folder);
  const app = join(folder, 'app');
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true }');
  const quiet = ['--offline', '--no-audit', '--no-fund', '--loglevel=error'];
  run('npm', ['install', ...quiet, own], app, { ...process.env, PATH: path });
}, patienceMs);

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function node(...args: string[]): string {
  return run('node', args, join(folder, 'app'), { ...process.env, PATH: path });
}

test('installs the package and nothing else', () => {
  const installed = readdirSync(join(folder, 'app/node_modules')).filter((name) => !name.startsWith('.'));
  expect(installed.sort()).toEqual(['node-ebpf']);
});

test('is imported by name and required, as the same module', () => {
  const script = `
    import { createRequire } from 'node:module';
    import { Ebpf, EbpfError, HashMap, isSupported, ObjectSpec, RingBuffer, struct, u32 } from 'node-ebpf';
    const required = createRequire(import.meta.url)('node-ebpf');
    console.log(JSON.stringify([required.Ebpf === Ebpf, isSupported(), typeof ObjectSpec.parse, 'default' in required]));
  `;
  expect(JSON.parse(node('--input-type=module', '-e', script))).toEqual([true, true, 'function', false]);
});

test('what a program does not use is not read', () => {
  const script = `
    const { spawnSync } = require('node:child_process');
    const { basename, dirname } = require('node:path');
    const { Ebpf, kernelBtf } = require('node-ebpf');
    const folder = dirname(require.resolve('node-ebpf'));
    const read = () => Object.keys(require.cache).filter((file) => dirname(file) === folder).map((file) => basename(file));
    (async () => {
      (await kernelBtf()).find('task_struct');
      const forTypes = read();
      const ebpf = await Ebpf.load(${JSON.stringify(join(samples, 'execsnoop.bpf.o'))});
      const forLoad = read();
      const { RingBuffer } = require('node-ebpf');
      await ebpf.attach();
      const reader = ebpf.map('events', RingBuffer.of('event')).read();
      spawnSync(process.execPath, ['--version']);
      for await (const event of reader) break;
      ebpf.variables.events_dropped;
      console.log(JSON.stringify([forTypes, forLoad, read()]));
      await ebpf.close();
    })();
  `;
  const forTypes = ['index.js', 'types.js'];
  const forLoad = [...forTypes, 'load.js'];
  expect(JSON.parse(node('-e', script))).toEqual([forTypes, forLoad, [...forLoad, 'live.js', 'codec.js']]);
});

test('import, which asks for every name, does not read what has only functions before one is called', () => {
  const script = `
    import { createRequire } from 'node:module';
    import { dirname, join } from 'node:path';
    import { readFileSync } from 'node:fs';
    import { disassemble, ObjectSpec } from 'node-ebpf';
    const object = ObjectSpec.parse(readFileSync(${JSON.stringify(join(samples, 'execsnoop.bpf.o'))}));
    const require = createRequire(import.meta.url);
    const isRead = () => join(dirname(require.resolve('node-ebpf')), 'write.js') in require.cache;
    const before = isRead();
    console.log(JSON.stringify([before, disassemble(object, 'exec').includes('exit'), isRead()]));
  `;
  expect(JSON.parse(node('--input-type=module', '-e', script))).toEqual([false, true, true]);
});

test('errors have their names, and traces those of functions', () => {
  const script = `
    const { HashMap, ObjectSpec } = require('node-ebpf');
    let stack;
    try {
      ObjectSpec.parse(new Uint8Array(3), { name: 'x' });
    } catch (error) {
      stack = error.stack;
    }
    console.log(JSON.stringify([stack.split('\\n').slice(0, 4), HashMap.name, ObjectSpec.name]));
  `;
  const [stack, ...names] = JSON.parse(node('-e', script)) as [string[], string, string];
  expect(stack.map((line) => line.replace(/ \(.*/, ''))).toEqual([
    'ObjectFormatError: x, offset 0: not an ELF file: the magic number is missing',
    '    at fail',
    '    at ElfFile.parse',
    '    at readObject',
  ]);
  expect(names).toEqual(['HashMap', 'ObjectSpec']);
});

test('the command is there', () => {
  const { version } = JSON.parse(run('cat', ['package.json'], repository)) as { version: string };
  const command = join(folder, 'app/node_modules/.bin/node-ebpf');
  expect(run(command, ['--version'], folder, { ...process.env, PATH: path }).trim()).toBe(version);
});

test("the README's example prints what a process executes", async () => {
  const app = join(folder, 'app');
  copyFileSync(join(repository, 'examples/execsnoop.mjs'), join(app, 'execsnoop.mjs'));
  copyFileSync(join(samples, 'execsnoop.bpf.o'), join(app, 'execsnoop.bpf.o'));
  const executor = new Executor();
  const args = ['execsnoop.mjs', 'execsnoop.bpf.o', String(executor.pid)];
  const command = new RunningCommand(process.execPath, args, { cwd: app, env: { PATH: path } });
  try {
    let pid = 0;
    while (command.stdout === '') pid = await executor.execute('/bin/true');
    await command.shows(new RegExp(`^${pid} ${executor.pid} true /bin/true$`, 'm'));
    command.signal('SIGINT');
    expect(await command.exit()).toBe(0);
    expect(command.stderr).toBe('');
  } finally {
    await command.end();
    await executor.end();
  }
}, 60_000);

test('the types compile in a strict project, libraries checked too', () => {
  const app = join(folder, 'app');
  const consumer = `
    import { Ebpf, HashMap, RingBuffer, struct, u32, u64, cstr, type Infer } from 'node-ebpf';
    const Exec = struct('event', { ts: u64, pid: u32, comm: cstr(16) });
    const sample: Infer<typeof Exec> = { ts: 1n, pid: 2, comm: 'sh' };
    export async function main(): Promise<bigint> {
      const ebpf = await Ebpf.load('execsnoop.bpf.o', { variables: { target_ppid: sample.pid } });
      let sum = sample.ts;
      for await (const event of ebpf.map('events', RingBuffer.of(Exec)).read()) sum += event.ts;
      for (const [uid, count] of ebpf.map('counts', HashMap.of(u32, u64))) sum += BigInt(uid) + count;
      await ebpf.close();
      // @ts-expect-error A string is no number of a process.
      const wrong: Infer<typeof Exec> = { ts: 1n, pid: 'x', comm: 'sh' };
      return sum + BigInt(wrong.pid);
    }
  `;
  const options = {
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
    target: 'es2022',
    lib: ['es2023', 'esnext.disposable'],
    typeRoots: [join(repository, 'node_modules/@types')],
    types: ['node'],
  };
  writeFileSync(join(app, 'consumer.mts'), consumer);
  writeFileSync(join(app, 'consumer.cts'), consumer);
  const compilerOptions = { ...options, module: 'nodenext', moduleResolution: 'nodenext' };
  const project = { compilerOptions, files: ['consumer.mts', 'consumer.cts'] };
  writeFileSync(join(app, 'tsconfig.json'), JSON.stringify(project));
  const compiler = join(repository, 'node_modules/typescript/bin/tsc');
  expect(spawnSync(process.execPath, [compiler, '-p', app], { encoding: 'utf8' }).stdout).toBe('');
}, 120_000);
