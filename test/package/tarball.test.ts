// The packed tarball as a user has it: installed in an empty folder, with no compiler and nothing of this repository.
import { spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Executor, repository, RunningCommand, samples } from '../helpers/command.js';
import { newApp, output, packed } from '../helpers/packed.js';

const { app, commands, files, peers, tarball, unpackedSize } = packed();
const env = { ...process.env, PATH: commands };

interface Manifest {
  version: string;
  exports: Record<string, string | Record<string, string>>;
  scripts: Record<string, string>;
}
const manifest = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as Manifest;

function node(...args: string[]): string {
  return output('node', args, { cwd: app, env });
}

describe('what is packed', () => {
  test('what is built of lib/, what package.json exports, the binaries, and what names the rest: no more', () => {
    const parts = output(process.execPath, [
      '--input-type=module',
      '-e',
      `import { parts } from ${JSON.stringify(join(repository, 'scripts/bundle-parts.mjs'))}; console.log(Object.keys(parts).join())`,
    ]);
    const exported = Object.values(manifest.exports).flatMap((entry) =>
      typeof entry === 'string' ? entry : Object.values(entry),
    );
    const expected = new Set([
      ...parts
        .trim()
        .split(',')
        .map((part) => `dist/${part}.js`),
      ...exported.map((file) => file.replace('./', '')),
      'dist/cli/main.js',
      ...['LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'UPGRADING.md', 'package.json'],
      ...['prebuilds/README.md', 'prebuilds/manifest.json'],
      // For those who write programs.
      ...['bpf-samples/include/node_ebpf_events.h', 'bpf-samples/include/node_ebpf_log.h'],
      ...['linux-x64/node.napi.node', 'linux-x64/node.napi.musl.node'].map((file) => `prebuilds/${file}`),
      ...['linux-arm64/node.napi.armv8.node', 'linux-arm64/node.napi.armv8.musl.node'].map(
        (file) => `prebuilds/${file}`,
      ),
    ]);
    expect(files.map((file) => file.path).sort()).toEqual([...expected].sort());
  });

  test('is at most 2 MB unpacked', () => {
    expect(unpackedSize).toBeLessThanOrEqual(2_000_000);
  });

  test('runs nothing when it is installed', () => {
    const inApp = JSON.parse(readFileSync(join(app, 'node_modules/node-ebpf/package.json'), 'utf8')) as Manifest;
    const hooks = Object.keys(inApp.scripts).filter((name) => /^(?:pre|post)?install$|^prepare$/.test(name));
    expect(hooks).toEqual([]);
    const lock = readFileSync(join(app, 'package-lock.json'), 'utf8');
    expect(lock).not.toContain('hasInstallScript');
  });

  test('publint finds nothing', () => {
    const command = join(peers, 'publint/src/cli.js');
    expect(output(process.execPath, [command, 'run', tarball, '--strict'])).toContain('All good!');
  });

  test('attw finds nothing wrong with its types in any way of resolving them', () => {
    const command = join(peers, '@arethetypeswrong/cli/dist/index.js');
    const args = [command, tarball, '--no-definitely-typed', '--format', 'json'];
    const { analysis, problems } = JSON.parse(output(process.execPath, args)) as {
      analysis: { entrypoints: Record<string, { resolutions: Record<string, object> }> };
      problems?: object;
    };
    expect(problems ?? {}).toEqual({});
    const ways = ['bundler', 'node10', 'node16-cjs', 'node16-esm'];
    expect(Object.keys(analysis.entrypoints['.']?.resolutions ?? {}).sort()).toEqual(ways);
  });
});

describe('npm pack', () => {
  let clone: string;
  beforeAll(async () => {
    clone = await mkdtemp(join(tmpdir(), 'node-ebpf-clone-'));
    const names = [
      'package.json',
      'package-lock.json',
      'binding.gyp',
      'native',
      'prebuilds',
      'scripts',
      'test/vm/cache.mjs',
    ];
    for (const name of names) cpSync(join(repository, name), join(clone, name), { recursive: true });
    symlinkSync(join(repository, 'node_modules'), join(clone, 'node_modules'));
  });
  afterAll(() => {
    rmSync(clone, { recursive: true });
  });

  const binary = 'prebuilds/linux-arm64/node.napi.armv8.musl.node';
  test.each([
    ['one binary is missing', binary, undefined, `${binary} is missing: run npm run prebuild`],
    ['one is another', binary, 'x', `${binary} is not the one that its manifest records: run npm run prebuild`],
    [
      'the manifest is missing',
      'prebuilds/manifest.json',
      undefined,
      'prebuilds/manifest.json is missing: run npm run prebuild',
    ],
    ['native/ changed', 'native/addon.cc', '// changed\n', 'native/ changed: run npm run prebuild'],
  ])('refuses when %s', (_when, file, added, why) => {
    const place = join(clone, file);
    const before = readFileSync(place);
    if (added === undefined) rmSync(place);
    else writeFileSync(place, Buffer.concat([before, Buffer.from(added)]));
    const { status, stderr } = spawnSync('npm', ['pack', '--loglevel=error'], { cwd: clone, encoding: 'utf8' });
    writeFileSync(place, before);
    expect(stderr).toContain(`prebuild: ${why}`);
    expect(status).not.toBe(0);
    expect(readdirSync(clone).filter((name) => name.endsWith('.tgz'))).toEqual([]);
  });
});

describe('installed in an empty folder', () => {
  test('there is the package and nothing else', () => {
    const installed = readdirSync(join(app, 'node_modules')).filter((name) => !name.startsWith('.'));
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
    expect(JSON.parse(node('-e', script))).toEqual([
      forTypes,
      forLoad,
      [...forLoad, 'live.js', 'values.js', 'codec.js'],
    ]);
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
    const command = join(app, 'node_modules/.bin/node-ebpf');
    expect(output(command, ['--version'], { env }).trim()).toBe(manifest.version);
  });

  test("the README's example prints what a process executes", async () => {
    const own = newApp();
    copyFileSync(join(repository, 'examples/execsnoop.mjs'), join(own, 'execsnoop.mjs'));
    copyFileSync(join(samples, 'execsnoop.bpf.o'), join(own, 'execsnoop.bpf.o'));
    const executor = new Executor();
    const args = ['execsnoop.mjs', 'execsnoop.bpf.o', String(executor.pid)];
    const command = new RunningCommand(process.execPath, args, { cwd: own, env: { PATH: commands } });
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
      rmSync(own, { recursive: true });
    }
  }, 60_000);
});
