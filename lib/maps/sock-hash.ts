import { MapType } from '../abi/index.js';
import { u64, type EntryCodec } from '../codec/index.js';
import type { SocketLike } from '../sys/index.js';

import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { createMap, type NewKeys, type NewMapOptions } from './create-map.js';
import { EntryStore } from './entry-store.js';
import { typedKind, type TypedMapKind } from './map-kind.js';
import type { EntryCodecs } from './map-types.js';
import type { SetOptions } from './set-options.js';
import { suitableSockets } from './sock-map.js';
import { requireCookies, socketCodec, socketFailure } from './socket-value.js';

/**
 * Sockets by keys: a {@link SockMap} whose keys are of any type, such as an address and a port. Keys are decoded by BTF or by a
 * declared type. A socket that is closed leaves the map. Least kernel: 4.18; values of 8 bytes 5.8.
 *
 * @example
 * ```js
 * const sockets = ebpf.map('sockets_by_port', SockHash.of(u32));
 * sockets.set(8080, server);
 * ```
 */
export class SockHash<Key = unknown, KeyInput = Key> extends BpfMap {
  readonly #store: EntryStore<Key, bigint, KeyInput, SocketLike>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#store = new EntryStore(this, { wholeValue: (_, map) => socketCodec(map) });
  }

  /** Sockets by keys of a declared type, checked against the object's BTF where it has any. */
  static of<Key, KeyInput = Key>(key: EntryCodec<Key, KeyInput>): TypedMapKind<SockHash<Key, KeyInput>> {
    return typedKind((map) => {
      const hash = SockHash.from(map);
      hash.#store.types.declare({ key });
      return hash as SockHash<Key, KeyInput>;
    });
  }

  /** `map` as a hash of sockets. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): SockHash {
    if (map instanceof SockHash) return map as SockHash;
    throw wrongKind(map, 'SockHash');
  }

  /**
   * Makes a hash of sockets without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const sockets = await SockHash.create({ name: 'sockets', key: u32, maxEntries: 1000 });
   * ```
   */
  static async create<Key = Uint8Array, KeyInput = Key>(
    options: NewMapOptions & NewKeys<Key, KeyInput>,
  ): Promise<SockHash<Key, KeyInput>> {
    const map = await createMap({ type: MapType.SOCKHASH, value: u64 }, options);
    return SockHash.from(map) as SockHash<Key, KeyInput>;
  }

  /**
   * Puts a socket in; true when it was put in, false when a condition of `options` forbade it. It is looked at during the call
   * only; in the map it stays until it is closed or taken out.
   *
   * @throws {@link UsageError} when the key is not of its type, or it is not an open socket of a kind that the map takes;
   * {@link KernelError} E2BIG when the map is full.
   */
  set(key: KeyInput, socket: SocketLike, options?: SetOptions): boolean {
    try {
      return this.#store.set(key, socket, options);
    } catch (error) {
      throw socketFailure(error, this, suitableSockets);
    }
  }

  /**
   * The cookie of the socket of a key, a number that no other socket has (`SO_COOKIE`); undefined when there is none. The
   * socket itself the kernel does not give.
   *
   * @throws {@link UsageError} when the map's values have 4 bytes instead of 8.
   */
  get(key: KeyInput): bigint | undefined {
    requireCookies(this.name, this.valueSize);
    return this.#store.get(key);
  }

  /** Whether a key has a socket. Throws as {@link SockHash.get}. */
  has(key: KeyInput): boolean {
    return this.get(key) !== undefined;
  }

  /** Takes the socket of a key out; false when there was none. */
  delete(key: KeyInput): boolean {
    return this.#store.delete(key);
  }

  /** The keys that have sockets, each with the socket's cookie, in no order. Throws as {@link SockHash.get}. */
  entries(): IterableIterator<[Key, bigint]> {
    requireCookies(this.name, this.valueSize);
    return this.#store.entries();
  }

  /** The keys that have sockets, in no order. Throws as {@link SockHash.get}. */
  *keys(): Generator<Key, undefined, undefined> {
    for (const [key] of this.entries()) yield key;
    return undefined;
  }

  /** The same as {@link SockHash.entries}. */
  [Symbol.iterator](): IterableIterator<[Key, bigint]> {
    return this.entries();
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return { key: this.#store.types.declared.key };
  }
}
