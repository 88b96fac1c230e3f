// The programs of objects loaded in VMs, by this library and by libbpf: what this kernel has no place for, another has.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { addonFor } from '../../scripts/prebuild.mjs';
import { root, say } from '../../scripts/setup.mjs';
import { CpioArchive } from '../vm/cpio.mjs';
import { fetchKernels, fetchTools } from '../vm/fetch.mjs';
import { modulesArchive, suiteArchive } from '../vm/image.mjs';
import { runMachine } from '../vm/machine.mjs';
import { machineName, selectMachines } from '../vm/machines.mjs';
import { fetchUserSpace } from '../vm/user-space.mjs';
import { compareLoads } from './loads.mjs';

const architecture = process.arch;
const timeoutMs = 10 * 60_000;
const libraryFolder = '/corpus-libbpf';

/**
 * What became of the programs of these objects on the kernels of `list` (`6.1,6.12`), one VM after the other: results as
 * run.mjs has them, one for each object and kernel, and problems: sentences.
 */
export async function loadInVms(objects, { list, libbpf, folder }) {
  const selected = selectMachines({ kernel: list, arch: architecture });
  const tools = await fetchTools(architecture);
  const kernels = await fetchKernels(selected, new Map([[architecture, tools]]));
  const userSpace = await fetchUserSpace(architecture, tools);
  const { archive: suite } = suiteArchive({
    ...{ architecture, addon: await addonFor(architecture), files: [] },
    script: 'cd /node-ebpf && exec node test/corpus/guest.mjs\n',
  });
  const own = [[fs.readFileSync(userSpace)], suite, corpusArchive(objects, libbpf)];
  const outcomes = [];
  for (const machine of selected) {
    const kernel = kernels.get(machine);
    const loads = new Map();
    const said = new Map();
    const onMessage = (kind, text) => {
      const message = kind === 'loads' || kind === 'said' ? JSON.parse(text) : undefined;
      if (kind === 'loads') loads.set(message.name, message.loads);
      if (kind === 'said') said.set(message.name, message.said);
    };
    const archives = [own[0], modulesArchive(kernel), ...own.slice(1)];
    const options = { tools, kernel, archives, folder, timeoutMs, onMessage };
    const { problems, status, milliseconds, console } = await runMachine(machine, {
      ...options,
      processors: Math.min(2, os.availableParallelism()),
      memory: '2G',
    });
    const name = machineName(machine);
    say(`corpus: ${objects.length} objects on ${name} (${kernel.release}) in ${(milliseconds / 1000).toFixed(0)} s`);
    if (status !== 0) problems.push(`its work ended with status ${status}`, ...console.slice(-20));
    outcomes.push({
      problems: problems.map((problem) => `${name}: ${problem}`),
      results: objects.map((object, index) =>
        resultOf(object, name, loads.get(inside(index)), said.get(inside(index))),
      ),
    });
  }
  return {
    results: outcomes.flatMap(({ results }) => results),
    problems: outcomes.flatMap(({ problems }) => problems),
  };
}

const inside = (index) => `${String(index).padStart(4, '0')}.bpf.o`;

function resultOf(object, kernel, ours, said) {
  const result = { object, kernel, plans: 0, poisons: 0, parseMs: 0, loads: [], differences: [], notes: [] };
  if (ours === undefined || said === undefined) {
    const [mine, theirs] = [ours, said].map((what) => (what === undefined ? 'not said' : 'said'));
    return { ...result, differences: [{ where: kernel, field: 'answer', ours: mine, theirs }] };
  }
  const opened = said.every(({ event }) => event !== 'refused');
  return { ...result, ...compareLoads(ours, opened ? said : [], ` on ${kernel}`) };
}

function corpusArchive(objects, libbpf) {
  const archive = new CpioArchive();
  for (const name of ['scripts/files.mjs', 'test/corpus/ours.mjs', 'test/corpus/guest.mjs'])
    archive.copy(path.join(root, name), `/node-ebpf/${name}`);
  for (const [index, { file }] of objects.entries()) archive.copy(file, `/corpus/${inside(index)}`);
  const { files, command } = libbpf.carried(libraryFolder);
  for (const [name, file] of files) archive.file(name, fs.readFileSync(file), { executable: true });
  archive.file('/corpus/libbpf.json', JSON.stringify({ command, warningLength: 200 }));
  return archive.end();
}
