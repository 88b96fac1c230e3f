#!/usr/bin/env node
// Compiles bpf-samples/*.bpf.c and examples/*/*.bpf.c to the objects that lie beside them and are committed, so that
// nothing else here needs a compiler. The same compiler makes the same bytes in every checkout: paths are relative and the
// flags are these.
//
//   node scripts/build-samples.mjs            compile all, write the manifest
//   node scripts/build-samples.mjs --check    compile into a temporary folder and compare; differences end with 1
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const CLANG = 'clang-19';
const STRIP = 'llvm-strip-19';
const PACKAGES = ['clang-19', 'llvm-19', 'libbpf-dev'];
const FLAGS = [
  ...['-O2', '-g', '-mcpu=v3', '-fno-addrsig', '-std=gnu11'],
  ...['-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter'],
  // Names files relative to the folder, whatever the folder is. Relocation errors show these names.
  '-fdebug-compilation-dir=.',
  ...['-I', 'include'],
];
/** Compiled for big-endian machines too, so that both byte orders are tested everywhere. */
const BIG_ENDIAN_TOO = new Set([
  ...[
    'callbacks',
    'core',
    'core_missing',
    'execsnoop',
    'fentry',
    'kprobe',
    'kprobe_multi',
    'kprobe_session',
    'ksyscall',
    'lsm',
    'maps',
    'newer_types',
    'raw_tracepoint',
  ],
  ...['rejected', 'ring_burst', 'ring_discard', 'slow_verifier', 'subprograms', 'tracepoint', 'two_rings'],
  ...['externs', 'kfunc'],
  ...['arena', 'exceptions', 'map_values', 'mistakes', 'perf_burst', 'soak', 'struct_ops', 'user_ring'],
  ...['cgroup_membership', 'cgroup_values', 'cgrp_storage', 'inner_maps', 'inode_storage', 'stacks', 'tail_calls'],
  ...['cgroup_programs', 'task_storage'],
  ...['xdp', 'socket_filter', 'socket_choice', 'socket_maps', 'tc'],
  ...['bloom_filter', 'legacy_map_types', 'locked_values', 'logs', 'map_types', 'streams', 'timed_values'],
  ...['uprobe', 'uprobe_multi', 'uprobe_session', 'usdt', 'usdt_newer', 'strings'],
]);

const folder = fileURLToPath(new URL('../bpf-samples/', import.meta.url));
const manifestPath = join(folder, 'manifest.json');

const { values: options } = parseArgs({ options: { check: { type: 'boolean', default: false } } });
installWhatIsMissing();
const compiler = execFileSync(CLANG, ['--version'], { encoding: 'utf8' }).split('\n', 1)[0].trim();
const headers = createHash('sha256');
for (const name of readdirSync(join(folder, 'include')).sort())
  headers.update(readFileSync(join(folder, 'include', name)));
const headersHash = headers.digest('hex');

const targets = filesEndingIn('.bpf.c').flatMap((source) => {
  const stem = source.slice(0, -'.bpf.c'.length);
  const little = { source, target: 'bpfel', object: `${stem}.bpf.o` };
  return BIG_ENDIAN_TOO.has(stem) ? [little, { source, target: 'bpfeb', object: `${stem}.bpfeb.o` }] : [little];
});

if (options.check) process.exitCode = check();
else build();

function build() {
  const objects = {};
  for (const target of targets) {
    compile(target, join(folder, target.object));
    objects[target.object] = {
      source: hashOf(join(folder, target.source)),
      object: hashOf(join(folder, target.object)),
    };
    console.log(`${target.object}: ${readFileSync(join(folder, target.object)).length} bytes`);
  }
  for (const name of committedObjects()) {
    if (name in objects) continue;
    rmSync(join(folder, name));
    console.log(`${name}: removed, it has no source`);
  }
  writeFileSync(manifestPath, `${JSON.stringify({ compiler, headers: headersHash, objects }, null, 2)}\n`);
}

