import { UnsupportedError } from '../errors/index.js';
import type { Handle, LinkInfo } from '../sys/index.js';

import { Link, type LinkDetails } from './link.js';
import { PerfEventLink } from './perf-event-link.js';

/** One of the events that a program is attached to. @internal */
export interface PerfEventPart {
  readonly handle: Handle;
  /** -1 for all. */
  readonly cpu: number;
  readonly target: string;
}

/** @internal */
export interface PerfEventsDetails extends LinkDetails {
  readonly events?: readonly PerfEventPart[] | undefined;
  /** Changes them as CPUs come and go, until it is closed. */
  readonly follower?: { follow(link: PerfEventsLink): void; close(): Promise<void> } | undefined;
}

/**
 * A program attached to a perf event on several CPUs or of several threads: the kernel has an event and a link for each of them,
 * {@link links}, which end together. Where it is a single one, this can be pinned and described as it can.
 *
 * Of a program that runs for all processes or a cgroup, the link of a CPU that goes offline is closed, since the kernel ends its
 * event, and when the CPU is back, or comes for the first time, it has a new one.
 */
export class PerfEventsLink extends Link {
  readonly #events: { readonly link: PerfEventLink; readonly cpu: number }[];

  /** @internal */
  constructor(details: PerfEventsDetails) {
    const events: { readonly link: PerfEventLink; readonly cpu: number }[] = [];
    const { follower } = details;
    const detach = async (): Promise<void> => {
      await follower?.close();
      await closeAll(events.map(({ link }) => link));
    };
    super({ ...details, detach, survivesProcess: false });
    this.#events = events;
    for (const part of details.events ?? []) this.addEvent(part);
    follower?.follow(this);
  }

  /** One for each CPU or thread; of CPUs, those that are online now. */
  get links(): readonly PerfEventLink[] {
    return this.#events.map(({ link }) => link);
  }

  /** @internal */
  addEvent({ handle, cpu, target }: PerfEventPart): void {
    this.#events.push({ link: new PerfEventLink({ handle, target, program: this.program, owner: this }), cpu });
  }

  /** @internal */
  hasCpu(cpu: number): boolean {
    return this.#events.some((event) => event.cpu === cpu);
  }

  /** Closes what is left of the event of a CPU. @internal */
  async removeCpu(cpu: number): Promise<void> {
    // One that its user closed stays closed.
    const at = this.#events.findIndex((event) => event.cpu === cpu && !event.link.closed);
    for (const { link } of at < 0 ? [] : this.#events.splice(at, 1)) await link.close();
  }

  /**
   * What the kernel says about the link, where it is a single one.
   *
   * @throws {@link UnsupportedError} when there are several: each of {@link links} has its own; and before Linux 5.15.
   */
  override info(): LinkInfo {
    return this.#only().info();
  }

  /**
   * Pins the link, where it is a single one.
   *
   * @throws {@link UnsupportedError} when there are several: each of {@link links} has a file of its own; and before Linux
   * 5.15.
   */
  override pin(path: string): void {
    this.#only().pin(path);
  }

  override unpin(path?: string): void {
    if (path !== undefined) this.#only().unpin(path);
    else for (const link of this.links) link.unpin();
  }

  override get pins(): readonly string[] {
    return this.links.flatMap((link) => link.pins);
  }

  #only(): PerfEventLink {
    const [first, ...more] = this.links;
    if (first !== undefined && more.length === 0) return first;
    throw new UnsupportedError(
      'one link of several perf events',
      `the kernel has one for each of the ${this.links.length} at ${this.target}; use those of link.links`,
    );
  }
}

async function closeAll(links: readonly Link[]): Promise<void> {
  const closed = await Promise.allSettled(links.map(async (link) => link.close()));
  const failed = closed.find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}
