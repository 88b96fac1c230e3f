// `npm run bench -- maps`: CPU time of one operation on a map, for this library, a C loop of raw system calls, and the peers
// whose tools are here (libbpf: cc and libbpf-dev; cilium/ebpf: go; Aya: cargo). Root, with clang. All use the same maps, on
// one processor, in turns, so that what else the machine does falls on all alike. Figures are medians of the rounds.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { parseArgs } from 'node:util';
import { SetupError, findCommand, main } from '../../scripts/setup.mjs';
import { buildUsualPeers, compileObject, median, printJson, printTable, workFolder } from '../shared.mjs';

const ENTRIES = 2 ** 20;
const folder = workFolder('maps');
const us = 'node-ebpf';

/**
 * What is compared. `case` is the name of the loop in all programs, `ours` that of this library where it differs, `theirs` that
 * of the others; `goals` are the most that ours may take of what a peer takes.
 */
const comparisons = [
  { title: 'hash: lookup, raw', case: 'lookup', goals: { C: 1.25, 'cilium/ebpf': 1 } },
  { title: 'hash: update, raw', case: 'update', goals: { C: 1.25, 'cilium/ebpf': 1 } },
  { title: 'hash: delete, raw', case: 'delete', goals: { C: 1.25, 'cilium/ebpf': 1 } },
  { title: 'hash of 16 keys: lookup, raw', case: 'small', goals: { C: 1.25, 'cilium/ebpf': 1 } },
  { title: 'array: lookup, raw', case: 'array', goals: { C: 1.25, 'cilium/ebpf': 1 } },
  { title: 'hash: get a 64-bit number', case: 'lookup', ours: 'get-number', goals: {} },
  { title: 'hash: get a struct of six fields', case: 'get', goals: { C: 1.6 } },
  { title: 'hash: iterate, raw', case: 'iterate', goals: { libbpf: 1.2 } },
  { title: 'hash: iterate numbers', case: 'iterate', ours: 'iterate-decoded', goals: { libbpf: 2 } },
  { title: 'hash: iterate, raw structs', case: 'iterate-structs', goals: { libbpf: 1.2 } },
  { title: 'hash: iterate structs', case: 'iterate-structs', ours: 'iterate-structs-decoded', goals: { libbpf: 2 } },
  { title: 'variable: read 32 bits, against an array lookup', case: 'array', ours: 'variable-32', goals: { C: 0.125 } },
  { title: 'variable: read 64 bits, against an array lookup', case: 'array', ours: 'variable-64', goals: { C: 0.125 } },
  { title: 'variable: write 32 bits, against an array lookup', case: 'array', ours: 'write-32', goals: {} },
];

/** A program that stays, and does a case when it is told to. */
class Implementation {
  #child;
  #lines;

  constructor(command, args) {
    // One processor for all, and before others: preemption is not the library's.
    const processor = String(os.cpus().length - 1);
    const pinned = findCommand('taskset') === undefined ? [] : ['taskset', '-c', processor];
    const [program, ...rest] = ['nice', '-n', '-10', ...pinned, command, ...args];
    const env = { ...process.env, ENTRIES: String(ENTRIES) };
    this.#child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.#child.on('error', () => {});
    this.#lines = readline.createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async line() {
    const { value, done } = await this.#lines.next();
    if (done) throw new SetupError('bench: a measured program ended');
    return value;
  }

  /** CPU nanoseconds per operation; undefined when it has no such case. */
  async measure(name, operations) {
    this.#child.stdin.write(`${name} ${operations}\n`);
    const [nanoseconds, done] = (await this.line()).split(' ').map(Number);
    return done === 0 ? undefined : nanoseconds / done;
  }

  async end() {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}

/** Medians of the rounds by implementation. Two more rounds come first, in which code is compiled and caches fill. */
async function compare(implementations, comparison, rounds, operations) {
  const samples = new Map([...implementations.keys()].map((name) => [name, []]));
  const names = [...implementations.keys()];
  for (let round = -2; round < rounds; round++) {
    // Each begins a round in turn.
    const first = (round + 2) % names.length;
    for (const name of [...names.slice(first), ...names.slice(0, first)]) {
      const loop = name === us ? (comparison.ours ?? comparison.case) : comparison.case;
      const nanoseconds = await implementations.get(name).measure(loop, operations);
      if (round >= 0 && nanoseconds !== undefined) samples.get(name).push(nanoseconds);
    }
  }
  return new Map(
    [...samples].filter(([, values]) => values.length > 0).map(([name, values]) => [name, median(values)]),
  );
}

await main(['dependencies', 'addon', 'typescript'], async (args) => {
  const { values: flags } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '7' },
      operations: { type: 'string', default: '100000' },
      case: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  fs.mkdirSync(folder, { recursive: true });
  const peers = buildUsualPeers('maps', [`ENTRIES=${ENTRIES}`]);
  const implementations = new Map();
  try {
    const ours = new Implementation(process.execPath, [
      path.join(import.meta.dirname, 'node-ebpf.cjs'),
      compileObject('maps', `ENTRIES=${ENTRIES}`),
    ]);
    implementations.set(us, ours);
    const ids = (await ours.line()).split(' ');
    for (const [name, program] of Object.entries(peers)) implementations.set(name, new Implementation(program, ids));
    const rows = [['ns CPU per operation', ...implementations.keys(), 'ratios (goal)']];
    for (const comparison of comparisons) {
      if (flags.case !== undefined && !comparison.title.includes(flags.case)) continue;
      const medians = await compare(implementations, comparison, Number(flags.rounds), Number(flags.operations));
      const figure = (name) => medians.get(name)?.toFixed(0) ?? '–';
      const ratios = [];
      const own = medians.get(us);
      for (const [peer, against] of medians) {
        if (peer === us || own === undefined) continue;
        const goal = comparison.goals[peer];
        if (flags.json) {
          const unit = 'ns CPU per operation';
          printJson({ bench: 'maps', name: comparison.title, ours: own, against, peer, unit, goal });
        }
        if (goal !== undefined) ratios.push(`${(own / against).toFixed(3)} of ${peer} (${goal})`);
      }
      rows.push([comparison.title, ...[...implementations.keys()].map(figure), ratios.join(', ')]);
    }
    if (!flags.json) printTable(rows);
  } finally {
    await Promise.all([...implementations.values()].map((each) => each.end()));
  }
  return 0;
});
