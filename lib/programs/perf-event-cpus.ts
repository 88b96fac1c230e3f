import { EbpfError, escapeControl } from '../errors/index.js';
import { onlineCpus } from '../kernel/index.js';
import type { PerfEventPart, PerfEventsLink } from '../links/index.js';
import { CpuWatch } from '../sys/index.js';

export interface CpuFollowerOptions {
  /** Attaches to the event of a CPU; undefined when the CPU has gone meanwhile. */
  readonly attach: (cpu: number) => Promise<PerfEventPart | undefined>;
  /** Whether its events are wanted at all. */
  readonly isWanted: (cpu: number) => boolean;
  /** Lets go of what `attach` needs. */
  readonly release: () => void;
}

/**
 * Keeps a program at the events of CPUs that come and go: a CPU that goes offline takes its events along (perf_event_exit_cpu of
 * kernel/events/core.c), and has none when it is back. Made before the first events are opened, so that no change is missed.
 */
export class CpuFollower {
  readonly #options: CpuFollowerOptions;
  readonly #watch = new CpuWatch();
  #online: ReadonlySet<number>;
  #work: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: CpuFollowerOptions) {
    this.#options = options;
    this.#online = new Set(onlineCpus());
  }

  /** Changes the link's events from now on. */
  follow(link: PerfEventsLink): void {
    this.#watch.start(() => {
      this.#work = this.#work.then(async () => this.#refresh(link)).catch(warn);
    });
  }

  /** Resolves when nothing is attached any more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watch.close();
    await this.#work;
    this.#options.release();
  }

  async #refresh(link: PerfEventsLink): Promise<void> {
    const before = this.#online;
    const now = new Set(onlineCpus());
    this.#online = now;
    // Where nothing differs, one went and came back meanwhile, and which is not known.
    const isSame = before.size === now.size && [...now].every((cpu) => before.has(cpu));
    for (const cpu of new Set([...before, ...now])) {
      if (this.#closed) return;
      if (isSame || !now.has(cpu)) await link.removeCpu(cpu);
      if (now.has(cpu) && this.#options.isWanted(cpu) && !link.hasCpu(cpu)) await this.#attach(link, cpu);
    }
  }

  async #attach(link: PerfEventsLink, cpu: number): Promise<void> {
    const part = await this.#options.attach(cpu);
    if (part !== undefined) link.addEvent(part);
  }
}

/** Nobody waits for what is attached later. */
function warn(error: unknown): void {
  const reason = EbpfError.is(error) ? error.message : String(error);
  process.emitWarning(
    escapeControl(`a program could not be attached to the event of a CPU that came online: ${reason}`),
  );
}
