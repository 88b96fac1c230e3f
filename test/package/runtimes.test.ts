// The tarball in other Nodes, in Workers, in other runtimes, beside another C library, and where there is no eBPF.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { repository, samples } from '../helpers/command.js';
import { newApp, output, packed } from '../helpers/packed.js';

const { commands, peers, tarball, musl } = packed();
const app = newApp();
const programs = join(repository, 'test/package/programs');
for (const name of readdirSync(programs)) copyFileSync(join(programs, name), join(app, name));
for (const name of ['execsnoop', 'xdp', 'tracepoint'])
  copyFileSync(join(samples, `${name}.bpf.o`), join(app, `${name}.bpf.o`));
copyFileSync(join(repository, 'examples/execsnoop.mjs'), join(app, 'execsnoop.mjs'));
afterAll(() => {
  rmSync(app, { recursive: true });
});

const env = { PATH: commands };
const nodes: [string, string][] = [
  ['20', process.execPath],
  ...['22', '24', '26'].map((version): [string, string] => [version, join(peers, `node-${version}/bin/node`)]),
];
const worked = { supported: true, seen: ['true', '/bin/true'], counted: true };

describe.each(nodes)('Node %s', (version, node) => {
  test.each(['main', 'worker'])('reads events: %s', (thread) => {
    expect(output(node, ['-p', 'process.versions.node']).split('.')[0]).toBe(version);
    const said = output(node, ['smoke.cjs', 'execsnoop.bpf.o', thread], { cwd: app, env });
    expect(JSON.parse(said)).toEqual(worked);
  });
});

describe("Node's --permission", () => {
  const script = `
    import { Ebpf, EbpfError, isSupported, whyUnsupported } from 'node-ebpf';
    let error = {};
    try {
      await (await Ebpf.load('execsnoop.bpf.o')).close();
    } catch (caught) {
      error = caught;
    }
    const why = whyUnsupported();
    console.log(JSON.stringify([isSupported(), error.name, error.code, error.message, error === why]));
  `;
  // Node 20 calls it experimental.
  test.each(nodes)('Node %s: the refusal names --allow-addons', (version, node) => {
    const flag = version === '20' ? '--experimental-permission' : '--permission';
    const args = ['--no-warnings', flag, '--allow-fs-read=*', '--input-type=module', '-e', script];
    const [supported, name, code, message, same] = JSON.parse(output(node, args, { cwd: app, env })) as unknown[];
    expect([supported, name, code, same]).toEqual([false, 'PermissionError', 'ERR_EBPF_PERMISSION', true]);
    expect(message).toContain('start node with --allow-addons');
  });

  test.each(nodes.slice(1))('Node %s: with --allow-addons it loads', (_version, node) => {
    const flags = ['--no-warnings', '--permission', '--allow-fs-read=*', '--allow-addons'];
    const args = [...flags, '--input-type=module', '-e', script];
    const [supported, name] = JSON.parse(output(node, args, { cwd: app, env })) as unknown[];
    expect([supported, name]).toEqual([true, null]);
  });
});

describe('other runtimes', () => {
  test('Bun reads events', () => {
    const bun = join(peers, '@oven/bun-linux-x64-baseline/bin/bun');
    expect(JSON.parse(output(bun, ['smoke.cjs', 'execsnoop.bpf.o'], { cwd: app, env }))).toEqual(worked);
  });

  test('Deno reads events', () => {
    const deno = join(peers, '@deno/linux-x64-glibc/deno');
    chmodSync(deno, 0o755);
    const args = ['run', '--quiet', '--allow-all', '--node-modules-dir=manual', 'smoke.cjs', 'execsnoop.bpf.o'];
    const home = mkdtempSync(join(tmpdir(), 'node-ebpf-deno-'));
    const said = output(deno, args, { cwd: app, env: { ...env, DENO_DIR: home, DENO_NO_UPDATE_CHECK: '1' } });
    rmSync(home, { recursive: true });
    expect(JSON.parse(said)).toEqual(worked);
  });
});

test('musl: installed by npm in a system of its own, the README example prints what is executed', () => {
  const root = mkdtempSync(join(tmpdir(), 'node-ebpf-musl-'));
  // Mounts of a namespace of its own: what is fetched stays as it is, and nothing is left when it ends.
  const outside = `
    set -e
    mount --make-rprivate / && mount --bind "$1" "$2"
    mount -t proc proc "$2/proc" && mount -t tmpfs tmpfs "$2/app" && mount -t tmpfs tmpfs "$2/tmp"
    mount --rbind /sys "$2/sys" && mount --rbind /dev "$2/dev"
    mkdir "$2/app/npm" && mount --bind "$3" "$2/app/npm"
    cp "$4" "$2/app/node-ebpf.tgz" && cp "$5"/*.bpf.o "$5"/*.mjs "$2/app/"
    exec chroot "$2" /bin/sh -c "$6"
  `;
  const inside = `
    export PATH=/usr/bin HOME=/tmp && cd /app && echo '{ "private": true }' >package.json
    node npm/bin/npm-cli.js install --offline --no-audit --no-fund --loglevel=error ./node-ebpf.tgz >&2 || exit 1
    node execsnoop.mjs execsnoop.bpf.o $$ >out &
    example=$!
    for turn in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      /bin/sh -c /bin/true; /bin/true; /bin/busybox sleep 0.5
      [ -s out ] && break
    done
    kill -INT $example; wait $example || exit 1
    /bin/busybox cat out
    node -e "require('node-ebpf').isSupported(); console.log(/node.napi.musl.node/.exec(require('fs').readFileSync('/proc/self/maps'))[0])"
  `;
  const args = ['-m', 'sh', '-c', outside, 'sh', musl, root, join(peers, 'npm'), tarball, app, inside];
  const said = output('unshare', args);
  rmSync(root, { recursive: true });
  expect(said).toMatch(/^\d+ \d+ (?:sh|true|busybox) \/bin\/\w+$/m);
  expect(said).toMatch(/^user 0: \d+ executions$/m);
  expect(said).toMatch(/^node\.napi\.musl\.node$/m);
}, 120_000);

