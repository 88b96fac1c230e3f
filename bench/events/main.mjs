// `npm run bench -- events`: what it costs to receive events, beside libbpf, cilium/ebpf, Aya and a C loop over the mapped
// memory (tools as for the other benchmarks). Root, with clang and cc; Linux 5.17. One program writes records of 64 bytes;
// each consumer is a process of its own on another processor, reads a field of each record and sums it. Consumers take
// turns in each round; figures are medians of the rounds. Flags: --rounds, --case <part of a title>, --size <bytes of the
// ring>, --json, --plot <file.svg>.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import readline from 'node:readline';
import { parseArgs } from 'node:util';
import { SetupError, findCommand, main, root } from '../../scripts/setup.mjs';
import { plot } from './plot.mjs';
import { buildUsualPeers, compileObject, median, printJson, printTable, workFolder } from '../shared.mjs';

const folder = workFolder('events');
const us = 'node-ebpf';
/** Bytes of a record in the kernel's memory: a ring has a header of 8, a perf buffer of 8 with 4 and padding. */
const stepOf = { ring: 72, perf: 80 };
const perfBytes = 4 * 1024 * 1024;
/** Flags of bpf_ringbuf_output(). */
const NO_WAKEUP = 1;
/** How often a full buffer is written and emptied for one figure. */
const fills = 12;
const streamMs = 600;
/** Rounds in which code is compiled and caches fill. */
const warmUps = 5;

/** A filled buffer is emptied: CPU nanoseconds an event. */
const drains = [
  {
    title: 'ring, drain: raw batches',
    ...{ kind: 'ring', ours: 'drain', theirs: 'drain' },
    goals: { libbpf: 2.5, 'cilium/ebpf': 0.5, Aya: 1 },
  },
  {
    title: 'ring, drain: objects',
    kind: 'ring',
    ours: 'decode',
    theirs: 'drain',
    decoded: 'decode',
    goals: { 'cilium/ebpf': 1 },
  },
  {
    title: 'perf, drain: raw batches',
    kind: 'perf',
    ours: 'drain',
    theirs: 'drain',
    goals: { libbpf: 3, 'cilium/ebpf': 1 },
  },
  { title: 'perf, drain: objects', kind: 'perf', ours: 'decode', theirs: 'drain', decoded: 'decode', goals: {} },
];

/** A producer writes for a while: `records` at once, `rate` a second (1: as fast as it can). */
const streams = [
  {
    title: 'ring, full speed, a look each ms',
    ...{ kind: 'ring', records: 2000, rate: 1, flags: NO_WAKEUP, how: { [us]: 'poll', '*': 'poll' } },
    goals: { libbpf: 2.2 },
    rates: { libbpf: 1 },
  },
  {
    title: 'ring, 100,000/s',
    ...{ kind: 'ring', records: 1, rate: 100_000, flags: 0, how: { [us]: 'default', '*': 'wake' } },
    goals: { libbpf: 1.1 },
  },
  {
    title: 'ring, 100,000/s, 1 ms more',
    ...{ kind: 'ring', records: 1, rate: 100_000, flags: 0, how: { [us]: 'linger', '*': 'linger' } },
    only: [us, 'libbpf'],
    goals: {},
  },
  {
    title: 'ring, 10,000/s',
    ...{ kind: 'ring', records: 1, rate: 10_000, flags: 0, timed: true, how: { [us]: 'default', '*': 'wake' } },
    goals: {},
  },
  {
    title: 'ring, 10,000/s, at once',
    ...{ kind: 'ring', records: 1, rate: 10_000, flags: 0, timed: true, how: { [us]: 'now', '*': 'wake' } },
    goals: {},
  },
  {
    title: 'ring, 1,000/s',
    ...{ kind: 'ring', records: 1, rate: 1000, flags: 0, timed: true, how: { [us]: 'default', '*': 'wake' } },
    goals: {},
  },
];

/** A program that stays and answers a line with a line. */
class Conversation {
  #child;
  #lines;

  constructor(processor, command, args) {
    const pinned = findCommand('taskset') === undefined ? [] : ['taskset', '-c', String(processor)];
    const [program, ...rest] = ['nice', '-n', '-10', ...pinned, command, ...args];
    this.#child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#child.on('error', () => {});
    this.#lines = readline.createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  send(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  async answer() {
    const { value, done } = await this.#lines.next();
    if (done) throw new SetupError('bench: a measured program ended');
    return value;
  }

  async ask(line) {
    this.send(line);
    return this.answer();
  }

