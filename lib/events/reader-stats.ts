/** What a reader has seen so far. A snapshot. */
export interface ReaderStats {
  /** Events taken out of the kernel's memory. */
  readonly events: number;
  /** Bytes of those events. */
  readonly bytes: number;
  /** Batches the events came in. */
  readonly batches: number;
  /** How often the reader slept and was woken, by the kernel or by a timer. */
  readonly wakeups: number;
  /**
   * Events the program could not write because there was no room. Of a ring buffer the kernel does not count them: the
   * program must, in a global variable `__u64 <map>_dropped` (`events_dropped` for the map `events`), which the header
   * `node_ebpf_events.h` does; undefined without one. Of a perf event array that variable too or, without it, {@link lost}.
   */
  readonly dropped: bigint | undefined;
  /**
   * Records that the kernel says it lost since the reader was opened: of perf event arrays only, undefined for rings. Before
   * Linux 6.0 it says so with the next record that it can write, so that the last ones are missing here.
   */
  readonly lost: bigint | undefined;
  /**
   * Bytes of records, with headers of 8 bytes each, that newer ones have overwritten before they were read: of rings with
   * `MapFlag.RB_OVERWRITE`, undefined for others. Known as of the last batch. How many records these were nobody knows.
   */
  readonly overwrittenBytes: bigint | undefined;
  /** True while `pause()` holds the reader. */
  readonly paused: boolean;
}
