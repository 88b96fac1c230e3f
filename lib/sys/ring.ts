import { KernelError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { Handle } from './handle.js';
import { trace, tracing } from './trace.js';

/** What a drain did. One object per ring, overwritten by the next drain. */
export interface Drained {
  /** Bytes written to the destination, frames included. */
  bytes: number;
  records: number;
  /** Whether finished records wait that this drain did not take. */
  more: boolean;
  /** When `records` is 0 and `more`: bytes the destination must have for the first record to fit; else 0. */
  needed: number;
}

/**
 * The reading end of a BPF ring buffer. The kernel's ring is the only queue: nothing is taken from it but by `drain`.
 *
 * A frame in the destination is 8-byte aligned: `u32` payload length, `u16` source, `u16` flags, then the payload.
 */
export class Ring {
  readonly #handle: Handle;
  readonly #report = new Uint32Array(3);
  readonly #drained: Drained = { bytes: 0, records: 0, more: false, needed: 0 };
  #onReady: (() => void) | undefined;

  private constructor(open: (onReady: () => void) => number, name: string | undefined) {
    const token = open(() => {
      const onReady = this.#onReady;
      this.#onReady = undefined;
      onReady?.();
    });
    if (token < 0) throw new KernelError(`open ring buffer ${name ?? ''}`.trimEnd(), 'mmap', token);
    this.#handle = new Handle('ring', token, name);
  }

  /** Opens the ring of a map of type RINGBUF. It has a descriptor of its own: the map's handle may be closed. */
  static open(map: Handle): Ring {
    if (map.closed) throw UsageError.closed(map.describe());
    return new Ring(
      (onReady) => trace(`open ring of ${map.describe()}`, addon().ringOpen(map.token, onReady)),
      map.name,
    );
  }

  get closed(): boolean {
    return this.#handle.closed;
  }

  /** Moves finished records, in order and whole, into `destination`; the object returned is valid until the next drain. */
  drain(destination: Uint8Array): Drained {
    const bytes = addon().ringDrain(this.#handle.token, destination, this.#report);
    if (tracing) trace(`drain ${this.#handle.describe()}`, bytes);
    if (bytes < 0) throw this.#failed('read', bytes);
    const drained = this.#drained;
    drained.bytes = bytes;
    drained.records = this.#report[0] ?? 0;
    drained.more = this.#report[1] === 1;
    drained.needed = this.#report[2] ?? 0;
    return drained;
  }

  /** Calls `onReady` once, when the ring has something to drain, at once included. Arm again after each drain. */
  arm(onReady: () => void): void {
    this.#onReady = onReady;
    const result = addon().ringArm(this.#handle.token);
    if (tracing) trace(`arm ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#failed('wait for', result);
  }

  /** Keeps the event loop alive from now on. A new ring does not. */
  ref(): void {
    addon().ringReference(this.#handle.token, true);
  }

  unref(): void {
    addon().ringReference(this.#handle.token, false);
  }

  /** Bytes in the ring, record headers included; also those of records not yet finished. */
  pendingBytes(): number {
    const result = addon().ringPending(this.#handle.token);
    if (result < 0) throw this.#failed('measure', result);
    return result;
  }

  /** Ends waiting and unmaps the ring; `onReady` is not called any more. Idempotent. */
  close(): void {
    this.#onReady = undefined;
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #failed(verb: string, result: number): KernelError | UsageError {
    if (this.closed) return UsageError.closed(this.#handle.describe());
    return new KernelError(`${verb} ${this.#handle.describe()}`, 'ring buffer', result);
  }
}
