import { UsageError } from '../errors/index.js';
import type { UserRing } from '../sys/index.js';

/**
 * Room in a user ring buffer, from `reserve()`. Fill {@link bytes}, then submit; what is left to itself at the end of a
 * `using` block is discarded.
 *
 * @example
 * ```js
 * const record = ring.reserve(16);
 * if (record !== undefined) {
 *   new DataView(record.bytes.buffer).setUint32(0, 7, true);
 *   record.submit();
 * }
 * ```
 */
export class UserRecord {
  /** What the record will hold: zeros at first. */
  readonly bytes: Uint8Array;
  readonly #ring: UserRing;
  readonly #position: number;
  #done = false;

  /** @internal */
  constructor(ring: UserRing, position: number, size: number) {
    this.#ring = ring;
    this.#position = position;
    this.bytes = new Uint8Array(size);
  }

  /**
   * Gives the record to the programs.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED` when it was submitted or discarded already, or the ring is closed.
   */
  submit(): void {
    this.#finish(this.bytes);
  }

  /** Gives the room back: programs do not see the record. */
  discard(): void {
    this.#finish(undefined);
  }

  /** {@link discard}, unless it was submitted, at the end of a `using` block. */
  [Symbol.dispose](): void {
    if (!this.#done && !this.#ring.closed) this.discard();
  }

  #finish(payload: Uint8Array | undefined): void {
    if (this.#done) throw UsageError.closed('this record of a user ring buffer');
    this.#ring.commit(this.#position, payload);
    this.#done = true;
  }
}
