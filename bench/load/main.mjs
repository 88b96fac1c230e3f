// `npm run bench -- load`: how long a fresh process takes from its first line to resolved names or a loaded object, for this
// library and for the peers whose tools are here (libbpf: cc and libbpf-dev; cilium/ebpf: go; Aya: cargo). Root. One run
// takes turns, so that what else the machine does falls on all alike. Figures are medians; ratios are to libbpf.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { findCommand, main, root, say } from '../../scripts/setup.mjs';

const here = import.meta.dirname;
const folder = path.join(root, 'temp', 'bench', 'load');

function execute(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', timeout: 15 * 60_000, ...options });
  if (result.error !== undefined) return { ok: false, output: result.error.message };
  return { ok: result.status === 0, output: `${result.stdout}${result.status === 0 ? '' : result.stderr}` };
}

/** The peers' programs, by name; what cannot be built is told. */
function buildPeers() {
  const sources = path.join(folder, 'peers');
  fs.rmSync(sources, { recursive: true, force: true });
  fs.cpSync(path.join(here, 'peers'), sources, { recursive: true });
  const peers = { 'node-ebpf': [process.execPath, path.join(here, 'node-ebpf.cjs')] };
  const attempt = (name, tool, program, ...steps) => {
    if (findCommand(tool) === undefined) return say(`bench: no ${name}: ${tool} is not installed`);
    for (const [command, args, cwd = sources] of steps) {
      const { ok, output } = execute(command, args, { cwd });
      if (!ok) return say(`bench: no ${name}: ${output.trim().split('\n').at(-1)}`);
    }
    peers[name] = [program];
    return undefined;
  };
  // Optional: another libbpf than the installed one, as flags for cc.
  const flags = (process.env.BENCH_LIBBPF ?? '-lbpf').split(' ');
  const libbpf = path.join(folder, 'libbpf');
  attempt('libbpf', 'cc', libbpf, ['cc', ['-O2', '-o', libbpf, 'libbpf.c', ...flags]]);
  const cilium = path.join(folder, 'cilium');
  const go = path.join(sources, 'cilium');
  attempt('cilium/ebpf', 'go', cilium, ['go', ['mod', 'tidy'], go], ['go', ['build', '-o', cilium, '.'], go]);
  const target = path.join(folder, 'aya');
  const cargo = ['build', '--release', '--quiet', '--target-dir', target];
  attempt('Aya', 'cargo', path.join(target, 'release', 'load'), ['cargo', cargo, path.join(sources, 'aya')]);
  return peers;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
}

await main(undefined, async (args) => {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: 'string', default: '15' }, case: { type: 'string' } },
  });
  const { makeObjects, names } = await import('./objects.mjs');
  const objects = makeObjects(path.join(folder, 'objects'));
  const cases = {
    nothing: [],
    'kernel BTF and 20 names': ['names', ...names],
    ...Object.fromEntries(Object.entries(objects).map(([name, file]) => [`load ${name}`, ['load', file]])),
  };
  const peers = buildPeers();
  for (const [title, words] of Object.entries(cases)) {
    if (values.case !== undefined && !title.includes(values.case)) continue;
    const samples = new Map(Object.keys(peers).map((name) => [name, []]));
    const failures = new Map();
    for (let round = 0; round < Number(values.rounds); round++) {
      for (const [name, [program, ...first]] of Object.entries(peers)) {
        const { ok, output } = execute(program, [...first, ...words]);
        if (ok) samples.get(name).push(JSON.parse(output));
        else failures.set(name, output.trim().split('\n').at(-1));
      }
    }
    console.log(`\n${title}`);
    const middle = (name, field) => median(samples.get(name).map((sample) => sample[field]));
    for (const name of Object.keys(peers)) {
      if (samples.get(name).length === 0) {
        console.log(`  ${name.padEnd(12)} fails: ${failures.get(name)}`);
        continue;
      }
      const milliseconds = middle(name, 'milliseconds');
      const all = samples.get(name).map((sample) => sample.milliseconds);
      const spread = `[${Math.min(...all).toFixed(1)}–${Math.max(...all).toFixed(1)}]`;
      const ratio =
        peers.libbpf === undefined ? '' : `${(milliseconds / middle('libbpf', 'milliseconds')).toFixed(2)}×`;
      const memory = `${(middle(name, 'kilobytes') / 1024).toFixed(1)} MB`;
      console.log(
        `  ${name.padEnd(12)} ${milliseconds.toFixed(2).padStart(8)} ms ${spread.padEnd(16)} ${ratio.padStart(7)} ${memory.padStart(9)}`,
      );
    }
  }
  return 0;
});