describe('where there is no eBPF', () => {
  const elsewhere = `
    const { readFileSync } = require('node:fs');
    const { inspect } = require('node:util');
    const loaded = [];
    process.dlopen = (_module, file) => loaded.push(file);
    const { createMap, Ebpf, HashMap, disassemble, isSupported, kernelBtf, ObjectSpec, typescriptFromBtf, u32, whyUnsupported } = require('node-ebpf');
    const spec = ObjectSpec.parse(readFileSync('execsnoop.bpf.o'), { name: 'execsnoop.bpf.o' });
    const calls = {
      load: () => Ebpf.load('execsnoop.bpf.o'),
      create: () => HashMap.create({ key: u32, value: u32, maxEntries: 1 }),
      types: () => kernelBtf(),
    };
    (async () => {
      const errors = {};
      for (const [name, call] of Object.entries(calls)) errors[name] = await call().then(() => 'none', ({ name, code, message }) => [name, code, message]);
      console.log(JSON.stringify({
        programs: [...spec.programs.keys()],
        inspected: inspect(spec).includes('execs_by_uid'),
        typings: typescriptFromBtf(spec.btf, { types: ['event'] }).includes('pid'),
        listing: disassemble(spec, 'exec').includes('exit'),
        supported: isSupported(),
        why: whyUnsupported().message,
        errors,
        loaded,
      }));
    })();
  `;

  test.each(['darwin', 'win32'])('%s: objects are read, told and typed; live calls say what to do', (platform) => {
    const own = newApp();
    copyFileSync(join(samples, 'execsnoop.bpf.o'), join(own, 'execsnoop.bpf.o'));
    rmSync(join(own, 'node_modules/node-ebpf/prebuilds'), { recursive: true });
    const fake = `Object.defineProperty(process, 'platform', { value: ${JSON.stringify(platform)} });`;
    const said = JSON.parse(output('node', ['-e', fake + elsewhere], { cwd: own, env })) as Record<string, unknown>;
    rmSync(own, { recursive: true });
    const message = `eBPF: it needs Linux, and this is ${platform}-x64; objects can be parsed and inspected here, and loaded on Linux`;
    const error = ['UnsupportedError', 'ERR_EBPF_UNSUPPORTED', message];
    expect(said).toEqual({
      programs: ['exec'],
      ...{ inspected: true, typings: true, listing: true },
      ...{ supported: false, why: message, loaded: [] },
      errors: { load: error, create: error, types: error },
    });
  });

  test('a processor without a binary: which files were looked for, and how to get one', () => {
    const fake = `Object.defineProperty(process, 'arch', { value: 'riscv64' });`;
    const said = JSON.parse(output('node', ['-e', fake + elsewhere], { cwd: app, env })) as Record<string, unknown>;
    expect(said['supported']).toBe(false);
    expect(said['why']).toMatch(
      /cannot be loaded on linux-riscv64 .*prebuilds\/linux-riscv64\/node\.napi\.node exists; .*build it from a clone/,
    );
  });
});

describe('which addon is loaded', () => {
  const script = `
    require('node-ebpf').isSupported();
    console.log(process.report.getReport().sharedObjects.filter((file) => file.endsWith('.node')).join());
  `;
  const own = join(app, 'node_modules/node-ebpf/prebuilds/linux-x64/node.napi.node');

  test('is the one of the package, whatever the environment says', () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'node-ebpf-elsewhere-'));
    const variables = {
      ...{ NODE_EBPF_PREBUILD: elsewhere, NODE_PATH: elsewhere, PREBUILDS_ONLY: '1', LIBC: 'musl', ARM_VERSION: '8' },
      ...{ npm_config_arch: 'arm64', npm_config_platform: 'darwin', npm_config_libc: 'musl', HOME: elsewhere },
    };
    expect(output('node', ['-e', script], { cwd: app, env: { ...env, ...variables } }).trim()).toBe(own);
    rmSync(elsewhere, { recursive: true });
  });

  test("is not one that lies beside Node's program or in the working directory", () => {
    const other = newApp();
    rmSync(join(other, 'node_modules/node-ebpf/prebuilds'), { recursive: true });
    const beside = mkdtempSync(join(tmpdir(), 'node-ebpf-beside-'));
    copyFileSync(process.execPath, join(beside, 'node'));
    for (const folder of [beside, other])
      output('cp', ['-r', join(app, 'node_modules/node-ebpf/prebuilds'), join(folder, 'prebuilds')]);
    const { stdout } = spawnSync(join(beside, 'node'), ['-e', script], { cwd: other, env, encoding: 'utf8' });
    expect(stdout.trim()).toBe('');
    for (const folder of [beside, other]) rmSync(folder, { recursive: true });
  });
});
