import { KernelError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { Handle } from './handle.js';
import { trace, tracing } from './trace.js';

/** Places in what a drain reports: `enum Report` of native/event_source.cc. */
const Report = {
  RECORDS: 0,
  MORE: 1,
  NEEDED: 2,
  LOST: 3,
  LOST_HIGH: 4,
  CPUS_CHANGED: 5,
  PAYLOAD: 6,
  OVERWRITTEN: 7,
  OVERWRITTEN_HIGH: 8,
  LENGTH: 9,
} as const;

/** The kernel's smallest record with a payload: a header and up to eight bytes. */
const leastRecord = 16;

/**
 * Memory that records are drained into, used again and again. Record `index` has its payload at `offsets[index]` of
 * `bytes`, `lengths[index]` bytes long, and came from CPU `cpus[index]`; ring buffers do not tell, and leave 0.
 */
export class RecordBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly offsets: Uint32Array;
  readonly lengths: Uint32Array;
  readonly cpus: Uint32Array;
  /** The three tables in one piece, for the addon. */
  readonly tables: Uint32Array;

  /** For up to `size` bytes of records with their headers, and `most` records. */
  constructor(size: number, most: number = Math.max(1, Math.floor(size / leastRecord))) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
    this.tables = new Uint32Array(3 * most);
    this.offsets = this.tables.subarray(0, most);
    this.lengths = this.tables.subarray(most, 2 * most);
    this.cpus = this.tables.subarray(2 * most);
  }

  get size(): number {
    return this.bytes.length;
  }
}

/** What a drain did. One object per source, overwritten by the next drain. */
export interface Drained {
  records: number;
  /** Bytes of the buffer that were written, the kernel's headers included. */
  bytes: number;
  /** Bytes of the records without those headers. */
  payload: number;
  /** Whether finished records wait that this drain did not take. */
  more: boolean;
  /** When `records` is 0 and `more`: bytes the buffer must have for the first record to fit; else 0. */
  needed: number;
  /** Records of which the kernel says that it could not write them: of perf buffers only. */
  lost: number;
  /** Bytes of records, headers included, that the kernel wrote over before they were read: of memory that keeps the newest. */
  overwritten: number;
  /** Whether CPUs went online or offline since the last drain: of perf buffers only. */
  cpusChanged: boolean;
}

/** Memory of the kernel that records are drained from. It is the only queue: nothing is taken from it but by `drain`. */
export class EventSource {
  protected readonly handle: Handle;
  readonly #report = new Uint32Array(Report.LENGTH);
  readonly #drained: Drained = {
    records: 0,
    bytes: 0,
    payload: 0,
    more: false,
    needed: 0,
    lost: 0,
    overwritten: 0,
    cpusChanged: false,
  };
  #onReady: (() => void) | undefined;

  /** `noun` and `name` are what errors call it. */
  protected constructor(open: (onReady: () => void) => number, noun: string, name: string | undefined) {
    const token = open(() => {
      this.ready();
    });
    if (token < 0) throw new KernelError(`open ${noun} ${name ?? ''}`.trimEnd(), 'mmap', token);
    this.handle = new Handle('ring', token, name);
  }

  get closed(): boolean {
    return this.handle.closed;
  }

  /** Moves finished records, in order and whole, into `buffer`; the object returned is valid until the next drain. */
  drain(buffer: RecordBuffer): Drained {
    const report = this.#report;
    const bytes = addon().sourceDrain(this.handle.token, buffer.bytes, buffer.tables, report);
    if (tracing) trace(`drain ${this.handle.describe()}`, bytes);
    if (bytes < 0) throw this.failed('read', bytes);
    const drained = this.#drained;
    drained.bytes = bytes;
    drained.records = report[Report.RECORDS] ?? 0;
    drained.payload = report[Report.PAYLOAD] ?? 0;
    drained.more = report[Report.MORE] === 1;
    drained.needed = report[Report.NEEDED] ?? 0;
    drained.lost = (report[Report.LOST] ?? 0) + (report[Report.LOST_HIGH] ?? 0) * 2 ** 32;
    drained.overwritten = (report[Report.OVERWRITTEN] ?? 0) + (report[Report.OVERWRITTEN_HIGH] ?? 0) * 2 ** 32;
    drained.cpusChanged = report[Report.CPUS_CHANGED] === 1;
    return drained;
  }

  /** Calls `onReady` once, when there is something to drain, soon included. Arm again after each drain. */
  arm(onReady: () => void): void {
    this.#onReady = onReady;
    const result = addon().sourceArm(this.handle.token);
    if (tracing) trace(`arm ${this.handle.describe()}`, result);
    if (result < 0) throw this.failed('wait for', result);
    if (result === 1) {
      queueMicrotask(() => {
        this.ready();
      });
    }
  }

  /** Keeps the event loop alive from now on. A new source does not. */
  ref(): void {
    addon().sourceReference(this.handle.token, true);
  }

  unref(): void {
    addon().sourceReference(this.handle.token, false);
  }

  /** Bytes that wait, record headers included; also those of records not yet finished. */
  pendingBytes(): number {
    const result = addon().sourcePending(this.handle.token);
    if (result < 0) throw this.failed('measure', result);
    return result;
  }

  /** Ends waiting and unmaps the memory; `onReady` is not called any more. Idempotent. */
  close(): void {
    this.#onReady = undefined;
    this.handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  protected ready(): void {
    const onReady = this.#onReady;
    this.#onReady = undefined;
    onReady?.();
  }

  protected failed(verb: string, result: number): KernelError | UsageError {
    if (this.closed) return UsageError.closed(this.handle.describe());
    return new KernelError(`${verb} ${this.handle.describe()}`, 'ring buffer', result);
  }
}
