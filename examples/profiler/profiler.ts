// Samples stacks with a timer on each CPU, and gives the addresses names.
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import {
  cstr,
  Ebpf,
  EbpfError,
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

/** What is known of a process: without symbols it had ended before it could be asked. */
interface Known {
  readonly symbols: ProcessSymbols | undefined;
  readonly frames: Map<bigint, Frame>;
}

const unknown: Frame = { name: '[unknown]', kind: 'user' };

export class Profiler {
  readonly profile = new Profile();
  readonly #ebpf: Ebpf;
  readonly #counts;
  readonly #stacks;
  #half = 0;
  #kernel: KernelSymbols | undefined;
  readonly #users = new Map<number, Known>();

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
      const [kernel = [], user = []] = [sample.kernel_stack, sample.user_stack].map((id) =>
        id < 0 ? [] : stacks?.get(id),
      );
      const frames: Frame[] = [
        { name: `${sample.comm} (${sample.pid})`, kind: 'process' },
        ...(await this.#userFrames(sample.pid, user)),
        ...(await this.#kernelFrames(kernel)),
      ];
      this.profile.add(frames, count);
    }
    full?.clear();
  }

  /** Stacks come innermost first; frames are the other way round. Most addresses were seen before. */
  async #userFrames(pid: number, stack: readonly bigint[]): Promise<Frame[]> {
    const addresses = stack.map(codeAddress);
    let known = this.#users.get(pid);
    if (known === undefined) this.#users.set(pid, (known = { symbols: await symbolsOf(pid), frames: new Map() }));
    const { symbols, frames } = known;
    const fresh = addresses.filter((address) => !frames.has(address));
    const found = (fresh.length > 0 ? await symbols?.resolve(fresh) : undefined) ?? [];
    for (const [index, address] of fresh.entries()) {
      const { name, file } = found[index] ?? {};
      frames.set(address, { name: name ?? (file === undefined ? hex(address) : `[${basename(file)}]`), kind: 'user' });
    }
    return addresses.map((address) => frames.get(address) ?? unknown).reverse();
  }

  async #kernelFrames(stack: readonly bigint[]): Promise<Frame[]> {
    if (stack.length === 0) return [];
    this.#kernel ??= await KernelSymbols.read();
    const symbols = this.#kernel;
    return stack
      .map((address, index): Frame => {
        return { name: symbols.resolve(codeAddress(address, index))?.name ?? hex(address), kind: 'kernel' };
      })
      .reverse();
  }

  async close(): Promise<void> {
    await this.#ebpf.close();
  }
}

async function symbolsOf(pid: number): Promise<ProcessSymbols | undefined> {
  try {
    return await ProcessSymbols.open(pid);
  } catch (error) {
    if (EbpfError.is(error)) return undefined;
    throw error;
  }
}

/** All but the innermost are where a call returns to: behind the call, which may be the last instruction of its function. */
function codeAddress(address: bigint, index: number): bigint {
  return index === 0 ? address : address - 1n;
}

function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}
