import { MapType } from '../abi/index.js';
import { u32, u64 } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { SocketArray } from './socket-array.js';

/** What maps of sockets take (sock_map_sk_is_suitable and sock_map_sk_state_allowed in net/core/sock_map.c). */
export const suitableSockets = 'TCP sockets that are connected or listen, and UDP and Unix sockets that are connected';

/**
 * An array of sockets: programs redirect what one receives or sends to another ({@link SkSkb}, {@link SkMsg}), or say that it
 * is the one that a connection is for ({@link SkLookup}, {@link SkReuseport}). A socket that is closed leaves the map. Least
 * kernel: 4.14; values of 8 bytes 5.8.
 *
 * @example
 * ```js
 * const sockets = ebpf.map('sockets', SockMap);
 * sockets.set(0, server);
 * const link = await ebpf.program('by_index', SkLookup).attach();
 * ```
 */
export class SockMap extends SocketArray {
  /** `map` as an array of sockets. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): SockMap {
    if (map instanceof SockMap) return map;
    throw wrongKind(map, 'SockMap');
  }

  /**
   * Makes an array of sockets without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const sockets = await SockMap.create({ name: 'sockets', maxEntries: 16 });
   * ```
   */
  static async create(options: NewMapOptions): Promise<SockMap> {
    return SockMap.from(await createMap({ type: MapType.SOCKMAP, key: u32, value: u64 }, options));
  }

  /** @internal */
  protected override get wanted(): string {
    return suitableSockets;
  }
}
