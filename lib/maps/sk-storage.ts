import { MapFlag, MapType } from '../abi/index.js';
import { i32, type EntryCodec } from '../codec/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
import { socketDescriptor, type SocketLike } from '../sys/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap } from './create-map.js';
import { LocalStorage, descriptorKey, type NewStorageOptions, type OpenOwner } from './local-storage.js';
import { typedKind, type TypedMapKind } from './map-kind.js';

/**
 * Values that belong to sockets, which programs find with `bpf_sk_storage_get`. A socket is a `Socket` or `Server` of
 * `node:net`, a `Socket` of `node:dgram`, a descriptor or an object with an `fd`. Least kernel: 5.2.
 *
 * @example
 * ```js
 * const limits = ebpf.map('limits', SkStorage.of(u64));
 * server.on('connection', (socket) => limits.set(socket, 1_000_000));
 * ```
 */
export class SkStorage<Value = unknown, ValueInput = Value> extends LocalStorage<SocketLike, Value, ValueInput> {
  /** Values of a declared type, checked against the object's BTF where it has any. */
  static of<Value, ValueInput = Value>(
    value: EntryCodec<Value, ValueInput>,
  ): TypedMapKind<SkStorage<Value, ValueInput>> {
    return typedKind((map) => {
      const storage = SkStorage.from(map);
      storage.types.declare({ value });
      return storage as SkStorage<Value, ValueInput>;
    });
  }

  /** `map` as values of sockets. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): SkStorage {
    if (map instanceof SkStorage) return map as SkStorage;
    throw wrongKind(map, 'SkStorage');
  }

  /**
   * Makes a map of values of sockets without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const limits = await SkStorage.create({ name: 'limits', value: u64 });
   * ```
   */
  static async create<Value = Uint8Array, ValueInput = Value>(
    options: NewStorageOptions<Value, ValueInput>,
  ): Promise<SkStorage<Value, ValueInput>> {
    const fixed = { type: MapType.SK_STORAGE, key: i32, maxEntries: 0, flags: MapFlag.NO_PREALLOC };
    return SkStorage.from(await createMap(fixed, options)) as SkStorage<Value, ValueInput>;
  }

  /** @internal */
  protected override openOwner(socket: SocketLike): OpenOwner {
    return { key: descriptorKey(socketDescriptor('socket', socket)) };
  }

  /** @internal */
  protected override ownerFailure(socket: SocketLike, failure: Error): unknown {
    const errno = EbpfError.is(failure) ? failure.errnoName : undefined;
    if (errno !== 'EBADF' && errno !== 'ENOTSOCK') return failure;
    const descriptor = socketDescriptor('socket', socket);
    const problem = errno === 'EBADF' ? 'is not open' : 'is not of a socket';
    return UsageError.invalidValue('socket', `descriptor ${descriptor} ${problem}`, { cause: failure });
  }
}
