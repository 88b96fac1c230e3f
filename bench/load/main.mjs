// `npm run bench -- load`: how long a fresh process takes from its first line to resolved names or a loaded object, for this
// library, as it is installed and with its compile cache, and for the peers whose tools are here (libbpf: cc and libbpf-dev;
// cilium/ebpf: go; Aya: cargo); then how long a process that has loaded before takes for the objects of Debian's
// libbpf-tools, beside the time that libbpf spends outside of bpf(2). Root, with clang. All take turns, so that what else the
// machine does falls on all alike. Figures are medians.
// `-- --rounds 30 --case large` picks; `--json` prints a line per comparison. BENCH_LIBBPF: another libbpf, as flags for cc.
import path from 'node:path';
import { parseArgs } from 'node:util';
import { main, say } from '../../scripts/setup.mjs';
import { corpusOf } from '../../test/corpus/fetch.mjs';
import {
  buildPeers,
  execute,
  library,
  median,
  preparedLibrary,
  printJson,
  printTable,
  workFolder,
} from '../shared.mjs';

const here = import.meta.dirname;
const folder = workFolder('load');
const us = 'node-ebpf';
/** The same where `node-ebpf compile-cache` was run. */
const prepared = 'node-ebpf, compile cache';
const flags = (process.env.BENCH_LIBBPF ?? '-lbpf').split(' ');
const binary = (name) => path.join(folder, name);
const target = binary('aya');

const recipes = {
  libbpf: {
    tool: 'cc',
    program: binary('libbpf'),
    steps: () => [['cc', ['-O2', '-rdynamic', '-o', binary('libbpf'), 'libbpf.c', ...flags, '-ldl']]],
  },
  'cilium/ebpf': {
    tool: 'go',
    program: binary('cilium'),
    steps: (sources) =>
      [
        ['mod', 'tidy'],
        ['build', '-o', binary('cilium'), '.'],
      ].map((args) => ['go', args, path.join(sources, 'cilium')]),
  },
  Aya: {
    tool: 'cargo',
    program: path.join(target, 'release', 'load'),
    steps: (sources) => [
      ['cargo', ['build', '--release', '--quiet', '--target-dir', target], path.join(sources, 'aya')],
    ],
  },
};

/** The most that ours may take of what a peer takes. */
const goals = {
  'kernel BTF and 20 names': { libbpf: 1.2, 'cilium/ebpf': 1, Aya: 1 },
  'load small': { libbpf: 2.2, 'cilium/ebpf': 1, Aya: 1 },
  'load broad': { libbpf: 1, 'cilium/ebpf': 1, Aya: 1 },
  'load large': { libbpf: 1.5 },
  'load large, memory': { 'cilium/ebpf': 1 },
};

const milliseconds = (value) => `${value.toFixed(2)} ms`;

/** Runs a case in all programs in turns; [{ name, milliseconds, kilobytes, spread }], without those that fail. */
function measure(programs, words, rounds) {
  const samples = new Map(Object.keys(programs).map((name) => [name, []]));
  const failures = new Map();
  for (let round = 0; round < rounds; round++) {
    for (const [name, [program, ...first]] of Object.entries(programs)) {
      const { ok, output } = execute(program, [...first, ...words]);
      if (ok) samples.get(name).push(JSON.parse(output));
      else failures.set(name, output.trim().split('\n').at(-1));
    }
  }
  for (const [name, failure] of failures) say(`bench: ${name} fails: ${failure}`);
  return [...samples]
    .filter(([, all]) => all.length > 0)
    .map(([name, all]) => {
      const times = all.map((sample) => sample.milliseconds);
      const spread = `[${Math.min(...times).toFixed(1)}–${Math.max(...times).toFixed(1)}]`;
      return { name, milliseconds: median(times), kilobytes: median(all.map(({ kilobytes }) => kilobytes)), spread };
    });
}

function compare(title, results, field, unit) {
  for (const own of [us, prepared]) {
    const ours = results.find(({ name }) => name === own)?.[field];
    if (ours === undefined) continue;
    const name = own === us ? title : `${title}, compile cache`;
    for (const { name: peer, [field]: against } of results.filter((result) => ![us, prepared].includes(result.name))) {
      printJson({ bench: 'load', name, ours, against, peer, unit, goal: goals[title]?.[peer] });
    }
  }
}

