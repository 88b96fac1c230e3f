// Compiles the addon for any platform with zig's clang, which brings the headers and libraries of every C library it knows:
// the same bytes on every machine, and no symbol newer than the oldest glibc that Node itself runs on.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { cached, hashOf, makeEntry } from '../test/vm/cache.mjs';
import { readJson, root } from './files.mjs';
import { fetchWheel } from './pip.mjs';
import { SetupError, say } from './setup.mjs';

const toolchain = readJson(path.join(root, 'scripts', 'toolchain.json'));
const machines = { x64: 'x86_64', arm64: 'aarch64', s390x: 's390x' };

/** Compiles the addon for an architecture and C library into a file, as `binding.gyp` says. */
export async function compileAddon({ arch, libc }, output) {
  const machine = machines[arch];
  if (machine === undefined)
    throw new SetupError(`no target is known for ${arch}; there are ${Object.keys(machines).join(', ')}`);
  const target = libc === 'musl' ? `${machine}-linux-musl` : `${machine}-linux-gnu.${toolchain.glibc}`;
  const zig = await fetchZig();
  const { sources, defines, cflags, cflags_cc, ldflags } = readGyp();
  const objects = path.join(root, 'build', 'zig', target);
  fs.rmSync(objects, { recursive: true, force: true });
  fs.mkdirSync(objects, { recursive: true });
  const include = path.relative(root, headers());
  const flags = [...cflags, ...cflags_cc, ...defines.map((name) => `-D${name}`), `-I${include}`, ...toolchain.flags];
  const compiled = sources.map((source) => path.join(objects, `${path.basename(source, '.cc')}.o`));
  await inParallel(sources, (source, index) =>
    zig('c++', '-target', target, ...flags, '-c', source, '-o', compiled[index]),
  );
  fs.mkdirSync(path.dirname(output), { recursive: true });
  // Linked as C: native/runtime.cc has what is needed of C++'s library.
  const names = compiled.map((file) => path.relative(root, file));
  const made = path.join(objects, 'node_ebpf.node');
  await zig('cc', '-target', target, '-shared', ...names, ...ldflags, ...toolchain.linkFlags, '-o', made);
  fs.copyFileSync(made, output);
  fs.chmodSync(output, 0o644);
}

/** What is said of Linux in binding.gyp, which is JSON but for its comments. */
function readGyp() {
  const lines = fs.readFileSync(path.join(root, 'binding.gyp'), 'utf8').split('\n');
  const text = lines.filter((line) => !/^\s*#/u.test(line)).join('\n');
  const [[, settings]] = JSON.parse(text.replaceAll('<(module_root_dir)/', '')).targets[0].conditions;
  return { ...settings, defines: [...settings.defines, 'NODE_GYP_MODULE_NAME=node_ebpf', 'BUILDING_NODE_EXTENSION'] };
}

/** Node-API's headers, of one version whatever Node this machine has. */
function headers() {
  const folder = path.join(root, 'node_modules', 'node-api-headers');
  const { version } = readJson(path.join(folder, 'package.json')) ?? {};
  const wanted = toolchain['node-api-headers'];
  if (version !== wanted)
    throw new SetupError(
      `node-api-headers ${wanted} is needed, as scripts/toolchain.json says, and ${version} is there`,
    );
  return path.join(folder, 'include');
}

async function fetchZig() {
  const { version, sha256 } = toolchain.zig;
  const name = `zig-${version}-${process.arch}`;
  const recipe = hashOf(version, sha256);
  const entry =
    cached(name, recipe) ??
    (await makeEntry(name, recipe, (folder) => {
      const start = Date.now();
      fetchWheel({ name: 'ziglang', version, sha256 }, folder);
      fs.chmodSync(path.join(folder, 'ziglang', 'zig'), 0o755);
      say(`prebuild: fetched zig ${version} in ${((Date.now() - start) / 1000).toFixed(1)} s`);
      return {};
    }));
  const cache = path.join(root, 'build', 'zig', 'cache');
  const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: cache, ZIG_LOCAL_CACHE_DIR: cache };
  return (...args) => spawned(path.join(entry.folder, 'ziglang', 'zig'), args, env);
}

function spawned(command, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] });
    let text = '';
    child.stderr.on('data', (chunk) => (text += chunk));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve();
      else reject(new SetupError(`${text}\nzig ${args.join(' ')} failed (exit status ${status})`));
    });
  });
}

async function inParallel(items, work) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      await work(items[index], index);
    }
  };
  await Promise.all(Array.from({ length: os.availableParallelism() }, worker));
}
