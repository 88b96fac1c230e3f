import { AttachType } from '../abi/index.js';
import { SocketMapLink } from '../links/index.js';
import { requireHandle, type AttachedProgram } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program } from './program.js';
import {
  attachToSocketMap,
  querySocketMap,
  socketMapTarget,
  type SocketMapAttachOptions,
  type SocketMapQueryOptions,
} from './socket-map-attach.js';

/**
 * A program of section `sk_msg`: it sees what is sent through the sockets of a map, message by message, and passes it, drops
 * it or puts it straight into another socket. Needs CAP_NET_ADMIN. Least kernel: 4.17.
 *
 * @example
 * ```js
 * const sockets = ebpf.map('sockets', SockMap);
 * const link = await ebpf.program('redirect', SkMsg).attach({ map: sockets });
 * sockets.set(0, connection);
 * ```
 */
export class SkMsg extends Program {
  /**
   * Attaches to a map of sockets: the program works for those that are put into it from then on, for as long as they are in
   * it, also when it is detached meanwhile. A map has one program of this kind; attaching another replaces it before Linux
   * 6.10, later it is busy.
   *
   * @throws {@link UsageError} when `map` is no map, or busy; {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options?: SocketMapAttachOptions): Promise<SocketMapLink> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const { map, words } = socketMapTarget('sk_msg', options);
    try {
      const made = await attachToSocketMap(this.handle, map, AttachType.SK_MSG_VERDICT, words);
      return await this.attached(SocketMapLink, made, words, signal);
    } catch (error) {
      throw attachFailure(error, this.name, words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * The program of a map of sockets, by whomever it was attached: one or none. Least kernel: 5.18.
   *
   * @throws {@link UsageError} when `map` is no map; {@link UnsupportedError}; {@link KernelError}.
   */
  static async query(options: SocketMapQueryOptions): Promise<readonly AttachedProgram[]> {
    return querySocketMap(requireHandle('map', options.map, 'map'), AttachType.SK_MSG_VERDICT);
  }

  protected override sectionObstacle(): string | undefined {
    return 'its section names no map of sockets; give attach({ map })';
  }
}
