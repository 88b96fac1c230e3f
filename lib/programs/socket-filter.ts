import { SocketLink } from '../links/index.js';
import type { SocketLike } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program } from './program.js';
import {
  attachToSocket,
  detachFromSocket,
  filterSlot,
  reuseportSlot,
  socketWords,
  type SocketAttachOptions,
} from './socket-attach.js';
import type { ContextInput, SkBuffContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** Where and how {@link SocketFilter.attach} attaches. */
export interface SocketFilterAttachOptions extends SocketAttachOptions {
  /**
   * Let the program choose among the sockets that share the socket's port (`SO_REUSEPORT`), by returning a number from 0,
   * instead of filtering what this one receives. Both can be attached to a socket.
   */
  readonly reuseport?: boolean | undefined;
}

/**
 * A program of section `socket`: it sees each packet that a socket receives and returns how many of its bytes to keep, 0 to
 * drop it. Needs no capability but that of loading it. Least kernel: 3.19.
 *
 * @example
 * ```js
 * const socket = dgram.createSocket('udp4').bind(9000);
 * await once(socket, 'listening');
 * const link = await ebpf.program('only_even', SocketFilter).attach({ socket });
 * ```
 */
export class SocketFilter extends Program {
  /**
   * Attaches to a socket, in place of the filter that it has. The filter ends with the link or with the socket.
   *
   * @throws {@link UsageError} when `socket` is not an open socket; {@link KernelError}, such as EINVAL for `reuseport` with
   * a socket that does not share its port.
   */
  override async attach(options: SocketFilterAttachOptions): Promise<SocketLink> {
    const { signal, socket, reuseport = false } = options;
    signal?.throwIfAborted();
    const words = socketWords(reuseport ? 'reuseport' : 'filter', socket);
    try {
      const made = attachToSocket(this.handle, socket, reuseport ? reuseportSlot : filterSlot, words);
      return await this.attached(SocketLink, made, words, signal);
    } catch (error) {
      throw attachFailure(error, this.name, words, ['CAP_BPF']);
    }
  }

  /**
   * Takes off whatever filter a socket has, of this process's or another's making; false when it has none.
   *
   * @throws {@link UsageError} when `socket` is not an open socket; {@link KernelError}.
   */
  static detach(socket: SocketLike, options: { readonly reuseport?: boolean | undefined } = {}): boolean {
    const { reuseport = false } = options;
    return detachFromSocket(socket, reuseport ? reuseportSlot : filterSlot, socketWords('filter', socket));
  }

  /**
   * As {@link Program.testRun}, with members of `struct __sk_buff` as the context, both ways.
   *
   * @example
   * ```js
   * const { context } = await program.testRun({ data: packet, context: { mark: 7 } });
   * console.log(context.mark);
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<SkBuffContext>> = {},
  ): Promise<TestRunResult<SkBuffContext>> {
    return runTest<SkBuffContext>(this.handle, this.type, options);
  }

  protected override sectionObstacle(): string | undefined {
    return 'its section names no socket; give attach({ socket })';
  }
}
