// Samples what runs on all CPUs, or in one process, and draws it.
import { writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { EbpfError } from 'node-ebpf';

import { flameGraph } from './flame-graph.js';
import { Profiler } from './profiler.js';

const usage = `profiler [--pid N] [--seconds 10] [--frequency 99] [--folded FILE] [--html FILE]

  --pid        only this process
  --seconds    how long; Ctrl-C ends it sooner
  --frequency  samples a second on each CPU
  --folded     writes a line for each stack, as flame graph tools read it
  --html       writes a flame graph: one page that needs nothing else`;

const collectMs = 1000;
const listed = 10;

const { values } = parseArgs({
  options: {
    pid: { type: 'string' },
    seconds: { type: 'string', default: '10' },
    frequency: { type: 'string', default: '99' },
    folded: { type: 'string' },
    html: { type: 'string' },
  },
});
const numbers = [values.pid ?? '1', values.seconds, values.frequency].map(Number);
if (numbers.every((number) => number > 0)) await main();
else {
  console.error(usage);
  process.exitCode = 2;
}

async function main(): Promise<void> {
  const [, seconds = 0, frequency = 0] = numbers;
  const pid = values.pid === undefined ? undefined : Number(values.pid);
  try {
    await profile(pid, seconds, frequency);
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}

async function profile(pid: number | undefined, seconds: number, frequency: number): Promise<void> {
  const profiler = await Profiler.start(new URL('profiler.bpf.o', import.meta.url), { pid, frequency });
  try {
    const ending = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => ending.abort());
    const whose = pid === undefined ? 'all processes' : `process ${pid}`;
    console.log(`sampling ${whose} ${frequency} times a second on each CPU`);
    const start = performance.now();
    const before = process.cpuUsage();
    const ends = start + seconds * 1000;
    while (!ending.signal.aborted && performance.now() < ends) {
      await sleep(Math.min(collectMs, ends - performance.now()), undefined, { signal: ending.signal }).catch(() => {});
      await profiler.collect();
    }
    const { user, system } = process.cpuUsage(before);
    const wall = performance.now() - start;

    const { total } = profiler.profile.root;
    console.log(`${total} samples in ${(wall / 1000).toFixed(1)} s`);
    for (const { frame, samples } of profiler.profile.hottest(listed)) {
      console.log(
        `${((samples / total) * 100).toFixed(1).padStart(6)} %  ${frame.name}${frame.kind === 'kernel' ? ' [kernel]' : ''}`,
      );
    }
    console.log(`the profiler itself used ${((user + system) / wall / 10).toFixed(2)} % of a CPU`);
    if (profiler.lost > 0n) console.log(`${profiler.lost} samples are without a part of their stack`);
    const title = `${whose}, ${total} samples, ${frequency} a second on each CPU, ${(wall / 1000).toFixed(1)} s`;
    if (values.folded !== undefined) await writeFile(values.folded, profiler.profile.folded());
    if (values.html !== undefined) await writeFile(values.html, flameGraph(profiler.profile, title));
  } finally {
    await profiler.close();
  }
}