/** What a process takes beyond one that does nothing. */
function beyondNothing(results, nothing) {
  return results.map((result) => {
    const empty = nothing.find(({ name }) => name === result.name)?.kilobytes ?? 0;
    return { ...result, kilobytes: result.kilobytes - empty };
  });
}

/** All objects of libbpf-tools that libbpf loads here: ours warm beside libbpf's own time. */
async function warm(libbpf, rounds, json) {
  const files = (await corpusOf('bookworm')).filter((one) => one.package === 'libbpf-tools').map(({ file }) => file);
  const { ok, output } = execute(process.execPath, [path.join(here, 'warm.cjs'), ...files]);
  if (!ok) return say(`bench: ${output.trim().split('\n').at(-1)}`);
  const rows = Object.entries(JSON.parse(output)).flatMap(([file, ours]) => {
    const runs = Array.from({ length: Math.min(rounds, 5) }, () => execute(libbpf, ['load', file]));
    if (!runs.every((run) => run.ok)) return [];
    const against = median(runs.map((run) => JSON.parse(run.output).own));
    return [{ name: path.basename(file).replace(/-[0-9a-f]{8}\.bpf\.o$/u, ''), ours, against }];
  });
  rows.sort((a, b) => b.ours / b.against - a.ours / a.against);
  if (json) {
    const facts = { bench: 'load', peer: 'libbpf', unit: 'ms', goal: 1 };
    for (const { name, ours, against } of rows) printJson({ ...facts, name: `warm ${name}`, ours, against });
    return undefined;
  }
  const ratio = (row) => `${(row.ours / row.against).toFixed(2)}×`;
  const over = rows.filter(({ ours, against }) => ours >= against).length;
  console.log(
    `\nwarm, ${rows.length} of ${files.length} objects of libbpf-tools: ${over} take longer than libbpf's own time`,
  );
  const shown = [['the slowest', us, 'libbpf, own', 'ratio']];
  for (const row of rows.slice(0, 5)) {
    shown.push([row.name, milliseconds(row.ours), milliseconds(row.against), ratio(row)]);
  }
  const middle = (field) => median(rows.map((row) => row[field]));
  const all = { ours: middle('ours'), against: middle('against') };
  shown.push(['median of all', milliseconds(all.ours), milliseconds(all.against), ratio(all)]);
  return printTable(shown);
}

await main(undefined, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '15' },
      case: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const { makeObjects, names } = await import('./objects.mjs');
  const objects = makeObjects(path.join(folder, 'objects'));
  const cases = {
    'kernel BTF and 20 names': ['names', ...names],
    ...Object.fromEntries(Object.entries(objects).map(([name, file]) => [`load ${name}`, ['load', file]])),
  };
  const { json } = values;
  const rounds = Number(values.rounds);
  const isWanted = (title) => values.case === undefined || title.includes(values.case);
  const peers = buildPeers('load', recipes);
  const ours = (index) => [process.execPath, path.join(here, 'node-ebpf.cjs'), index];
  const programs = { [us]: ours(library), [prepared]: ours(preparedLibrary('load')) };
  for (const [name, program] of Object.entries(peers)) programs[name] = [program];
  const nothing = measure(programs, [], rounds);
  const table = [['', '', 'time', 'from–to', 'to libbpf', 'memory beyond an empty process']];
  for (const [title, words] of Object.entries(cases)) {
    if (!isWanted(title)) continue;
    const results = beyondNothing(measure(programs, words, rounds), nothing);
    if (json) {
      compare(title, results, 'milliseconds', 'ms');
      compare(`${title}, memory`, results, 'kilobytes', 'KB');
    }
    const libbpf = results.find(({ name }) => name === 'libbpf')?.milliseconds;
    for (const [index, result] of results.entries()) {
      const ratio = libbpf === undefined ? '' : `${(result.milliseconds / libbpf).toFixed(2)}×`;
      const memory = `${(result.kilobytes / 1024).toFixed(1)} MB`;
      const first = index === 0 ? title : '';
      table.push([first, result.name, milliseconds(result.milliseconds), result.spread, ratio, memory]);
    }
  }
  if (!json && table.length > 1) printTable(table);
  if (isWanted('warm') && peers.libbpf !== undefined) await warm(peers.libbpf, rounds, json);
  return 0;
});
