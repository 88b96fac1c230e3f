// The report of `npm run corpus`: a line for each object in temp/corpus.txt, what is wrong and the sums on standard error.
import fs from 'node:fs';
import path from 'node:path';
import { root, say } from '../../scripts/setup.mjs';
import { show } from './compare.mjs';
import { Explanations } from './explained.mjs';

const file = path.join(root, 'temp', 'corpus.txt');

/**
 * 0 when everything is explained. Each object is one test: it passes when all that was asked about it is as libbpf says, or
 * explained. `whole` says that everything was asked, so that each explanation has to be true of something.
 */
export function report(results, { libbpf, verbose, whole }) {
  const explanations = new Explanations(libbpf);
  const lines = [];
  let failed = 0;
  for (const result of results) {
    const { object } = result;
    const name = `${object.suite} ${object.package} ${path.basename(object.file)}`;
    lines.push(`${name}: ${summaryOf(result)}`, ...refusals(result).map((line) => `    ${line}`));
    lines.push(...result.notes.map((note) => `    ${note}`));
    const reasons = differencesOf(result).map((difference) => [explanations.of(difference, object), difference]);
    for (const [reason, difference] of reasons) {
      const line = `${difference.where}: ${difference.field}: ${show(difference)}`;
      lines.push(`    ${reason ?? 'NOT EXPLAINED'}: ${line}`);
      if (reason === undefined) say(`corpus: failed: ${name}: ${line}`);
    }
    if (reasons.some(([reason]) => reason === undefined)) failed++;
  }
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, `${lines.join('\n')}\n`);
  if (verbose) for (const line of lines) say(line);
  for (const line of packageTable(results)) say(line);
  for (const [reason, count] of explanations.used) say(`corpus: ${count} × ${reason}`);
  const outdated = whole ? explanations.outdated(results.map(({ object }) => object)) : [];
  for (const reason of outdated) say(`corpus: failed: explains nothing any more: ${reason}`);
  const slowest = results.reduce((most, result) => (result.parseMs > most.parseMs ? result : most), { parseMs: 0 });
  const parsing = sum(results, ({ parseMs }) => parseMs).toFixed(0);
  say(`corpus: parsing took ${parsing} ms, at most ${slowest.parseMs.toFixed(1)} ms (${slowest.object?.file ?? ''})`);
  say(`corpus: every object: ${file}`);
  const passed = results.length - failed;
  if (results.length === 0) say('corpus: no object matches');
  say(`corpus: ${passed} passed, ${failed + outdated.length} failed, 0 skipped`);
  return failed + outdated.length === 0 && passed > 0 ? 0 : 1;
}

function differencesOf({ parseError, differences }) {
  if (parseError === undefined) return differences;
  return [{ where: 'object', field: 'parse', ours: parseError.message, theirs: 'an object', error: parseError }];
}

function summaryOf({ parseError, parseMs, plans, poisons, loads }) {
  if (parseError !== undefined) return 'not parsed';
  const loaded = loads.filter(({ error }) => error === undefined).length;
  const poisoned = poisons === 0 ? '' : `, ${poisons} poisoned accesses`;
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

function packageTable(results) {
  const rows = [['suite', 'package', 'objects', 'not parsed', 'programs', 'as libbpf', 'poisons', 'loaded', 'refused']];
  const groups = new Map();
  for (const result of results) {
    const key = `${result.object.suite} ${result.object.package}`;
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  for (const [key, group] of groups) {
    const different = ({ plans, differences }) =>
      plans - new Set(differences.filter(({ field }) => field === 'code').map(({ where }) => where)).size;
    const loads = group.flatMap((result) => result.loads);
    const loaded = loads.filter(({ error }) => error === undefined).length;
    const counts = [
      group.length,
      group.filter(({ parseError }) => parseError !== undefined).length,
      loads.length,
      sum(group, different),
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
