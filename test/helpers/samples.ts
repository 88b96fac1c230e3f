// The sample objects, and how their test-run programs are told what to do.
import { join } from 'node:path';

import type { Ebpf } from '../../lib/index.js';
import { samples } from './command.js';

/** Path of a sample's object: `sample('execsnoop')`. */
export function sample(name: string): string {
  return join(samples, `${name}.bpf.o`);
}

/** The arguments that a raw_tp program sees when it is test-run. */
export function rawArguments(...values: readonly (number | bigint)[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(values, (value) => BigInt(value)).buffer);
}

/** Flags of bpf_ringbuf_output. */
export const RingFlag = { NONE: 0, NO_WAKEUP: 1, FORCE_WAKEUP: 2 } as const;

/** One run of `ring_burst` writes at most this many. */
const mostPerRun = 250;

async function inRuns(records: number, run: (count: number) => Promise<unknown>): Promise<void> {
  for (let left = records; left > 0; left -= mostPerRun) await run(Math.min(left, mostPerRun));
}

/** Makes `ring_burst` write numbered records of `size` bytes. */
export async function burst(ebpf: Ebpf, records: number, size: number, flags: number = RingFlag.NONE): Promise<void> {
  await inRuns(records, async (count) => ebpf.program('burst').testRun({ context: rawArguments(count, size, flags) }));
}

/** Makes `ring_burst` write numbered events of type `struct burst_event`. */
export async function burstEvents(ebpf: Ebpf, records: number, flags: number = RingFlag.NONE): Promise<void> {
  await inRuns(records, async (count) =>
    ebpf.program('burst_events').testRun({ context: rawArguments(count, 0, flags) }),
  );
}
