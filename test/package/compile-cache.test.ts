// `node-ebpf compile-cache`: what it keeps is used by the Node it was made with, and whatever is wrong with it, the package works.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

import { repository, samples } from '../helpers/command.js';
import { newApp, output, packed } from '../helpers/packed.js';

const { commands, peers } = packed();
const env = { PATH: commands };
const nodes: [string, string][] = [
  ['20', process.execPath],
  ...['22', '24', '26'].map((version): [string, string] => [version, join(peers, `node-${version}/bin/node`)]),
];
/** What loading and closing reads. */
const all = (outcome: string) =>
  Object.fromEntries(['types.js', 'load.js', 'live.js', 'values.js'].map((part) => [part, outcome]));
const used = all('used');
const notOfThisFile = 'not there, or not of this file';

let app: string;
let dist: string;
beforeEach(() => {
  app = newApp();
  dist = join(app, 'node_modules/node-ebpf/dist');
  copyFileSync(join(samples, 'execsnoop.bpf.o'), join(app, 'execsnoop.bpf.o'));
});
afterEach(() => {
  rmSync(app, { recursive: true });
});

/** Parses an object, and relocates and loads it; prints what came of it and where an error is from. */
const script = `
  const { Ebpf, EbpfError, ObjectSpec } = require('node-ebpf');
  (async () => {
    const ebpf = await Ebpf.load('execsnoop.bpf.o');
    await ebpf.close();
    try {
      ObjectSpec.parse(new Uint8Array(3), { name: 'x' });
    } catch (error) {
      console.log(JSON.stringify({ isError: error instanceof Error && EbpfError.is(error), stack: error.stack.split('\\n') }));
    }
  })();
`;

interface Outcome {
  /** What came of each part, by NODE_DEBUG=ebpf. */
  readonly parts: Record<string, string>;
  readonly said: { readonly isError: boolean; readonly stack: string[] };
}

interface RunOptions {
  readonly node?: string;
  readonly flags?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  readonly args?: readonly string[];
  readonly cwd?: string;
}

function spawn(options: RunOptions) {
  const { node = process.execPath, flags = [], args = ['-e', script], cwd = app } = options;
  const environment = { ...env, NODE_DEBUG: 'ebpf', ...options.env };
  return spawnSync(node, [...flags, ...args], { cwd, env: environment, encoding: 'utf8', timeout: 60_000 });
}

function run(options: RunOptions = {}): Outcome {
  const { status, signal, stdout, stderr } = spawn(options);
  if (status !== 0) throw new Error(`ended with ${status ?? signal}\n${stdout}\n${stderr}`);
  const told = [...stderr.matchAll(/compile cache of (.*): (.*)$/gm)];
  const parts = told.map(([, path = '', outcome = '']): [string, string] => [basename(path), outcome]);
  return { parts: Object.fromEntries(parts), said: JSON.parse(stdout) as Outcome['said'] };
}

function make(node = process.execPath, ...args: string[]): string {
  return output(node, [join(dist, 'cli/main.js'), 'compile-cache', ...args], { cwd: app, env });
}

/** The one folder that was made. */
function madeFolder(): string {
  const [name = '', ...others] = readdirSync(join(dist, 'compile-cache'));
  expect(others).toEqual([]);
  return join(dist, 'compile-cache', name);
}

