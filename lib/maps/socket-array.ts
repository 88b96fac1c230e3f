import { BpfCommand } from '../abi/index.js';
import { u32 } from '../codec/index.js';
import { mapDelete, type SocketLike } from '../sys/index.js';

import { BpfMap, type MapDetails } from './bpf-map.js';
import { callFailure } from './call-failure.js';
import { EntryStore } from './entry-store.js';
import { EINVAL, ENOENT } from './errno.js';
import type { SetOptions } from './set-options.js';
import { slotKey } from './slots.js';
import { requireCookies, socketCodec, socketFailure } from './socket-value.js';

/** What arrays of sockets have in common: {@link SockMap} and {@link ReuseportSockArray}. */
export abstract class SocketArray extends BpfMap {
  readonly #store: EntryStore<number, bigint, number, SocketLike>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#store = new EntryStore(this, { defaultKey: () => u32, wholeValue: (_, map) => socketCodec(map) });
  }

  /** How many places there are. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * Puts a socket into a place; true when it was put there, false when a condition of `options` forbade it. It is looked at
   * during the call only; in the map it stays until it is closed or taken out.
   *
   * @throws {@link UsageError} when `index` is past the end, or it is not an open socket of the kind that the map takes.
   */
  set(index: number, socket: SocketLike, options?: SetOptions): boolean {
    slotKey(this, index);
    try {
      return this.#store.set(index, socket, options);
    } catch (error) {
      throw socketFailure(error, this, this.wanted);
    }
  }

  /** Takes the socket of a place out; false when there was none. */
  delete(index: number): boolean {
    const key = slotKey(this, index);
    const result = mapDelete(this.handle, key);
    if (result === 0) return true;
    // sock_map_delete_elem and reuseport_array_delete_elem
    if (result === EINVAL || result === ENOENT) return false;
    throw callFailure(this.details, 'delete a key of', BpfCommand.MAP_DELETE_ELEM, result, { key });
  }

  /**
   * The cookie of the socket in a place, a number that no other socket has (`SO_COOKIE`); undefined when there is none. The
   * socket itself the kernel does not give.
   *
   * @throws {@link UsageError} when the map's values have 4 bytes instead of 8.
   */
  get(index: number): bigint | undefined {
    requireCookies(this.name, this.valueSize);
    return this.#store.get(index);
  }

  /** Whether there is a socket in a place. Throws as {@link SocketArray.get}. */
  has(index: number): boolean {
    return this.get(index) !== undefined;
  }

  /** The places that have sockets, each with the socket's cookie. Throws as {@link SocketArray.get}. */
  entries(): IterableIterator<[number, bigint]> {
    requireCookies(this.name, this.valueSize);
    return this.#store.entries();
  }

  /** The same as {@link SocketArray.entries}. */
  [Symbol.iterator](): IterableIterator<[number, bigint]> {
    return this.entries();
  }

  /** What sockets the map takes, for errors. @internal */
  protected abstract get wanted(): string;
}
