/** What a {@link FlightRecorder} has given so far. A snapshot. */
export interface RecorderStats {
  /** Snapshots taken. */
  readonly snapshots: number;
  /** Events in them. */
  readonly events: number;
  /** Bytes of those events. */
  readonly bytes: number;
  /**
   * Bytes that newer events have overwritten before they were in a snapshot, the kernel's headers included: known as of the last
   * snapshot. How many events these were nobody knows.
   */
  readonly overwrittenBytes: bigint;
  /**
   * Events the program could not write: those of a pause, and of each snapshot, for which writing rests. Counted by the
   * program in a global variable `__u64 <map>_dropped`, or by the kernel, as for {@link ReaderStats.dropped}.
   */
  readonly dropped: bigint | undefined;
  /** The kernel's count of them. Before Linux 6.0 it comes with a later event, and the last ones are missing. */
  readonly lost: bigint | undefined;
  /** True while `pause()` holds the recorder. */
  readonly paused: boolean;
}
