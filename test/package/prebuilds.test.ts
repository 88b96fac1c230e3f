// The binaries of prebuilds/: what they ask of the system they are loaded on, and who finds them.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { repository } from '../helpers/command.js';
import { linkage } from '../helpers/linkage.js';
import { newApp, output, packed } from '../helpers/packed.js';

const { commands, peers } = packed();

interface Prebuild {
  readonly arch: 'x64' | 'arm64';
  readonly libc: 'glibc' | 'musl';
  readonly file: string;
}
const list = `import { prebuilds } from ${JSON.stringify(join(repository, 'scripts/prebuilds.mjs'))}; console.log(JSON.stringify(prebuilds));`;
const prebuilds = JSON.parse(output(process.execPath, ['--input-type=module', '-e', list])) as Prebuild[];
const place = (file: string): string => join(repository, 'prebuilds', file);

test('there are four, for two architectures and two C libraries', () => {
  expect(prebuilds.map(({ arch, libc }) => `${arch} ${libc}`).sort()).toEqual([
    'arm64 glibc',
    'arm64 musl',
    'x64 glibc',
    'x64 musl',
  ]);
});

describe.each(prebuilds)('$file', ({ arch, libc, file }) => {
  const bytes = readFileSync(place(file));
  const { needed, imported, exported } = linkage(bytes);

  test('is for its architecture, stripped and small', () => {
    // EM_X86_64 and EM_AARCH64
    expect(bytes.readUInt16LE(18)).toBe(arch === 'x64' ? 62 : 183);
    expect(bytes.includes('.symtab\0')).toBe(false);
    expect(bytes.includes('.debug_')).toBe(false);
    expect(bytes.length).toBeLessThan(150_000);
  });

  test('tells nothing of where it was built', () => {
    expect(bytes.includes('.note.gnu.build-id')).toBe(false);
    for (const trace of [repository, tmpdir(), process.env['HOME'] ?? '/root'])
      expect(bytes.includes(`${trace}/`)).toBe(false);
  });

  test('needs the C library alone', () => {
    const glibc = ['libc.so.6', 'libpthread.so.0'];
    expect(needed.filter((name) => !(libc === 'glibc' ? glibc : ['libc.so']).includes(name))).toEqual([]);
    // Neither C++'s library nor anything else that a process may have in another version.
    expect(imported.filter((name) => /^_Z|^__cxa_(?!finalize)|GLIBCXX|CXXABI|^uv_/.test(name))).toEqual([]);
  });

  test('asks for no symbol newer than glibc 2.28', () => {
    const foreign = imported.filter((name) => !name.startsWith('napi_') && !/^(?:_ITM_|__gmon_start__)/.test(name));
    expect(foreign.length).toBeGreaterThan(20);
    if (libc === 'musl') {
      expect(foreign.filter((name) => name.includes('@'))).toEqual([]);
      return;
    }
    const newer = foreign.filter((name) => {
      const [, minor] = /@GLIBC_2\.(\d+)(?:\.\d+)?$/.exec(name) ?? [];
      return minor === undefined || Number(minor) > 28;
    });
    expect(newer).toEqual([]);
  });

  test('makes no memory of its own into an ArrayBuffer, which Electron forbids', () => {
    const forbidden = /^(?:napi_create_external_(?:array)?buffer|node_api_create_buffer_from_arraybuffer)/;
    expect(imported.filter((name) => forbidden.test(name))).toEqual([]);
    expect(imported).toContain('napi_create_function');
  });

  test('shows Node what it looks for and nothing else', () => {
    expect(exported.sort()).toEqual(['napi_register_module_v1', 'node_api_module_get_api_version_v1']);
  });

  test('is of the version of Node-API that Node 20 and every later one have', () => {
    const calls = imported.filter((name) => /^(?:napi|node_api)_/.test(name));
    const script = `const { symbols } = require('node-api-headers'); console.log([...symbols.v8.js_native_api_symbols, ...symbols.v8.node_api_symbols].join())`;
    const known = output(process.execPath, ['-e', script], { cwd: repository }).trim().split(',');
    expect(calls.filter((name) => !known.includes(name))).toEqual([]);
  });
});

