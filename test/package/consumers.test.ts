// Programs that use the package by way of a compiler, a test runner or a bundler.
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { repository, samples } from '../helpers/command.js';
import { newApp, output, packed } from '../helpers/packed.js';

const { commands, peers } = packed();
const env = { PATH: commands };
const app = newApp();
const object = join(samples, 'execsnoop.bpf.o');
afterAll(() => {
  rmSync(app, { recursive: true });
});

describe('TypeScript', () => {
  const consumers = join(repository, 'test/consumer');
  for (const name of readdirSync(consumers)) copyFileSync(join(consumers, name), join(app, name));
  mkdirSync(join(app, 'node_modules/@types'), { recursive: true });
  for (const name of ['@types/node', 'undici-types']) symlinkSync(join(peers, name), join(app, 'node_modules', name));

  // test/consumer/tsconfig.json: strict, ES modules and CommonJS, skipLibCheck false.
  test.each(['5.4', '5.5', '5.6', '5.7', '5.8', '5.9', '6.0', '7.0'])('%s takes the typings', (version) => {
    const compiler = join(peers, `typescript-${version}/bin/tsc`);
    const node = join(peers, 'node-24/bin/node');
    expect(output(node, [compiler, '--version'], { cwd: app }).trim()).toContain(`Version ${version}`);
    expect(output(node, [compiler, '-p', '.'], { cwd: app })).toBe('');
  });

  test('they are there to be wrong about', () => {
    const file = join(app, 'wrong.mts');
    writeFileSync(file, `import { Ebpf } from 'node-ebpf';\nexport const wrong: string = Ebpf.load;\n`);
    const compiler = join(peers, 'typescript-5.4/bin/tsc');
    expect(() => output(process.execPath, [compiler, '-p', '.'], { cwd: app })).toThrow(
      /wrong\.mts\(2,14\): error TS2322/,
    );
    rmSync(file);
  });
});

/** What a test of a program that uses the package does: it loads an object, for which the addon has to be there. */
const body = `
  const ebpf = await Ebpf.load(${JSON.stringify(object)});
  const counts = ebpf.map('execs_by_uid', HashMap);
  expect([isSupported(), [...counts].length, ebpf.programs.map?.(({ name }) => name) ?? [...ebpf.programs].map(({ name }) => name)]).toEqual([true, 0, ['exec']]);
  await ebpf.close();
`;

describe('test runners', () => {
  test('Jest, CommonJS', () => {
    const own = newApp();
    const imported = `const { Ebpf, HashMap, isSupported } = require('node-ebpf');`;
    writeFileSync(join(own, 'own.test.js'), `${imported}\ntest('loads', async () => {${body}});\n`);
    const jest = join(peers, 'jest/bin/jest.js');
    const args = [jest, '--rootDir', own, '--ci', '--no-cache', '--watchman=false'];
    output(process.execPath, args, { cwd: own, env });
    rmSync(own, { recursive: true });
  });

  test('Vitest, ES modules', () => {
    const own = newApp();
    // Found from there, as what is installed beside a program.
    for (const name of ['vitest', 'vite']) symlinkSync(join(peers, name), join(own, 'node_modules', name));
    const imported = `import { expect, test } from 'vitest';\nimport { Ebpf, HashMap, isSupported } from 'node-ebpf';`;
    writeFileSync(join(own, 'own.test.mjs'), `${imported}\ntest('loads', async () => {${body}});\n`);
    const node = join(peers, 'node-24/bin/node');
    const said = output(node, [join(peers, 'vitest/vitest.mjs'), 'run', '--root', own], { cwd: own, env });
    expect(said).toMatch(/1 passed/);
    rmSync(own, { recursive: true });
  });
});

describe('bundlers', () => {
  const source = (imported: string): string => `
    ${imported}
    (async () => {
      const ebpf = await Ebpf.load(${JSON.stringify(object)});
      await ebpf.attach();
      console.log(JSON.stringify([isSupported(), [...ebpf.programs].map(({ name }) => name)]));
      await ebpf.close();
    })();
  `;
  const esm = source(`import { Ebpf, isSupported } from 'node-ebpf';`);
  const runs = (file: string, cwd: string): void => {
    expect(JSON.parse(output('node', [file], { cwd, env }))).toEqual([true, ['exec']]);
  };

  test.each([
    ['CommonJS', 'cjs', 'out/bundle.cjs'],
    ['ES modules', 'esm', 'out/bundle.mjs'],
  ])('esbuild, into %s', (_name, format, file) => {
    const own = newApp();
    writeFileSync(join(own, 'main.mjs'), esm);
    // A bundle of ES modules has no require of its own.
    const banner = `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);`;
    const flags = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${file}`];
    if (format === 'esm') flags.push(`--banner:js=${banner}`);
    output(join(peers, 'esbuild/bin/esbuild'), ['main.mjs', ...flags, '--log-level=warning'], { cwd: own });
    runs(file, own);
    rmSync(own, { recursive: true });
  });

  test('webpack', () => {
    const own = newApp();
    writeFileSync(join(own, 'main.mjs'), esm);
    const script = `
      const webpack = require(${JSON.stringify(join(peers, 'webpack'))});
      const output = { path: ${JSON.stringify(join(own, 'out'))}, filename: 'bundle.cjs' };
      webpack({ mode: 'production', target: 'node', context: ${JSON.stringify(own)}, entry: './main.mjs', output }, (error, stats) => {
        if (error) throw error;
        const { errors, warnings } = stats.toJson();
        console.log(JSON.stringify([errors.map(({ message }) => message), warnings.map(({ message }) => message)]));
      });
    `;
    expect(JSON.parse(output(process.execPath, ['-e', script], { cwd: own }))).toEqual([[], []]);
    runs('out/bundle.cjs', own);
    rmSync(own, { recursive: true });
  });

  test('a bundle that is deployed with package.json and prebuilds alone, and one without', () => {
    const own = newApp();
    writeFileSync(join(own, 'main.mjs'), esm);
    const flags = ['--bundle', '--platform=node', '--outfile=bundle.cjs', '--log-level=warning'];
    output(join(peers, 'esbuild/bin/esbuild'), ['main.mjs', ...flags], { cwd: own });
    const deployed = realpathSync(mkdtempSync(join(tmpdir(), 'node-ebpf-deployed-')));
    copyFileSync(join(own, 'bundle.cjs'), join(deployed, 'bundle.cjs'));
    const without = () => output('node', ['bundle.cjs'], { cwd: deployed, env });
    expect(without).toThrow(
      /a bundle needs node_modules\/node-ebpf beside or above it, with its package\.json and prebuilds/,
    );
    for (const name of ['package.json', 'prebuilds'])
      cpSync(join(own, 'node_modules/node-ebpf', name), join(deployed, 'node_modules/node-ebpf', name), {
        recursive: true,
      });
    runs('bundle.cjs', deployed);
    for (const folder of [own, deployed]) rmSync(folder, { recursive: true });
  });
});