  async end() {
    if (this.#child.exitCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
  }
}

/** What the programs counted: records asked for, and those that found no room. */
class Counters {
  #variables;

  constructor(variables) {
    this.#variables = variables;
  }

  get number() {
    return Number(this.#variables.number);
  }

  get lost() {
    return Number(this.#variables.lost);
  }
}

/** The programs and maps, loaded once more, with what writes to them. */
class World {
  static async load(Ebpf, object, processor, producer) {
    const ebpf = await Ebpf.load(object);
    const programIds = ['ring', 'perf'].map((name) => String(ebpf.program(name).info().id));
    return new World(ebpf, new Conversation(processor, producer, programIds));
  }

  constructor(ebpf, producer) {
    this.ebpf = ebpf;
    this.producer = producer;
    this.counters = new Counters(ebpf.variables);
    this.mapIds = ['ring_events', 'perf_events'].map((name) => String(ebpf.map(name).info().id));
  }

  async end() {
    await this.producer.end();
    await this.ebpf.close();
  }
}

class Bench {
  constructor(size) {
    this.size = size;
    this.consumers = new Map();
    this.worlds = new Map();
  }

  add(name, world, processor, command, args = []) {
    this.worlds.set(name, world);
    this.consumers.set(name, new Conversation(processor, command, [...args, ...world.mapIds]));
  }

  async end() {
    await Promise.all([...this.consumers.values(), ...new Set(this.worlds.values())].map(async (each) => each.end()));
  }

  /** CPU nanoseconds per event of emptying a full buffer. */
  async drain(name, { kind, ours, theirs, decoded }) {
    const consumer = this.consumers.get(name);
    const { producer, counters } = this.worlds.get(name);
    const command = name === us ? ours : name === 'cilium/ebpf' ? (decoded ?? theirs) : theirs;
    await consumer.ask(`open ${kind}`);
    const records = Math.floor(((kind === 'ring' ? this.size : perfBytes) * 0.95) / stepOf[kind]);
    let cpu = 0;
    for (let fill = 0; fill < fills; fill++) {
      const first = counters.number;
      // The first record wakes: cilium/ebpf reads nothing before it is told that there is something.
      await producer.ask(`${kind} ${records} 0 0 0`);
      const [nanoseconds, received, sum] = (await consumer.ask(`${command} ${records}`)).split(' ').map(Number);
      let expected = 0;
      for (let number = first; number < first + records; number++) expected += number & 1023;
      if (received !== records || sum !== expected) throw new SetupError(`bench: ${name} read something else`);
      cpu += nanoseconds;
    }
    await consumer.ask('close');
    return { cpu: cpu / fills / records };
  }

  /** CPU per event, events a second, and more, while a producer writes. */
  async stream(name, { kind, records, rate, flags, timed, how }) {
    const consumer = this.consumers.get(name);
    const { producer, counters } = this.worlds.get(name);
    const mode = how[name] ?? how['*'];
    await consumer.ask(`open ${kind} ${mode}`);
    const before = { number: counters.number, lost: counters.lost };
    consumer.send(`${timed === true ? 'timed' : 'stream'} ${streamMs + 300} ${mode}`);
    await producer.ask(`${kind} ${records} ${flags} ${rate} ${streamMs}`);
    const [cpu, received, switches, median, slowest] = (await consumer.answer()).split(' ').map(Number);
    const written = counters.number - before.number - (counters.lost - before.lost);
    // The producer may have ended after the consumer: the next one must not find the rest.
    if (received < written) await consumer.ask(`drain ${written - received}`);
    await consumer.ask('close');
    if (received > written) throw new SetupError(`bench: ${name} received ${received} of ${written} events`);
    return {
      cpu: cpu / received,
      rate: received / (streamMs / 1000),
      switches: switches / (streamMs / 1000),
      median: median / 1000,
      slowest: slowest / 1000,
    };
  }

  /** Medians of the rounds for each consumer. */
  async compare(comparison, measure, rounds) {
    const names = [...this.consumers.keys()].filter((name) => takesPart(name, comparison));
    const samples = new Map(names.map((name) => [name, []]));
    for (let round = -warmUps; round < rounds; round++) {
      const first = (round + warmUps) % names.length;
      for (const name of [...names.slice(first), ...names.slice(0, first)]) {
        const sample = await measure(name, comparison);
        if (round >= 0) samples.get(name).push(sample);
      }
    }
    return new Map(
      [...samples].map(([name, values]) => [
        name,
        Object.fromEntries(Object.keys(values[0]).map((key) => [key, median(values.map((value) => value[key]))])),
      ]),
    );
  }
}

function takesPart(name, { kind, only, ours }) {
  if (only !== undefined && !only.includes(name)) return false;
  if (kind === 'perf') return name !== 'C' && name !== 'Aya';
  return ours !== 'decode' || name === us || name === 'cilium/ebpf' || name === 'libbpf';
}

function report({ title, goals, rates = {} }, medians, json) {
  const own = medians.get(us);
  const judged = [];
  for (const [peer, { cpu, rate }] of medians) {
    if (peer === us) continue;
    const unit = 'ns CPU per event';
    if (json) printJson({ bench: 'events', name: title, ours: own.cpu, against: cpu, peer, unit, goal: goals[peer] });
    if (goals[peer] !== undefined) judged.push(`${(own.cpu / cpu).toFixed(2)} of ${peer} (${goals[peer]})`);
    if (rates[peer] === undefined) continue;
    const least = { unit: 'events a second (at least)', goal: rates[peer] };
    if (json) printJson({ bench: 'events', name: title, ours: own.rate, against: rate, peer, ...least });
    judged.push(`rate ${(own.rate / rate).toFixed(2)} of ${peer} (at least ${rates[peer]})`);
  }
  return judged.join(', ');
}

await main(['dependencies', 'addon', 'typescript'], async (args) => {
  const { values: flags } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '5' },
      size: { type: 'string', default: String(4 * 1024 * 1024) },
      case: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      plot: { type: 'string' },
    },
  });
  const size = Number(flags.size);
  const rounds = Number(flags.rounds);
  fs.mkdirSync(folder, { recursive: true });
  const { producer: producerProgram, ...peers } = buildUsualPeers('events', [`RING_BYTES=${size}`], ['producer']);
  if (producerProgram === undefined) throw new SetupError('bench: the producer needs cc');
  const { Ebpf } = createRequire(import.meta.url)(path.join(root, 'dist', 'index.js'));
  const object = compileObject('events', `RING_BYTES=${size}`);
  const [writerCpu, readerCpu] = os.cpus().length > 1 ? [0, 1] : [0, 0];
  const bench = new Bench(size);
  try {
    const world = await World.load(Ebpf, object, writerCpu, producerProgram);
    bench.add(us, world, readerCpu, process.execPath, [path.join(import.meta.dirname, 'node-ebpf.cjs')]);
    for (const [name, program] of Object.entries(peers)) {
      // Aya begins at the start of a ring, wherever its last reader stood: it needs one that nobody else reads.
      const own = name === 'Aya' ? await World.load(Ebpf, object, writerCpu, producerProgram) : world;
      bench.add(name, own, readerCpu, program);
    }
    const names = [...bench.consumers.keys()];
    const groups = [];
    const note = ({ title }, medians) => {
      groups.push({ title, values: [...medians].map(([name, { cpu }]) => [name, cpu]) });
    };
    const drained = [['CPU ns per event', ...names, 'ratios (goal)']];
    for (const comparison of drains.filter(({ title }) => title.includes(flags.case))) {
      const medians = await bench.compare(comparison, async (...given) => bench.drain(...given), rounds);
      note(comparison, medians);
      const figures = names.map((name) => medians.get(name)?.cpu.toFixed(1) ?? '–');
      drained.push([comparison.title, ...figures, report(comparison, medians, flags.json)]);
    }
    if (!flags.json && drained.length > 1) printTable(drained);
    const columns = ['CPU ns per event', 'events/s', 'sleeps/s', 'p50 µs', 'p99 µs', 'ratios (goal)'];
    for (const comparison of streams.filter(({ title }) => title.includes(flags.case))) {
      const medians = await bench.compare(comparison, async (...given) => bench.stream(...given), rounds);
      const judged = report(comparison, medians, flags.json);
      note(comparison, medians);
      if (flags.json) continue;
      const rows = [[comparison.title, ...columns]];
      for (const [name, { cpu, rate, switches, median: middle, slowest }] of medians) {
        const latency = comparison.timed === true ? [middle.toFixed(0), slowest.toFixed(0)] : ['–', '–'];
        rows.push([
          `  ${name}`,
          cpu.toFixed(1),
          rate.toFixed(0),
          switches.toFixed(0),
          ...latency,
          name === us ? judged : '',
        ]);
      }
      console.log('');
      printTable(rows);
    }
    if (flags.plot !== undefined) fs.writeFileSync(flags.plot, plot(groups));
  } finally {
    await bench.end();
  }
  return 0;
});
