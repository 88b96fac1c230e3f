import type { EventSource } from '../sys/index.js';

import type { CheckedReadOptions } from './read-options.js';

/** Events a millisecond from which on waiting for more of them costs less than being woken for each. */
const manyPerMs = 8;
/** How long a reader that was given no `maxLatencyMs` waits then. */
const gatherMs = 1;

/** What tells how many bytes wait. */
type Pending = Pick<EventSource, 'pendingBytes'>;

/** How a reader that found its memory empty waits for more. */
export type Wait =
  /** Until the kernel tells, at most so many milliseconds. */
  | { readonly kind: 'wake'; readonly atMostMs: number | undefined }
  /** So many milliseconds, whatever comes meanwhile. */
  | { readonly kind: 'time'; readonly ms: number }
  /** Until other work of this thread had its turn. */
  | { readonly kind: 'turn' };

/**
 * Decides how a reader waits. To be woken costs as much as hundreds of events, for the program that writes as well, so
 * where events are many it is cheaper to look again after a while: for so long the kernel wakes nobody.
 */
export class Pace {
  readonly #source: Pending;
  readonly #capacity: number;
  readonly #maxLatencyMs: number | undefined;
  readonly #pollMs: number | undefined;
  #since = 0;
  #events = 0;
  #bytes = 0;
  #woken = false;

  /** `capacity` is what the source holds before it loses events, in bytes. */
  constructor(source: Pending, capacity: number, options: Pick<CheckedReadOptions, 'maxLatencyMs' | 'pollMs'>) {
    this.#source = source;
    this.#capacity = capacity;
    this.#maxLatencyMs = options.maxLatencyMs;
    this.#pollMs = options.pollMs;
  }

  /** Tells of a drain. */
  took(events: number, bytes: number): void {
    this.#events += events;
    this.#bytes += bytes;
  }

  /** How to wait, now that there is nothing. */
  next(): Wait {
    const now = performance.now();
    const elapsed = Math.max(now - this.#since, 0.001);
    const [events, bytes] = [this.#events, this.#bytes];
    const woken = this.#woken;
    this.#since = now;
    this.#events = 0;
    this.#bytes = 0;
    this.#woken = false;
    if (events === 0) {
      // Woken for a record that is not finished: the kernel would say at once that there is something.
      if (woken && this.#source.pendingBytes() > 0) return { kind: 'time', ms: gatherMs };
      return this.#untilWoken();
    }
    if (this.#maxLatencyMs !== undefined) {
      return this.#maxLatencyMs > 0 ? { kind: 'time', ms: this.#maxLatencyMs } : this.#untilWoken();
    }
    // Timers are late: what comes within twice that time must find room. Looking all the time would cost several times as
    // much an event, since each look finds little.
    if ((bytes / elapsed) * gatherMs * 2 > this.#capacity) return { kind: 'turn' };
    return events / elapsed >= manyPerMs ? { kind: 'time', ms: gatherMs } : this.#untilWoken();
  }

  /** Milliseconds for which to wait for more once woken. */
  afterWake(): number {
    const ms = this.#maxLatencyMs ?? 0;
    // Waiting longer than there is room would lose events to save work.
    return ms > 0 && this.#source.pendingBytes() * 2 < this.#capacity ? ms : 0;
  }

  #untilWoken(): Wait {
    this.#woken = true;
    return { kind: 'wake', atMostMs: this.#pollMs };
  }
}
