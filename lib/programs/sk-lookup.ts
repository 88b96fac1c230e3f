import { AttachType } from '../abi/index.js';
import { NetworkNamespaceLink } from '../links/index.js';
import type { AttachedProgram } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import {
  attachToNetworkNamespace,
  networkNamespaceTarget,
  queryNetworkNamespace,
  type NetworkNamespaceOptions,
} from './network-namespace-attach.js';
import { Program, type AttachOptions } from './program.js';
import type { ContextInput, SkLookupContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** Where {@link SkLookup.attach} attaches. */
export interface SkLookupAttachOptions extends AttachOptions, NetworkNamespaceOptions {}

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
    const { signal } = options;
    signal?.throwIfAborted();
    const target = networkNamespaceTarget('sk_lookup', options);
    try {
      const handle = await attachToNetworkNamespace(this.handle, AttachType.SK_LOOKUP, options);
      return await this.attached(NetworkNamespaceLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * The programs of this kind that are attached to a network namespace, by whomever, in the order in which they are asked.
   *
   * @throws {@link UsageError} when there is no such namespace; {@link PermissionError}; {@link KernelError}.
   */
  static async query(options: NetworkNamespaceOptions = {}): Promise<readonly AttachedProgram[]> {
    return queryNetworkNamespace(AttachType.SK_LOOKUP, options);
  }

  /**
   * Runs the program on a made-up connection, which must be given. `context.cookie` is then that of the socket which it chose. Least
   * kernel: 5.13.
   *
   * @throws As {@link Program.testRun}; {@link KernelError} EAFNOSUPPORT for another family.
   *
   * @example
   * ```js
   * const local = { local_ip4: [127, 0, 0, 1], local_port: 80 };
   * const { context } = await program.testRun({ context: { family: 2, protocol: 6, remote_ip4: [10, 0, 0, 1], ...local } });
   * if (context.cookie === 0n) console.log('no socket');
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<Omit<SkLookupContext, 'cookie'>>> = {},
  ): Promise<TestRunResult<SkLookupContext>> {
    return runTest<SkLookupContext>(this.handle, this.type, options);
  }

  protected override sectionObstacle(): string | undefined {
    return 'it would decide about every connection of a network namespace; attach({ netns }) says of which';
  }
}
