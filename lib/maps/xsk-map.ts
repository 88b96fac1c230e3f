import { MapType } from '../abi/index.js';
import { u32 } from '../codec/index.js';
import { socketDescriptor, type SocketLike } from '../sys/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { updateFlag, type SetOptions } from './set-options.js';
import { slotKey } from './slots.js';
import { socketFailure } from './socket-value.js';

/**
 * An array of AF_XDP sockets, to which XDP programs redirect packets past the kernel's stack. The sockets are made elsewhere,
 * and given by their descriptors. The kernel does not tell what is in it. Least kernel: 4.18.
 *
 * @example
 * ```js
 * ebpf.map('user_sockets', XskMap).set(queue, descriptor);
 * ```
 */
export class XskMap extends BpfMap {
  /** `map` as an array of AF_XDP sockets. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): XskMap {
    if (map instanceof XskMap) return map;
    throw wrongKind(map, 'XskMap');
  }

  /**
   * Makes an array of AF_XDP sockets without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const sockets = await XskMap.create({ name: 'sockets', maxEntries: 4 });
   * ```
   */
  static async create(options: NewMapOptions): Promise<XskMap> {
    return XskMap.from(await createMap({ type: MapType.XSKMAP, key: u32, value: u32 }, options));
  }

  /** How many places there are. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * Puts a socket into a place; true when it was put there, false when a condition of `options` forbade it. It is looked at
   * during the call only; in the map it stays until it is closed or taken out.
   *
   * @throws {@link UsageError} when `index` is past the end, or it is not an open AF_XDP socket.
   */
  set(index: number, socket: SocketLike, options?: SetOptions): boolean {
    const key = slotKey(this, index);
    const value = new Uint8Array(Uint32Array.of(socketDescriptor('socket', socket)).buffer);
    try {
      return this.raw.set(key, value, updateFlag(options));
    } catch (error) {
      throw socketFailure(error, this, 'AF_XDP sockets');
    }
  }

  /** Empties a place; one that is empty stays so. */
  delete(index: number): void {
    this.raw.delete(slotKey(this, index));
  }
}
