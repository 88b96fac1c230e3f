// `npm run bench -- attach`: how long it takes to attach a program to ten thousand kernel functions by a pattern and to detach
// it, beside the libbpf of Debian's sid (needs cc), and for how long the event loop stands still meanwhile. In a VM with
// two processors, since few machines let all their functions be traced; both are measured in the same VM, in turns, each time
// by a fresh process. `-- --kernel 6.18 --rounds 9 --pattern '*a*'` picks; `--json` prints a line per comparison.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { addonFor } from '../../scripts/prebuild.mjs';
import { SetupError, main, say } from '../../scripts/setup.mjs';
import { fetchLibbpf } from '../../test/corpus/fetch.mjs';
import { CpioArchive } from '../../test/vm/cpio.mjs';
import { fetchKernels, fetchTools } from '../../test/vm/fetch.mjs';
import { modulesArchive, suiteArchive } from '../../test/vm/image.mjs';
import { runMachine } from '../../test/vm/machine.mjs';
import { selectMachines } from '../../test/vm/machines.mjs';
import { fetchUserSpace } from '../../test/vm/user-space.mjs';
import { buildPeers, median, printJson, printTable, workFolder } from '../shared.mjs';

const us = 'node-ebpf';
const work = workFolder('attach');
/** The most that ours may take of what the peer takes. */
const goal = 1.5;

const object = '/node-ebpf/bpf-samples/kprobe_multi.bpf.o';

/** In turns, so that what else the machine does falls on both alike. */
function workOf(pattern, rounds) {
  const words = `${object} nothing '${pattern}'`;
  return `
export NODE_PATH=/bench/modules
node /node-ebpf/vm/warm-up.cjs
for round in $(seq ${rounds}); do
  echo "@@$VM_TOKEN libbpf $(/bench/loader --library-path /bench /bench/libbpf ${words})"
  echo "@@$VM_TOKEN ${us} $(node /bench/node-ebpf.cjs ${words} 2>&1 | tail -n 1)"
done
`;
}

/** The program that asks libbpf, and what it runs by: libbpf is newer than this machine's C library may be. */
function buildPeer({ include, libraries }) {
  const file = (name) => {
    const found = libraries.map((folder) => path.join(folder, name)).find((place) => fs.existsSync(place));
    if (found === undefined) throw new SetupError(`${name} is in none of ${libraries.join(', ')}`);
    return found;
  };
  const program = path.join(work, 'libbpf');
  const flags = ['-O2', `-I${include}`, '-Wl,--allow-shlib-undefined'];
  const peers = buildPeers('attach', {
    libbpf: { tool: 'cc', program, steps: () => [['cc', [...flags, '-o', program, 'libbpf.c', file('libbpf.so.1')]]] },
  });
  if (peers.libbpf === undefined) throw new SetupError('this benchmark is a comparison: a C compiler is needed');
  const names = ['libbpf.so.1', 'libelf.so.1', 'libz.so.1', 'libzstd.so.1', 'libc.so.6'];
  return [['libbpf', program], ...names.map((name) => [name, file(name)])];
}

function benchArchive(files, loader) {
  const archive = new CpioArchive();
  for (const [name, file] of [...files, ['loader', loader]]) {
    archive.file(`/bench/${name}`, fs.readFileSync(file), { executable: true });
  }
  archive.file('/bench/node-ebpf.cjs', fs.readFileSync(path.join(import.meta.dirname, 'node-ebpf.cjs')));
  archive.file('/bench/modules/node-ebpf/index.js', "module.exports = require('/node-ebpf/dist/index.js');\n");
  return archive.end();
}

await main(undefined, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      kernel: { type: 'string', default: '6.12' },
      pattern: { type: 'string', default: '*e*s*' },
      rounds: { type: 'string', default: '7' },
      json: { type: 'boolean', default: false },
    },
  });
  if (!/^[\w.*?]+$/u.test(values.pattern))
    throw new SetupError('--pattern takes letters, digits, "_", "." "*" and "?"');
  const [machine] = selectMachines({ kernel: values.kernel, arch: 'x64' });
  const libbpf = await fetchLibbpf('sid');
  const peer = buildPeer(libbpf);
  const tools = await fetchTools(machine.architecture);
  const kernel = (await fetchKernels([machine], new Map([[machine.architecture, tools]]))).get(machine);
  const userSpace = await fetchUserSpace(machine.architecture, tools);
  const { architecture } = machine;
  const script = workOf(values.pattern, Number(values.rounds));
  const { archive } = suiteArchive({ architecture, addon: await addonFor(architecture), files: [], script });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'node-ebpf-vm-'));
  process.once('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const samples = { libbpf: [], [us]: [] };
  const archives = [[fs.readFileSync(userSpace)], modulesArchive(kernel), archive, benchArchive(peer, libbpf.loader)];
  const run = await runMachine(machine, {
    ...{ tools, kernel, archives, folder, processors: 2, timeoutMs: 1_800_000 },
    onMessage: (name, rest) => {
      if (name === 'ready') return;
      try {
        samples[name].push(JSON.parse(rest));
      } catch {
        say(`bench: ${name} fails: ${rest}`);
      }
    },
  });
  for (const problem of run.problems) say(`bench: ${problem}`);
  if (samples.libbpf.length === 0 || samples[us].length === 0) {
    say(run.console.slice(-20).join('\n'));
    return 1;
  }
  report(samples, kernel.release, values.json);
  return 0;
});

function report(samples, release, json) {
  const [{ functions }] = samples[us];
  const middle = (name, field) => median(samples[name].map((sample) => sample[field]));
  const rows = [[`${functions} functions, Linux ${release}`, us, 'from–to', 'libbpf', 'from–to', 'ratio']];
  for (const field of ['attach', 'detach']) {
    const [ours, against] = [middle(us, field), middle('libbpf', field)];
    if (json) printJson({ bench: 'attach', name: field, ours, against, peer: 'libbpf', unit: 'ms', goal });
    const spreads = [us, 'libbpf'].map((name) => spread(samples[name].map((sample) => sample[field])));
    rows.push([
      field,
      `${ours.toFixed(0)} ms`,
      spreads[0],
      `${against.toFixed(0)} ms`,
      spreads[1],
      (ours / against).toFixed(2),
    ]);
  }
  if (json) return;
  printTable(rows);
  const [delay, computed] = ['delay', 'computed'].map((field) => spread(samples[us].map((sample) => sample[field])));
  console.log(
    `the event loop stood still for at most ${delay} ms; its thread computed at most ${computed} ms without a turn`,
  );
}

function spread(values) {
  return `[${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}]`;
}
