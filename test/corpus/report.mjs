// The report of `npm run corpus`: a line for each object in temp/corpus.txt, what is wrong and the sums on standard error.
import fs from 'node:fs';
import path from 'node:path';
import { root, say } from '../../scripts/setup.mjs';
import { show } from './compare.mjs';
import { Explanations } from './explained.mjs';

const file = path.join(root, 'temp', 'corpus.txt');

const onKernel = ({ kernel }) => (kernel === undefined ? '' : ` on ${kernel}`);

/**
 * 0 when everything is explained. Each object is one test: it passes when all that was asked about it is as libbpf says, or
 * explained. `whole` says that everything was asked, so that each explanation has to be true of something;
 * `problems` are failures of no object.
 */
export function report(results, { libbpf, verbose, whole, problems }) {
  const explanations = new Explanations(libbpf);
  const lines = [];
  let failed = 0;
  for (const result of results) {
    const { object } = result;
    const name = `${object.suite} ${object.package} ${path.basename(object.file)}${onKernel(result)}`;
    lines.push(`${name}: ${summaryOf(result)}`, ...refusals(result).map((line) => `    ${line}`));
    lines.push(...result.notes.map((note) => `    ${note}`));
    const reasons = differencesOf(result).map((difference) => [explanations.of(difference, object), difference]);
    for (const [reason, difference] of reasons) {
      const line = `${difference.where}: ${difference.field}: ${show(difference)}${saying(difference)}`;
      lines.push(`    ${reason ?? 'NOT EXPLAINED'}: ${line}`);
      if (reason === undefined) say(`corpus: failed: ${name}: ${line}`);
    }
    if (reasons.some(([reason]) => reason === undefined)) failed++;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  if (verbose) for (const line of lines) say(line);
  for (const line of packageTable(results)) say(line);
  if (results.some(({ kernel }) => kernel !== undefined)) say(`corpus: ${loadedAnywhere(results)}`);
  for (const [reason, count] of explanations.used) say(`corpus: ${count} × ${reason}`);
  const outdated = whole ? explanations.outdated(results.map(({ object }) => object)) : [];
  for (const reason of outdated) say(`corpus: failed: explains nothing any more: ${reason}`);
  for (const problem of problems) say(`corpus: failed: ${problem}`);
  const slowest = results.reduce((most, result) => (result.parseMs > most.parseMs ? result : most), { parseMs: 0 });
  const parsing = sum(results, ({ parseMs }) => parseMs).toFixed(0);
  say(`corpus: parsing took ${parsing} ms, at most ${slowest.parseMs.toFixed(1)} ms (${slowest.object?.file ?? ''})`);
  say(`corpus: every object: ${file}`);
  if (results.length === 0) say('corpus: no object matches');
  const passed = results.length - failed;
  const allFailed = failed + outdated.length + problems.length;
  say(`corpus: ${passed} passed, ${allFailed} failed, 0 skipped`);
  return allFailed === 0 && passed > 0 ? 0 : 1;
}

/** How many programs load on one at least of the kernels that were asked. */
function loadedAnywhere(results) {
  const programs = new Map();
  for (const { object, loads } of results) {
    for (const { name, error } of loads) {
      const key = `${object.file} ${name}`;
      programs.set(key, programs.get(key) === true || error === undefined);
    }
  }
  const loaded = [...programs.values()].filter(Boolean).length;
  return `${loaded} of ${programs.size} programs load on one of these kernels at least`;
}

/** What libbpf or this library said as it refused what the other takes. */
function saying({ field, error, event }) {
  if (field !== 'load') return '';
  const words = [error?.message, event?.warning].filter((text) => text !== undefined && text !== '');
  return words.map((text) => ` (${text.trim().split('\n')[0].slice(0, 300)})`).join('');
}

function differencesOf({ parseError, differences }) {
  if (parseError === undefined) return differences;
  return [{ where: 'object', field: 'parse', ours: parseError.message, theirs: 'an object', error: parseError }];
}

function summaryOf({ kernel, parseError, parseMs, plans, poisons, loads }) {
  if (parseError !== undefined) return 'not parsed';
  const loaded = loads.filter(({ error }) => error === undefined).length;
  const poisoned = poisons === 0 ? '' : `, ${poisons} poisoned accesses`;
  if (kernel !== undefined) return `${loaded} of ${loads.length} load`;
  return `parsed in ${parseMs.toFixed(1)} ms, ${plans} programs compared${poisoned}, ${loaded} of ${loads.length} load`;
}

/** `2 programs: this kernel has no such function or tracepoint: a, b` */
function refusals({ loads }) {
  const byReason = new Map();
  for (const { name, error, theirs } of loads) {
    if (error === undefined) continue;
    const libbpf =
      theirs === undefined ? 'libbpf was not asked' : theirs.event === 'loaded' ? 'LIBBPF LOADS IT' : 'as libbpf';
    const reason = `${refusalOf(error)} (${libbpf})`;
    byReason.set(reason, [...(byReason.get(reason) ?? []), name]);
  }
  return Array.from(byReason, ([reason, names]) => `${names.length} refused: ${reason}: ${names.join(', ')}`);
}

function refusalOf(error) {
  if (error.code === 'ERR_EBPF_NOT_FOUND') return 'this kernel has no such function or tracepoint';
  if (error.code === 'ERR_EBPF_UNSUPPORTED') return `not supported: ${error.feature}`;
  if (error.code === 'ERR_EBPF_VERIFIER') return `the verifier, ${(error.summary ?? error.message).split('\n')[0]}`;
  if (error.errnoName !== undefined) return `${error.syscall} ${error.errnoName}`;
  return error.message.split('\n')[0];
}

/** The programs that are, or in a VM load, as libbpf has it. */
function alike({ kernel, plans, loads, differences }) {
  const field = kernel === undefined ? 'code' : 'load';
  const compared = kernel === undefined ? plans : loads.filter(({ theirs }) => theirs !== undefined).length;
  return compared - new Set(differences.filter((each) => each.field === field).map(({ where }) => where)).size;
}

function packageTable(results) {
  const rows = [
    ['suite', 'package', 'kernel', 'objects', 'not parsed', 'programs', 'as libbpf', 'poisons', 'loaded', 'refused'],
  ];
  const groups = new Map();
  for (const result of results) {
    const key = `${result.object.suite} ${result.object.package} ${result.kernel ?? 'this'}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  for (const [key, group] of groups) {
    const loads = group.flatMap((result) => result.loads);
    const loaded = loads.filter(({ error }) => error === undefined).length;
    const counts = [
      group.length,
      group.filter(({ parseError }) => parseError !== undefined).length,
      loads.length,
      sum(group, alike),
      sum(group, ({ poisons }) => poisons),
      loaded,
      loads.length - loaded,
    ];
    rows.push([...key.split(' '), ...counts.map(String)]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('  ')
      .trimEnd(),
  );
}

function sum(list, of) {
  return list.reduce((total, each) => total + of(each), 0);
}