function check() {
  const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'));
  const sameCompiler = manifest.compiler === compiler;
  const problems = [];
  if (manifest.headers !== headersHash) problems.push('include/: changed since the objects were compiled');
  const scratch = mkdtempSync(join(tmpdir(), 'bpf-samples-'));
  try {
    for (const target of targets) {
      const recorded = manifest.objects[target.object];
      const committed = join(folder, target.object);
      if (recorded === undefined || !existsSync(committed)) {
        problems.push(`${target.object}: ${target.source} was never compiled`);
        continue;
      }
      const sourceChanged = recorded.source !== hashOf(join(folder, target.source));
      if (sourceChanged) problems.push(`${target.object}: ${target.source} changed since it was compiled`);
      const objectHash = hashOf(committed);
      if (recorded.object !== objectHash) problems.push(`${target.object}: is not the object the manifest records`);
      const rebuilt = join(scratch, basename(target.object));
      compile(target, rebuilt);
      if (hashOf(rebuilt) === objectHash || sourceChanged) continue;
      problems.push(
        sameCompiler
          ? `${target.object}: compiling ${target.source} again gives other bytes (${sizes(committed, rebuilt)})`
          : `${target.object}: this compiler makes other bytes of ${target.source} than the recorded one did`,
      );
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  const known = new Set(targets.map((target) => target.object));
  for (const name of committedObjects()) if (!known.has(name)) problems.push(`${name}: has no source`);

  if (!sameCompiler) console.log(`The compiler changed: recorded ${manifest.compiler}, here ${compiler}.`);
  for (const problem of problems) console.error(problem);
  if (problems.length === 0) console.log(`${targets.length} sample objects are what their sources compile to.`);
  else console.error('Run `node scripts/build-samples.mjs` and commit what it writes.');
  return problems.length === 0 ? 0 : 1;
}

function compile({ source, target }, output) {
  run(CLANG, ['-target', target, ...FLAGS, ...systemHeaders(), '-c', source, '-o', output]);
  // DWARF is ten times the program; BTF stays.
  run(STRIP, ['-g', output]);
}

function run(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: folder, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) {
    console.error(`${program} ${args.join(' ')} failed`);
    process.exit(1);
  }
}

/** <asm/types.h> lies in a folder of the machine's own on Debian; a compiler for BPF does not look there. */
function systemHeaders() {
  const multiarch = { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch];
  return multiarch === undefined ? [] : ['-idirafter', `/usr/include/${multiarch}`];
}

function committedObjects() {
  return filesEndingIn('.o');
}

/** The samples' files and those of the examples that are applications, by paths relative to the samples. */
function filesEndingIn(suffix) {
  const examples = readdirSync(join(folder, '../examples'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  const folders = ['', ...examples.map(({ name }) => `../examples/${name}/`)];
  return folders.flatMap((path) =>
    readdirSync(join(folder, path))
      .filter((name) => name.endsWith(suffix))
      .sort()
      .map((name) => `${path}${name}`),
  );
}

function hashOf(path) {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

function sizes(committed, rebuilt) {
  return `${readFileSync(committed).length} bytes committed, ${readFileSync(rebuilt).length} now`;
}

function installWhatIsMissing() {
  const present = (program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
  if (present(CLANG) && present(STRIP) && existsSync('/usr/include/bpf/bpf_helpers.h')) return;
  const canInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version') && present('apt-get');
  if (!canInstall) {
    console.error(`Building the samples needs ${CLANG}, ${STRIP} and libbpf's headers.`);
    console.error(`On Debian or Ubuntu, as root: apt-get install ${PACKAGES.join(' ')}`);
    process.exit(1);
  }
  console.log(`Installing ${PACKAGES.join(', ')} to build the samples (apt-get install).`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...PACKAGES]]) {
    const { status } = spawnSync('apt-get', ['-qq', ...args], { stdio: 'inherit', env: environment });
    if (status !== 0) {
      console.error(`apt-get ${args[0]} failed; install ${PACKAGES.join(' ')} and run this again.`);
      process.exit(1);
    }
  }
}
