import { PerfEventArray, cstr, struct, u32, u64, type Ebpf } from '../../lib/index.js';

import { rawArguments } from './samples.js';

/** What `burst_events` of the sample perf_burst writes. */
export const BurstEvent = struct('perf_burst_event', {
  ...{ number: u64, ts: u64, pid: u32, cpu: u32, value: u64, comm: cstr(16) },
});

/** The sample's array of perf events, decoded. */
export const BurstEvents = PerfEventArray.of(BurstEvent);

/** One run writes at most this many. */
export const mostPerRun = 250;

/** Makes a program of the sample write records on one CPU (BPF_F_TEST_RUN_ON_CPU). */
export async function writeBurst(ebpf: Ebpf, program: string, records: number, size = 0, cpu = 0): Promise<void> {
  for (let left = records; left > 0; left -= mostPerRun) {
    const context = rawArguments(Math.min(left, mostPerRun), size);
    await ebpf.program(program).testRun({ context, flags: 1, cpu });
  }
}
