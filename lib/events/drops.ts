import { lostChannel, type LostMessage } from './channels.js';
import type { ReaderStats } from './reader-stats.js';

/** Where counts of lost events come from. @internal */
export interface DropCounters {
  /** Reads the program's own count, when it keeps one. */
  readonly dropped?: (() => bigint) | undefined;
  /** Whether the kernel tells of lost records, with the records. */
  readonly inBand?: boolean | undefined;
  /** Reads the kernel's count, where it has one; undefined where this kernel does not. */
  readonly lost?: (() => bigint | undefined) | undefined;
}

/** Counts events that were lost, and tells the diagnostics channel about them. */
export class Drops {
  readonly #map: string;
  #counters: DropCounters | undefined;
  #inBand = 0n;
  #last: Pick<ReaderStats, 'dropped' | 'lost'> = { dropped: undefined, lost: undefined };
  #reported: bigint;

  constructor(map: string, counters: DropCounters) {
    this.#map = map;
    this.#counters = counters;
    this.#reported = this.read().dropped ?? 0n;
  }

  /** The kernel said so among the records. */
  lost(records: number): void {
    this.#inBand += BigInt(records);
  }

  read(): Pick<ReaderStats, 'dropped' | 'lost'> {
    if (this.#counters === undefined) return this.#last;
    const { dropped, lost, inBand } = this.#counters;
    const kernel = inBand === true ? (lost?.() ?? this.#inBand) : undefined;
    this.#last = { dropped: dropped?.() ?? kernel, lost: kernel };
    return this.#last;
  }

  /** Publishes what was lost since the last time, when someone listens. */
  report(): void {
    if (!lostChannel.hasSubscribers) return;
    const { dropped } = this.read();
    if (dropped === undefined || dropped === this.#reported) return;
    const message: LostMessage = { map: this.#map, lost: dropped - this.#reported, total: dropped };
    this.#reported = dropped;
    lostChannel.publish(message);
  }

  /** The last look at the counters: they are gone after it. */
  end(): void {
    this.read();
    this.#counters = undefined;
  }
}