describe.each(nodes)('Node %s', (_version, node) => {
  test('loads with the code that was kept, as without it', () => {
    const before = run({ node });
    expect(before.parts).toEqual({});
    expect(make(node)).toMatch(/^Compiled \d+ files for Node\.js v[\d.]+, .*\n[\d.]+ MB in .*compile-cache.*\n$/);
    // Stacks too: every line and column.
    expect(run({ node })).toEqual({ parts: used, said: before.said });
    expect(run({ node, flags: ['--enable-source-maps'] })).toEqual({ parts: used, said: before.said });
  });

  test('events are read, in a Worker too; import and require have the same', () => {
    make(node);
    copyFileSync(join(repository, 'test/package/programs/smoke.cjs'), join(app, 'smoke.cjs'));
    for (const thread of ['main', 'worker']) {
      const said = output(node, ['smoke.cjs', 'execsnoop.bpf.o', thread], { cwd: app, env });
      expect(JSON.parse(said)).toEqual({ supported: true, seen: ['true', '/bin/true'], counted: true });
    }
    const imported = `
      import { createRequire } from 'node:module';
      import { Ebpf, disassemble, ObjectSpec, typescriptFromBtf } from 'node-ebpf';
      const required = createRequire(import.meta.url)('node-ebpf');
      console.log(JSON.stringify([required.Ebpf === Ebpf, required.ObjectSpec === ObjectSpec]));
    `;
    const { status, stdout, stderr } = spawn({ node, args: ['--input-type=module', '-e', imported] });
    expect([status, stdout.trim()]).toEqual([0, '[true,true]']);
    const outcomes = [...stderr.matchAll(/compile cache of .*: (.*)$/gm)].map(([, outcome]) => outcome);
    expect(outcomes.length).toBeGreaterThan(10);
    expect(new Set(outcomes)).toEqual(new Set(['used']));
  });

  test('other flags of V8: it loads, with or without the code', () => {
    make(node);
    for (const flags of [['--no-opt'], ['--max-lazy'], ['--jitless'], ['--max-old-space-size=300', '--expose-gc']]) {
      const { parts, said } = run({ node, flags });
      expect(said.isError).toBe(true);
      for (const outcome of Object.values(parts)) expect(['used', 'refused by V8']).toContain(outcome);
    }
  });

  test('made again under flags, it is used under those', () => {
    make(node);
    const flags = ['--max-old-space-size=300'];
    output(node, [...flags, join(dist, 'cli/main.js'), 'compile-cache'], { cwd: app, env });
    expect(run({ node, flags }).parts).toEqual(used);
  });
});

describe('for whom it is', () => {
  test('another program of Node, be it of the same version: nothing is looked at', () => {
    make();
    const other = join(app, 'node');
    copyFileSync(process.execPath, other);
    utimesSync(other, 1, 1);
    expect(run({ node: other })).toMatchObject({ parts: {}, said: { isError: true } });
    make(other);
    expect(run({ node: other }).parts).toEqual(used);
    expect(run().parts).toEqual(used);
    expect(readdirSync(join(dist, 'compile-cache'))).toHaveLength(2);
  });

  test.each([{ NODE_DISABLE_COMPILE_CACHE: '1' }, { NODE_V8_COVERAGE: 'coverage' }])('not with %j', (variables) => {
    make();
    expect(run({ env: variables })).toMatchObject({ parts: {}, said: { isError: true } });
  });

  test('Jest: what is thrown is of the realm of the test', () => {
    make();
    writeFileSync(
      join(app, 'own.test.js'),
      `const { ObjectSpec, UsageError } = require('node-ebpf');
      test('errors are errors', () => {
        expect(() => ObjectSpec.parse(new Uint8Array(3))).toThrow(Error);
        expect(UsageError.prototype).toBeInstanceOf(Error);
      });`,
    );
    const jest = join(peers, 'jest/bin/jest.js');
    output(process.execPath, [jest, '--rootDir', app, '--ci', '--no-cache', '--watchman=false'], { cwd: app, env });
  });

  test("Node's --permission: as far as it lets files be read", () => {
    make();
    const flags = ['--no-warnings', '--permission', '--allow-addons'];
    const node = join(peers, 'node-24/bin/node');
    make(node);
    expect(run({ node, flags: [...flags, '--allow-fs-read=*'] }).parts).toEqual(used);
    const some = [app, '/sys', '/proc'].map((place) => `--allow-fs-read=${place}`);
    expect(run({ node, flags: [...flags, ...some] })).toMatchObject({ parts: {}, said: { isError: true } });
  });

  test('a bundle has its own code', () => {
    make();
    writeFileSync(join(app, 'main.cjs'), script);
    const flags = ['--bundle', '--platform=node', '--outfile=bundle.cjs', '--log-level=warning'];
    output(join(peers, 'esbuild/bin/esbuild'), ['main.cjs', ...flags], { cwd: app });
    expect(run({ args: ['bundle.cjs'] })).toMatchObject({ parts: {}, said: { isError: true } });
  });

  test('it is not packed', () => {
    make();
    const said = output('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: join(app, 'node_modules/node-ebpf'),
    });
    const [{ files = [] } = {}] = JSON.parse(said) as { files?: { path: string }[] }[];
    expect(files.map(({ path }) => path)).toContain('dist/load.js');
    expect(files.filter(({ path }) => path.includes('compile-cache'))).toEqual([]);
  });
});

