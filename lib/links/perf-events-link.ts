import { UnsupportedError } from '../errors/index.js';
import type { Handle, LinkInfo } from '../sys/index.js';

import { Link, type LinkDetails } from './link.js';
import { PerfEventLink } from './perf-event-link.js';

/** One of the events that a program is attached to. @internal */
export interface PerfEventPart {
  readonly handle: Handle;
  readonly target: string;
}

/** @internal */
export interface PerfEventsDetails extends LinkDetails {
  readonly events?: readonly PerfEventPart[] | undefined;
}

/**
 * A program attached to a perf event on several CPUs or of several threads: the kernel has an event and a link for each of them,
 * {@link links}, which end together. Where it is a single one, this can be pinned and described as it can.
 */
export class PerfEventsLink extends Link {
  /** One for each CPU or thread. */
  readonly links: readonly PerfEventLink[];

  /** @internal */
  constructor(details: PerfEventsDetails) {
    const links: PerfEventLink[] = [];
    super({ ...details, detach: async () => closeAll(links), survivesProcess: false });
    for (const { handle, target } of details.events ?? []) {
      links.push(new PerfEventLink({ handle, target, program: details.program, owner: this }));
    }
    this.links = links;
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
