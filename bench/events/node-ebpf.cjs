'use strict';

// This library as a consumer: the lines of peers/harness.h, and `decode N` as `drain N` with objects of all fields. HOW of a
// stream may also be `now`: deliver each event at once.
const readline = require('node:readline');
const { PerfEventArray, RingBuffer, cstr, struct, u32, u64 } = require('../../dist/index.js');

const MOST_LATENCIES = 100_000;
const PERF_BYTES = 4 * 1024 * 1024;
const littleEndian = require('node:os').endianness() === 'LE';
const Event = struct('event', { number: u64, ts: u64, bytes: u64, pid: u32, value: u32, comm: cstr(32) });

const [ringId, perfId] = process.argv.slice(2).map(Number);
const maps = {
  ring: RingBuffer.of(Event).open({ id: ringId }),
  perf: PerfEventArray.of(Event).open({ id: perfId }),
};

function sumOf({ length, view, offsets }) {
  let sum = 0;
  for (let index = 0; index < length; index++) sum += view.getUint32(offsets[index] + 28, littleEndian);
  return sum;
}

async function drain(batches, count) {
  let received = 0;
  let sum = 0;
  while (received < count) {
    const batch = (await batches.next()).value;
    sum += sumOf(batch);
    received += batch.length;
  }
  return [received, sum];
}

async function decode(batches, count) {
  let received = 0;
  let sum = 0;
  while (received < count) {
    const batch = (await batches.next()).value;
    for (const { value } of batch) sum += value;
    received += batch.length;
  }
  return [received, sum];
}

async function stream(reader, milliseconds, timed) {
  const latencies = [];
  let received = 0;
  let sum = 0;
  setTimeout(() => void reader.close(), milliseconds);
  for await (const batch of reader.batches()) {
    sum += sumOf(batch);
    const { length, view, offsets } = batch;
    for (let index = 0; timed && index < length && latencies.length < MOST_LATENCIES; index++) {
      const written = view.getBigUint64(offsets[index] + 8, littleEndian);
      latencies.push(Number(process.hrtime.bigint() - written));
    }
    received += length;
  }
  latencies.sort((a, b) => a - b);
  const at = (part) => latencies[Math.floor((latencies.length * part) / 100)] ?? 0;
  return { received, median: at(50), slowest: at(99), sum };
}

const optionsOf = { poll: { pollMs: 1 }, linger: { maxLatencyMs: 1 }, now: { maxLatencyMs: 0 } };

function usage() {
  const { userCPUTime, systemCPUTime, voluntaryContextSwitches } = process.resourceUsage();
  return { cpu: (userCPUTime + systemCPUTime) * 1000, switches: voluntaryContextSwitches };
}

async function main() {
  let kind = 'ring';
  let reader;
  let batches;
  const read = (options = {}) => maps[kind].read(kind === 'perf' ? { ...options, bytesPerCpu: PERF_BYTES } : options);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, word, how] = line.split(' ');
    if (command === 'open') {
      kind = word;
      reader = read(optionsOf[how]);
      batches = undefined;
      console.log('ready');
    } else if (command === 'drain' || command === 'decode') {
      // What was written after a stream had ended is still there.
      if (reader.closed) [reader, batches] = [read(), undefined];
      batches ??= reader.batches();
      const before = usage();
      const [received, sum] = await (command === 'drain' ? drain : decode)(batches, Number(word));
      console.log(usage().cpu - before.cpu, received, sum);
    } else if (command === 'stream' || command === 'timed') {
      const before = usage();
      const { received, median, slowest } = await stream(reader, Number(word), command === 'timed');
      const after = usage();
      console.log(after.cpu - before.cpu, received, after.switches - before.switches, median, slowest);
    } else {
      await reader.close();
      console.log('closed');
    }
  }
}

void main();
