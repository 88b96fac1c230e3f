// Samples stacks with a timer on each CPU, and gives the addresses names.
import { setTimeout as sleep } from 'node:timers/promises';

import {
  cstr,
  Ebpf,
  HashMap,
  i32,
  KernelSymbols,
  PerfEvent,
  ProcessSymbols,
  StackTraceMap,
  struct,
  u32,
  u64,
} from 'node-ebpf';

import { Profile, type Frame } from './profile.js';

const Sample = struct('sample', { pid: u32, half: u32, kernel_stack: i32, user_stack: i32, comm: cstr(16) });
const Counts = HashMap.of(Sample, u64.asNumber);

/** A program that is about to look which half it uses has done so by then. */
const settleMs = 2;

export interface ProfilerOptions {
  /** The only process that is looked at. */
  readonly pid?: number | undefined;
  /** Samples a second on each CPU. */
  readonly frequency: number;
}

export class Profiler {
  readonly profile = new Profile();
  readonly #ebpf: Ebpf;
  readonly #counts;
  readonly #stacks;
  #half = 0;
  #kernel: KernelSymbols | undefined;
  readonly #processes = new Map<number, ProcessSymbols | undefined>();

  private constructor(ebpf: Ebpf) {
    this.#ebpf = ebpf;
    this.#counts = ebpf.map('counts', Counts);
    this.#stacks = [0, 1].map((half) => ebpf.map(`stacks_${half}`, StackTraceMap.addresses));
  }

  static async start(object: string | URL, { pid, frequency }: ProfilerOptions): Promise<Profiler> {
    const ebpf = await Ebpf.load(object, { variables: { target: pid ?? 0 } });
    try {
      await ebpf.program('take_sample', PerfEvent).attach({ event: 'cpu-clock', frequency });
      return new Profiler(ebpf);
    } catch (error) {
      await ebpf.close();
      throw error;
    }
  }

  /** Samples whose stack the kernel had no place for. */
  get lost(): bigint {
    return this.#ebpf.variables['lost'] as bigint;
  }

  /** Takes what was sampled since the last time into the profile. Once a second, so that processes still run that are asked. */
  async collect(): Promise<void> {
    const full = this.#stacks[this.#half];
    this.#half = 1 - this.#half;
    this.#ebpf.variables['half'] = this.#half;
    await sleep(settleMs);
    for (const [sample, count] of this.#counts.drain()) {
      const stacks = this.#stacks[sample.half];
      const [kernel = [], user = []] = [sample.kernel_stack, sample.user_stack].map((id) => (id < 0 ? [] : stacks?.get(id)));
      const frames: Frame[] = [
        { name: `${sample.comm} (${sample.pid})`, kind: 'process' },
        ...(await this.#userFrames(sample.pid, user)),
        ...(await this.#kernelFrames(kernel)),
      ];
      this.profile.add(frames, count);
    }
    full?.clear();
  }

  async close(): Promise<void> {
    await this.#ebpf.close();
  }
}
