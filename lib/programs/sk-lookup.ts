import { AttachType } from '../abi/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
import { networkNamespaceWords, openNetworkNamespace, type NetworkNamespaceSource } from '../kernel/index.js';
import { NetworkNamespaceLink } from '../links/index.js';
import { createLink } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';

const ownNetworkNamespace = '/proc/self/ns/net';

/** Where {@link SkLookup.attach} attaches. */
export interface SkLookupAttachOptions extends AttachOptions {
  /** The network namespace; default: the one of this process. */
  readonly netns?: NetworkNamespaceSource | undefined;
}

/**
 * A program of section `sk_lookup`: the kernel asks it for which listening socket a connection or packet is, before it looks
 * itself. The sockets are in a {@link SockMap} or {@link SockHash}. Needs CAP_NET_ADMIN. Least kernel: 5.9.
 *
 * @example
 * ```js
 * ebpf.map('sockets', SockMap).set(0, server);
 * const link = await ebpf.program('all_ports', SkLookup).attach({ netns: '/run/netns/web' });
 * ```
 */
export class SkLookup extends Program {
  /**
   * Attaches to a network namespace, where it decides about all connections.
   *
   * @throws {@link UsageError} when there is no such namespace; {@link PermissionError}; {@link KernelError}, such as E2BIG
   * when 64 programs are attached.
   */
  override async attach(options: SkLookupAttachOptions = {}): Promise<NetworkNamespaceLink> {
    const { signal, netns = ownNetworkNamespace } = options;
    signal?.throwIfAborted();
    const target = `sk_lookup ${networkNamespaceWords(netns)}`;
    const space = openNetworkNamespace(netns);
    try {
      const handle = await createLink({ program: this.handle, target: space, attachType: AttachType.SK_LOOKUP });
      return await this.attached(NetworkNamespaceLink, handle, target, signal);
    } catch (error) {
      // get_net_ns_by_fd: the file is something else.
      if (EbpfError.is(error) && error.errnoName === 'EINVAL') {
        const problem = `${networkNamespaceWords(netns)} is no network namespace`;
        throw UsageError.invalidValue('netns', problem, { cause: error });
      }
      throw attachFailure(error, this.name, target, ['CAP_NET_ADMIN', 'CAP_BPF']);
    } finally {
      space.close();
    }
  }

  protected override sectionObstacle(): string | undefined {
    return 'it would decide about every connection of a network namespace; attach({ netns }) says of which';
  }
}
