// Every object of the corpus: parsed, compared with what libbpf says, adapted to this kernel and loaded.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { compareOpened, comparePlanned } from './compare.mjs';
import { say } from '../../scripts/setup.mjs';
import { corpusOf, fetchLibbpf, objectsIn } from './fetch.mjs';
import { compareLoads } from './loads.mjs';
import { isOlder, Libbpf } from './libbpf.mjs';
import { chosenFunctions, giveTargets, giveTypes, loadsOf, mapsOf, parse, planOf, programsOf } from './ours.mjs';
import { suites } from './packages.mjs';
import { report } from './report.mjs';
import { loadInVms } from './vm.mjs';

export async function runCorpus({
  suite = suites,
  only = '',
  folder: chosen,
  verbose,
  libbpf: libbpfSuite,
  vm,
  'no-load': noLoad,
}) {
  const objects = chosen === undefined ? [] : objectsIn(chosen);
  if (chosen === undefined) for (const name of suite) objects.push(...(await corpusOf(name)));
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'corpus-'));
  try {
    const libbpf = new Libbpf(await fetchLibbpf(libbpfSuite), folder);
    say(`corpus: compared with libbpf ${libbpf.version.join('.')}`);
    const results = [];
    for (const object of objects.filter(({ file }) => file.includes(only))) {
      results.push(await examine(object, { libbpf, noLoad }));
    }
    const native = results.filter(({ loadable }) => loadable).map(({ object }) => object);
    const vms = vm === undefined ? undefined : await loadInVms(native, { list: vm, libbpf, folder });
    results.push(...(vms?.results ?? []));
    return report(results, {
      ...{ libbpf: libbpf.version, verbose, problems: vms?.problems ?? [] },
      whole: !noLoad,
    });
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/**
 * { object, parseError, parseMs, opened, loadable, plans: programs compared, poisons, differences, loads, notes } where `loads`
 * are { name, error, theirs: libbpf's event }.
 */
async function examine(object, { libbpf, noLoad }) {
  const result = { object, plans: 0, poisons: 0, differences: [], loads: [], notes: [] };
  const started = performance.now();
  let spec;
  try {
    spec = parse(object.file);
  } catch (error) {
    result.parseError = error;
  }
  result.parseMs = performance.now() - started;
  const said = libbpf.ask('open', object.file);
  const problem = said.find(({ event }) => event === 'refused' || event === 'died');
  result.opened = problem === undefined;
  if (!result.opened) result.notes.push(`libbpf does not open it: ${firstLine(problem.warning) || problem.errno}`);
  if (spec === undefined) return result;

  if (result.opened) {
    const programs = programsOf(spec, { native: !isOlder(libbpf.version, [1, 6]) });
    result.differences.push(...compareOpened({ programs, maps: mapsOf(spec) }, said));
  }
  if (spec.littleEndian !== (os.endianness() === 'LE')) {
    result.notes.push('compiled for the other byte order');
    return result;
  }
  result.loadable = true;
  giveTypes(spec);
  giveTargets(spec);
  if (result.opened) await comparePlans(spec, libbpf.ask('plan', object.file, chosenFunctions), result);
  if (!noLoad) {
    const said = result.opened ? libbpf.ask('load', object.file, chosenFunctions) : [];
    const { loads, differences } = compareLoads(await loadsOf(spec), said, '');
    result.loads = loads;
    result.differences.push(...differences);
  }
  return result;
}

async function comparePlans(spec, said, result) {
  const theirs = plansByProgram(said);
  // libbpf knows data maps by what the kernel will call them.
  const shownNames = new Map(
    [...spec.maps.values()].map((map) => [map.name, map.kind === 'data' ? map.kernelName : map.name]),
  );
  for (const name of spec.programs.keys()) {
    const ours = await planOf(spec, name);
    const other = theirs.get(name) ?? { warning: 'nothing said' };
    const where = `loaded program ${name}`;
    if (other.program !== undefined && ours.program !== undefined) {
      result.plans++;
      result.poisons += ours.program.poisons.length;
      result.differences.push(...comparePlanned({ ...ours, shownNames }, other));
    } else if (other.program === undefined && ours.program === undefined) {
      result.notes.push(`${where}: both refuse it: ${firstLine(ours.error.message)}; ${firstLine(other.warning)}`);
    } else {
      const [mine, libbpfs] = [ours.error?.message, other.warning].map((text) => (text ? firstLine(text) : 'planned'));
      result.differences.push({ where, field: 'plan', ours: mine, theirs: libbpfs, error: ours.error });
    }
  }
}

/** program → { maps, program, warning }: libbpf loads all at once or, after that has failed, one after the other. */
function plansByProgram(said) {
  const plans = new Map();
  const singly = said.findIndex(({ event }) => event === 'singly');
  let maps = [];
  for (const event of said.slice(singly + 1)) {
    if (event.event === 'map') maps.push(event);
    if (event.event === 'program') plans.set(event.name, { maps, program: event });
    if (event.event === 'failed') plans.set(event.name, { warning: event.warning });
    if (singly >= 0 && event.event !== 'map') maps = [];
  }
  return plans;
}

function firstLine(text) {
  return text
    .trim()
    .split('\n')[0]
    .replace(/^libbpf: /u, '');
}