describe('what is wrong is not used', () => {
  test.each<[string, (file: string) => void]>([
    ['removed', (file) => rmSync(file)],
    ['empty', (file) => truncateSync(file, 0)],
    ['shorter than its header', (file) => truncateSync(file, 20)],
    ['cut in the middle', (file) => truncateSync(file, statSync(file).size >> 1)],
    ['without its end', (file) => truncateSync(file, statSync(file).size - 1)],
    ['longer', (file) => writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.alloc(8)]))],
    ['text', (file) => writeFileSync(file, 'x'.repeat(statSync(file).size))],
    [
      'another byte in the code',
      (file) => {
        const bytes = readFileSync(file);
        bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 0xff;
        writeFileSync(file, bytes);
      },
    ],
    [
      'a folder',
      (file) => {
        rmSync(file);
        mkdirSync(file);
      },
    ],
  ])('a file that is %s', (_what, damage) => {
    const { said } = run();
    make();
    damage(join(madeFolder(), 'load.js.cache'));
    expect(run()).toEqual({ parts: { ...used, 'load.js': notOfThisFile }, said });
  });

  test('of a source that was patched since: the patch is in force', () => {
    make();
    const load = join(dist, 'load.js');
    const text = readFileSync(load, 'utf8');
    // As long as it was, so that V8 would take the code.
    const patched = text.replace('the magic number is missing', 'THE MAGIC NUMBER IS MISSING');
    expect(patched).not.toBe(text);
    writeFileSync(load, patched);
    const { mtimeMs } = statSync(load);
    utimesSync(load, mtimeMs / 1000 + 5, mtimeMs / 1000 + 5);
    const { parts, said } = run();
    expect(parts).toEqual({ ...used, 'load.js': notOfThisFile });
    expect(said.stack[0]).toContain('THE MAGIC NUMBER IS MISSING');
    make();
    expect(run()).toEqual({ parts: used, said });
  });

  test('of a package that was elsewhere: traces tell where it is', () => {
    make();
    const moved = `${app}-moved`;
    renameSync(app, moved);
    const { parts, said } = run({ cwd: moved });
    renameSync(moved, app);
    expect(parts).toEqual(all(notOfThisFile));
    expect(said.stack[1]).toContain(`${moved}/`);
  });
});

describe('the command', () => {
  const command = (user: readonly string[], ...args: string[]) => {
    const words = [...user, process.execPath, join(dist, 'cli/main.js'), 'compile-cache', ...args];
    const { status, stdout, stderr } = spawnSync('setpriv', words, { cwd: app, encoding: 'utf8', timeout: 60_000 });
    return { status, stdout, stderr };
  };
  const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];

  test('--remove takes all of it away', () => {
    make();
    expect(make(process.execPath, '--remove')).toBe(`Removed from ${dist}\n`);
    expect(readdirSync(dist)).not.toContain('compile-cache');
    expect(run().parts).toEqual({});
    expect(make(process.execPath, '--remove')).toBe(`Nothing was kept in ${dist}\n`);
  });

  test('made again, it is as it was, and nothing else is left', () => {
    make();
    const names = readdirSync(madeFolder()).sort();
    make();
    expect(readdirSync(madeFolder()).sort()).toEqual(names);
    expect(run().parts).toEqual(used);
  });

  test('in a folder that may not be written it says so, and leaves nothing', () => {
    chmodSync(app, 0o755);
    for (const args of [[], ['--remove']]) {
      if (args.length > 0) make();
      expect(command(nobody, ...args)).toEqual({
        status: 1,
        stdout: '',
        stderr: `node-ebpf: ${dist} may not be written (EACCES): run this as who installed the package, before it is made read-only\n`,
      });
    }
    expect(run().parts).toEqual(used);
  });

  test("run by root, it belongs to the package's owner, and others may read but not write it", () => {
    chmodSync(app, 0o755);
    chownSync(dist, 65534, 65534);
    for (const name of readdirSync(dist)) chownSync(join(dist, name), 65534, 65534);
    const mask = process.umask(0);
    try {
      make();
    } finally {
      process.umask(mask);
    }
    const folder = madeFolder();
    for (const path of [join(dist, 'compile-cache'), folder, join(folder, 'load.js.cache')]) {
      const { uid, gid, mode } = statSync(path);
      expect([uid, gid, mode & 0o022]).toEqual([65534, 65534, 0]);
    }
    expect(command(nobody, '--remove').status).toBe(0);
    expect(existsSync(folder)).toBe(false);
  });

  test('an option that is none', () => {
    expect(command([], '--clean')).toMatchObject({ status: 2, stdout: '' });
  });
});
