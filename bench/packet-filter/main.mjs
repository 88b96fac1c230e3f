// `npm run bench -- packet-filter`: what examples/packet-filter costs with 0, 100 and 10,000 rules. A million packets through its
// program by testRun, by the kernel's clock; and reloads of rules in memory: parsed, written into a new trie, in force, and the old
// ones out of use. Root. `-- --rounds 21` picks how many reloads, of which the median counts; `--json` prints a line per case.
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { ipOctets } from 'node-ebpf';
import { buildExample } from '../../scripts/example.mjs';
import { main } from '../../scripts/setup.mjs';
import { median, printJson, printTable } from '../shared.mjs';

const packets = 1_000_000;
/** Milliseconds between reloads: the kernel takes the trie of the one before away meanwhile. */
const pause = 200;
/** The most milliseconds that a reload of the most rules may take. */
const mostMs = 50;

/** A TCP packet of 60 bytes from 10.0.0.1 to port 443. */
function packet() {
  const bytes = new Uint8Array(60);
  bytes.set([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, ...ipOctets('10.0.0.1')], 12);
  bytes.set([1, 2, 3, 4, 0xab, 0xcd, 443 >> 8, 443 & 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x50], 30);
  return bytes;
}

/** Networks of 24 bits in 64.0.0.0/2, by turns with a port and without. */
function rulesOf(count) {
  const line = (index) =>
    `deny in ${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24${index % 2 === 0 ? '' : ' tcp 443'}`;
  return Array.from({ length: count }, (_, index) => line(index)).join('\n');
}

async function measure(filter, parseRules, count, rounds) {
  const text = rulesOf(count);
  const times = [];
  for (let round = 0; round < rounds; round++) {
    await sleep(pause);
    const start = performance.now();
    await filter.replace(parseRules(text));
    times.push(performance.now() - start);
  }
  const { durationNs } = await filter.program('in').testRun({ data: packet(), repeat: packets });
  return { count, reload: median(times), packet: durationNs };
}

await main(undefined, async (args) => {
  const { values } = parseArgs({
    args,
    options: { rounds: { type: 'string', default: '21' }, json: { type: 'boolean', default: false } },
  });
  const [filterFile, rulesFile] = buildExample('packet-filter', ['filter.ts', 'rules.ts']).map(pathToFileURL);
  const [{ PacketFilter }, { parseRules }] = [await import(filterFile), await import(rulesFile)];
  const filter = await PacketFilter.load(new URL('packet_filter.bpf.o', filterFile));
  const results = [];
  try {
    for (const count of [0, 100, 10_000]) {
      results.push(await measure(filter, parseRules, count, Number(values.rounds)));
    }
  } finally {
    await filter.close();
  }
  const [without] = results;
  if (!values.json) {
    const rows = results.map(({ count, reload, packet: ns }) => [String(count), reload.toFixed(1), String(ns)]);
    printTable([['rules', 'a reload, ms', 'a packet, ns'], ...rows]);
  }
  for (const { count, reload, packet: ns } of values.json ? results : []) {
    const bench = 'packet-filter';
    printJson({ bench, name: `reload ${count}`, ours: reload, against: mostMs, peer: 'the goal', unit: 'ms', goal: 1 });
    printJson({ bench, name: `packet ${count}`, ours: ns, against: without.packet, peer: 'no rules', unit: 'ns' });
  }
});
