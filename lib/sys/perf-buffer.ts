import { KernelError } from '../errors/index.js';
import { addon } from './addon.js';
import { EventSource } from './event-source.js';
import type { Handle } from './handle.js';
import { trace } from './trace.js';

/**
 * The reading end of a perf event array: the memory of one perf event of type BPF_OUTPUT per CPU, waited for and drained
 * together.
 */
export class PerfBuffer extends EventSource {
  private constructor(open: (onReady: () => void) => number, name: string | undefined) {
    super(open, 'perf buffer', name);
  }

  /**
   * `times`: the events are opened with PERF_SAMPLE_TIME. `newest`: they are opened with `write_backward`, a drain takes all
   * there is of each CPU, for which the buffer must have room, and nobody may write meanwhile; only CPUs that come and go
   * are told. The buffer has no CPUs yet.
   */
  static open(name: string | undefined, { times, newest }: { times: boolean; newest: boolean }): PerfBuffer {
    return new PerfBuffer((onReady) => trace('open perf buffer', addon().perfBufferOpen(times, newest, onReady)), name);
  }

  /** Adds the memory of a CPU, `pages` of it, a power of two. The event's handle may be closed. Throws KernelError. */
  add(event: Handle, cpu: number, pages: number): void {
    const result = trace(
      `mmap(${event.describe()}, ${pages} pages)`,
      addon().perfBufferAdd(this.handle.token, event.token, cpu, pages),
    );
    if (result < 0) throw new KernelError(`map ${pages} pages of ${event.describe()} into memory`, 'mmap', result);
  }

  /** Forgets a CPU and what its memory holds. */
  remove(cpu: number): void {
    trace(`remove CPU ${cpu} of ${this.handle.describe()}`, addon().perfBufferRemove(this.handle.token, cpu));
  }

  /** How many records the kernel lost, when all events were opened with PERF_FORMAT_LOST; undefined otherwise. */
  lost(): bigint | undefined {
    const result = addon().perfBufferLost(this.handle.token);
    return result < 0 ? undefined : BigInt(result);
  }

  /** Whether a CPU went offline since it was added: its event is dead then, though the CPU may be back. */
  wentOffline(cpu: number): boolean {
    return addon().perfBufferWentOffline(this.handle.token, cpu) === 1;
  }
}
