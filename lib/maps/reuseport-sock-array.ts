import { MapType } from '../abi/index.js';
import { u32, u64 } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { SocketArray } from './socket-array.js';

/**
 * An array of the sockets that share a port (`SO_REUSEPORT`), out of which a {@link SkReuseport} program chooses. A socket can
 * be in one such array, at one place. A socket that is closed leaves it. Least kernel: 4.19.
 *
 * @example
 * ```js
 * const servers = ebpf.map('servers', ReuseportSockArray);
 * servers.set(0, server);
 * const link = await ebpf.program('select', SkReuseport).attach({ socket: server });
 * ```
 */
export class ReuseportSockArray extends SocketArray {
  /** `map` as an array of sockets. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): ReuseportSockArray {
    if (map instanceof ReuseportSockArray) return map;
    throw wrongKind(map, 'ReuseportSockArray');
  }

  /**
   * Makes an array of sockets without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const servers = await ReuseportSockArray.create({ name: 'servers', maxEntries: 8 });
   * ```
   */
  static async create(options: NewMapOptions): Promise<ReuseportSockArray> {
    const fixed = { type: MapType.REUSEPORT_SOCKARRAY, key: u32, value: u64 };
    return ReuseportSockArray.from(await createMap(fixed, options));
  }

  /** reuseport_array_update_check in kernel/bpf/reuseport_array.c. @internal */
  protected override get wanted(): string {
    return 'TCP sockets that listen and UDP sockets that are bound, which share their port (SO_REUSEPORT)';
  }
}
