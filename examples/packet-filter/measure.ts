// What a packet and a reload cost with 0, 100 and 10,000 rules: a million packets through the program, by the kernel's clock.
import { setTimeout as sleep } from 'node:timers/promises';

import { ipOctets } from 'node-ebpf';

import type { PacketFilter } from './filter.js';
import { parseRules } from './rules.js';

const packets = 1_000_000;
const reloads = 21;
/** Longer than the kernel waits for packets that are on their way. */
const pauseMs = 200;

/** A TCP packet of 60 bytes from 10.0.0.1 to port 443. */
function packet(): Uint8Array {
  const bytes = new Uint8Array(60);
  bytes.set([0x08, 0x00, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, ...(ipOctets('10.0.0.1') ?? [])], 12);
  bytes.set([1, 2, 3, 4, 0xab, 0xcd, 443 >> 8, 443 & 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x50], 30);
  return bytes;
}

/** Networks of 24 bits in 64.0.0.0/2, by turns with a port and without. */
function rulesOf(count: number): string {
  const line = (index: number): string =>
    `deny in ${64 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.0/24${index % 2 === 0 ? '' : ' tcp 443'}`;
  return Array.from({ length: count }, (_, index) => line(index)).join('\n');
}

export async function measure(filter: PacketFilter): Promise<void> {
  const data = packet();
  for (const count of [0, 100, 10_000]) {
    const text = rulesOf(count);
    const times: number[] = [];
    for (let turn = 0; turn < reloads; turn++) {
      await sleep(pauseMs);
      const start = performance.now();
      await filter.replace(parseRules(text));
      times.push(performance.now() - start);
    }
    const median = times.sort((a, b) => a - b)[reloads >> 1] ?? NaN;
    const { durationNs } = await filter.program('in').testRun({ data, repeat: packets });
    console.log(`${count} rules: a reload ${median.toFixed(1)} ms (median of ${reloads}), a packet ${durationNs} ns`);
  }
}
