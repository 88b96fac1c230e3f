// What benchmarks share: building the peers, medians, and the two forms of a report.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SetupError, findCommand, root, say } from '../scripts/setup.mjs';

/** Where a benchmark builds what it needs: git ignores it. */
export const workFolder = (name) => path.join(root, 'temp', 'bench', name);

/** Runs a command to its end; what it printed, or why it failed. */
export function execute(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 15 * 60_000, ...options });
  if (result.error !== undefined) return { ok: false, output: result.error.message };
  return { ok: result.status === 0, output: `${result.stdout}${result.status === 0 ? '' : result.stderr}` };
}

/** The first of the commands that can be run, for objects that a benchmark compiles. */
export function findClang() {
  const clang = ['clang-19', 'clang'].find((name) => findCommand(name) !== undefined);
  if (clang === undefined) throw new SetupError('the objects are compiled with clang: sudo apt-get install clang-19');
  return clang;
}

/**
 * Copies a benchmark's `peers` folder into its work folder and builds there what the machine has tools for. `recipes` are
 * { name: { tool, program, steps(sources) } }; returns the programs by name, and tells what cannot be built.
 */
export function buildPeers(benchmark, recipes) {
  const sources = path.join(workFolder(benchmark), 'peers');
  fs.rmSync(sources, { recursive: true, force: true });
  fs.cpSync(path.join(import.meta.dirname, benchmark, 'peers'), sources, { recursive: true });
  const programs = {};
  for (const [name, { tool, program, steps }] of Object.entries(recipes)) {
    if (findCommand(tool) === undefined) {
      say(`bench: no ${name}: ${tool} is not installed`);
      continue;
    }
    const failed = steps(sources)
      .map(
        ([command, args, cwd = sources]) =>
          () =>
            execute(command, args, { cwd }),
      )
      .map((step) => step())
      .find(({ ok }) => !ok);
    if (failed === undefined) programs[name] = program;
    else say(`bench: no ${name}: ${failed.output.trim().split('\n').at(-1)}`);
  }
  return programs;
}

/** The library of this tree: dist/index.js, of which `npm run bench` has made nothing faster. */
export const library = path.join(root, 'dist', 'index.js');

/** The same in a copy of the package in the benchmark's work folder, where `node-ebpf compile-cache` was run. */
export function preparedLibrary(benchmark) {
  const copy = path.join(workFolder(benchmark), 'compile-cache');
  fs.rmSync(copy, { recursive: true, force: true });
  for (const name of ['package.json', 'dist', 'prebuilds', 'build/Release/node_ebpf.node']) {
    const from = path.join(root, name);
    if (fs.existsSync(from)) fs.cpSync(from, path.join(copy, name), { recursive: true, preserveTimestamps: true });
  }
  const { ok, output } = execute(process.execPath, [path.join(copy, 'dist/cli/main.js'), 'compile-cache']);
  if (!ok) throw new SetupError(`node-ebpf compile-cache failed\n${output}`);
  return path.join(copy, 'dist/index.js');
}

/** Where Debian has the headers of the machine, which clang does not look for when it compiles for BPF. */
const multiarch = () => `/usr/include/${os.machine()}-linux-gnu`;

/** Compiles `<benchmark>.bpf.c` into the benchmark's work folder; `defines` are as in `RING_BYTES=4096`. Returns the object. */
export function compileObject(benchmark, ...defines) {
  const source = path.join(import.meta.dirname, benchmark, `${benchmark}.bpf.c`);
  const object = path.join(workFolder(benchmark), `${benchmark}.bpf.o`);
  const flags = ['--target=bpf', '-mcpu=v3', '-O2', '-g', ...defines.map((define) => `-D${define}`)];
  const { ok, output } = execute(findClang(), [...flags, '-idirafter', multiarch(), '-c', source, '-o', object]);
  if (!ok) throw new SetupError(`compiling ${source} failed\n${output}`);
  return object;
}

/** Builds the peers that do the same in C, with libbpf, cilium/ebpf and Aya, and the C programs named beside them. */
export function buildUsualPeers(benchmark, defines, programs = []) {
  const inFolder = (name) => path.join(workFolder(benchmark), name);
  const inC = (name, ...libraries) => {
    const flags = ['-O2', ...defines.map((define) => `-D${define}`), '-o', inFolder(name), `${name}.c`];
    return { tool: 'cc', program: inFolder(name), steps: () => [['cc', [...flags, ...libraries]]] };
  };
  // Optional: another libbpf than the installed one, as flags for cc.
  const libbpf = (process.env.BENCH_LIBBPF ?? '-lbpf').split(' ');
  const cargo = ['build', '--release', '--quiet', '--target-dir', inFolder('aya')];
  return buildPeers(benchmark, {
    ...Object.fromEntries(programs.map((name) => [name, inC(name)])),
    C: inC('raw'),
    libbpf: inC('libbpf', ...libbpf),
    'cilium/ebpf': {
      tool: 'go',
      program: inFolder('cilium'),
      steps: (sources) => [
        ['go', ['mod', 'tidy'], path.join(sources, 'cilium')],
        ['go', ['build', '-o', inFolder('cilium'), '.'], path.join(sources, 'cilium')],
      ],
    },
    Aya: {
      tool: 'cargo',
      program: path.join(inFolder('aya'), 'release', benchmark),
      steps: (sources) => [['cargo', cargo, path.join(sources, 'aya')]],
    },
  });
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

/** Columns of text, the first to the left, the others to the right. */
export function printTable(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column])));
    console.log(cells.join('  ').trimEnd());
  }
}

/** One line of `--json`. `ratio` is ours over the peer's, `goal` the most it may be, or null. */
export function printJson({ bench, name, ours, against, peer, unit, goal = null }) {
  const ratio = Number((ours / against).toFixed(4));
  console.log(JSON.stringify({ bench, case: name, ours, against, peer, unit, ratio, goal }));
}