test('the manifest says of which sources and by which tools they were made', () => {
  const manifest = JSON.parse(readFileSync(place('manifest.json'), 'utf8')) as Record<string, unknown>;
  expect(manifest['sources']).toMatch(/^[0-9a-f]{64}$/);
  expect(manifest['toolchain']).toEqual(JSON.parse(readFileSync(join(repository, 'scripts/toolchain.json'), 'utf8')));
  expect(Object.keys(manifest['files'] as object).sort()).toEqual(prebuilds.map(({ file }) => file).sort());
});

describe('others find them', () => {
  test.each(prebuilds)('node-gyp-build: $file', ({ arch, libc, file }) => {
    const app = newApp();
    const script = `console.log(require(${JSON.stringify(require.resolve('node-gyp-build'))}).path('node_modules/node-ebpf'))`;
    const env = { ...process.env, npm_config_arch: arch, LIBC: libc, ARM_VERSION: arch === 'arm64' ? '8' : '' };
    const found = output(process.execPath, ['-e', script], { cwd: app, env });
    expect(found.trim()).toBe(join(app, 'node_modules/node-ebpf/prebuilds', file));
    rmSync(app, { recursive: true });
  });

  test.each(['x64', 'arm64'])('@electron/rebuild, which then compiles nothing: %s', (arch) => {
    const app = newApp();
    const script = `
      import { Prebuildify } from ${JSON.stringify(join(peers, '@electron/rebuild/lib/module-type/prebuildify.js'))};
      const rebuilder = { arch: ${JSON.stringify(arch)}, platform: 'linux', ABI: '140', electronVersion: '39.0.0' };
      const module = new Prebuildify(rebuilder, ${JSON.stringify(join(app, 'node_modules/node-ebpf'))});
      console.log(JSON.stringify([await module.usesTool(), await module.findPrebuiltModule()]));
    `;
    const node = join(peers, 'node-24/bin/node');
    expect(JSON.parse(output(node, ['--input-type=module', '-e', script], { cwd: app }))).toEqual([true, true]);
    rmSync(app, { recursive: true });
  });
});

describe('a clone', () => {
  const clone = mkdtempSync(join(tmpdir(), 'node-ebpf-clone-'));
  const built = join(clone, 'build/Release/node_ebpf.node');
  /** What `npm start` and `npm test` do about the addon, with no compiler on PATH. */
  const setUp = (): { status: number | null; stderr: string } => {
    const script = `import { main } from './scripts/setup.mjs'; await main(['addon'], () => 0);`;
    const options = { cwd: clone, env: { ...process.env, PATH: commands, CXX: '' }, encoding: 'utf8' as const };
    const { status, stderr } = spawnSync('node', ['--input-type=module', '-e', script], options);
    return { status, stderr };
  };

  beforeAll(() => {
    for (const name of ['package.json', 'binding.gyp', 'native', 'prebuilds', 'scripts'])
      cpSync(join(repository, name), join(clone, name), { recursive: true });
    symlinkSync(join(repository, 'node_modules'), join(clone, 'node_modules'));
  });
  afterAll(() => {
    rmSync(clone, { recursive: true });
  });

  test('needs no compiler', () => {
    expect(setUp()).toEqual({ status: 0, stderr: '' });
    expect(existsSync(built)).toBe(false);
  });

  test('never loads what it compiled of other sources', () => {
    cpSync(place('linux-x64/node.napi.node'), built);
    const { status, stderr } = setUp();
    expect(status).toBe(0);
    expect(stderr).toMatch(/^setup: addon: the one in prebuilds\/ is of these sources/);
    expect(existsSync(built)).toBe(false);
  });

  test('compiles when native/ changed, and says what that needs', () => {
    const file = join(clone, 'native/addon.cc');
    const before = readFileSync(file);
    writeFileSync(file, `${before.toString()}// changed\n`);
    const { status, stderr } = setUp();
    writeFileSync(file, before);
    expect(status).toBe(1);
    expect(stderr).toContain('the addon in native/ has to be compiled, and g++, make, python3 are not installed');
  });
});
