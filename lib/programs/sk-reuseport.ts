import { SocketLink } from '../links/index.js';
import type { SocketLike } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program } from './program.js';
import {
  attachToSocket,
  detachFromSocket,
  reuseportSlot,
  socketWords,
  type SocketAttachOptions,
} from './socket-attach.js';

/**
 * A program of section `sk_reuseport`: for each connection or packet it chooses one of the sockets that share a port
 * (`SO_REUSEPORT`), out of a {@link ReuseportSockArray}, {@link SockMap} or {@link SockHash}. With `sk_reuseport/migrate` also
 * for connections whose listening socket was closed (Linux 5.14). Needs CAP_NET_ADMIN to load. Least kernel: 4.19.
 *
 * @example
 * ```js
 * ebpf.map('servers', ReuseportSockArray).set(0, server);
 * const link = await ebpf.program('select', SkReuseport).attach({ socket: server });
 * ```
 */
export class SkReuseport extends Program {
  /**
   * Attaches to all sockets that share a port with this one, in place of the program that they have. It stays with them while
   * one of them is open; the link detaches it as long as `socket` is.
   *
   * @throws {@link UsageError} when `socket` is not an open socket; {@link KernelError}, such as EINVAL for a socket that
   * does not share its port.
   */
  override async attach(options: SocketAttachOptions): Promise<SocketLink> {
    const { signal, socket } = options;
    signal?.throwIfAborted();
    const words = socketWords('sk_reuseport', socket);
    try {
      const made = attachToSocket(this.handle, socket, reuseportSlot, words);
      return await this.attached(SocketLink, made, words, signal);
    } catch (error) {
      throw attachFailure(error, this.name, words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * Takes off whatever program chooses among the sockets that share a port with this one; false when there is none. Least
   * kernel: 5.3.
   *
   * @throws {@link UsageError} when `socket` is not an open socket; {@link KernelError}.
   */
  static detach(socket: SocketLike): boolean {
    return detachFromSocket(socket, reuseportSlot, socketWords('sk_reuseport', socket));
  }

  protected override sectionObstacle(): string | undefined {
    return 'its section names no socket; give attach({ socket })';
  }
}
