import { constants } from 'node:os';

import { KernelError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { Handle } from './handle.js';
import { trace, tracing } from './trace.js';

const ENOSPC = -constants.errno.ENOSPC;

/** The writing end of a user ring buffer, which programs drain. */
export class UserRing {
  readonly #handle: Handle;
  #onRoom: (() => void) | undefined;

  private constructor(map: Handle) {
    const token = trace(
      `open user ring of ${map.describe()}`,
      addon().userRingOpen(map.token, () => this.#onRoom?.()),
    );
    if (token < 0) throw new KernelError(`open user ring buffer ${map.name ?? ''}`.trimEnd(), 'mmap', token);
    this.#handle = new Handle('ring', token, map.name);
  }

  /** Opens the ring of a map of type USER_RINGBUF. It has a descriptor of its own: the map's handle may be closed. */
  static open(map: Handle): UserRing {
    if (map.closed) throw UsageError.closed(map.describe());
    return new UserRing(map);
  }

  get closed(): boolean {
    return this.#handle.closed;
  }

  /** Sends a record; false while the ring has no room for it. */
  send(payload: Uint8Array): boolean {
    const result = addon().userRingSend(this.#handle.token, payload);
    if (tracing) trace(`send to ${this.#handle.describe()}`, result);
    if (result < 0 && result !== ENOSPC) throw this.#failed('write to', result);
    return result === 0;
  }

  /** Reserves room for a record of `size` bytes: where it lies, or undefined while there is none. */
  reserve(size: number): number | undefined {
    const result = addon().userRingReserve(this.#handle.token, size);
    if (tracing) trace(`reserve in ${this.#handle.describe()}`, result);
    if (result < 0 && result !== ENOSPC) throw this.#failed('reserve room in', result);
    return result < 0 ? undefined : result;
  }

  /** Fills what was reserved at `position`, or, without a payload, discards it. */
  commit(position: number, payload: Uint8Array | undefined): void {
    const result = addon().userRingCommit(this.#handle.token, position, payload ?? null);
    if (tracing) trace(`commit to ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#failed('write to', result);
  }

  /** Calls `onRoom` soon when there is room, and after each drain by a program, until {@link relax}. */
  watch(onRoom: () => void): void {
    this.#onRoom = onRoom;
    const result = addon().sourceArm(this.#handle.token);
    if (tracing) trace(`watch ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#failed('wait for', result);
    addon().sourceReference(this.#handle.token, true);
  }

  relax(): void {
    this.#onRoom = undefined;
    addon().userRingRelax(this.#handle.token);
    addon().sourceReference(this.#handle.token, false);
  }

  /** Bytes that no program has drained yet, record headers included. */
  pendingBytes(): number {
    const result = addon().sourcePending(this.#handle.token);
    if (result < 0) throw this.#failed('measure', result);
    return result;
  }

  close(): void {
    this.#onRoom = undefined;
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #failed(verb: string, result: number): KernelError | UsageError {
    if (this.closed) return UsageError.closed(this.#handle.describe());
    return new KernelError(`${verb} ${this.#handle.describe()}`, 'user ring buffer', result);
  }
}
