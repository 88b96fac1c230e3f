import { AttachType } from '../abi/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
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
import { decodeFlowKeys, type ContextInput, type FlowDissectorContext, type FlowKeys } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** Where {@link FlowDissector.attach} attaches. */
export interface FlowDissectorAttachOptions extends AttachOptions, NetworkNamespaceOptions {}

/** What {@link FlowDissector.testRun} gives. */
export interface FlowDissectorTestRunResult extends TestRunResult<FlowDissectorContext | undefined> {
  readonly flowKeys: FlowKeys;
}

/**
 * A program of section `flow_dissector`: it takes packets apart in the kernel's place, where the kernel wants to know to which flow
 * one belongs: protocols, addresses, ports. Needs CAP_NET_ADMIN. Least kernel: 5.8.
 *
 * @example
 * ```js
 * const link = await ebpf.program('dissect', FlowDissector).attach({ netns: '/run/netns/web' });
 * ```
 */
export class FlowDissector extends Program {
  /**
   * Attaches to a network namespace, which has one such program. One that is attached to the machine's first network namespace
   * is for all of them: while there is one, there is none elsewhere, and the other way round.
   *
   * @throws {@link UsageError} when there is no such namespace; `ERR_EBPF_BUSY` when there is a program already, here or, as said
   * above, elsewhere; {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options: FlowDissectorAttachOptions = {}): Promise<NetworkNamespaceLink> {
    const { signal } = options;
    signal?.throwIfAborted();
    const target = networkNamespaceTarget('flow_dissector', options);
    try {
      const handle = await attachToNetworkNamespace(this.handle, AttachType.FLOW_DISSECTOR, options);
      return await this.attached(NetworkNamespaceLink, handle, target, signal);
    } catch (error) {
      // E2BIG: one by a link. EEXIST: one without, or in the first namespace, or in others if this is the first.
      if (EbpfError.is(error) && (error.errnoName === 'E2BIG' || error.errnoName === 'EEXIST')) {
        throw UsageError.busy(target, 'a flow dissector is attached already, here or for all network namespaces');
      }
      throw attachFailure(error, this.name, target, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * The flow dissector of a network namespace, by whomever it was attached: none or one.
   *
   * @throws {@link UsageError} when there is no such namespace; {@link PermissionError}; {@link KernelError}.
   */
  static async query(options: NetworkNamespaceOptions = {}): Promise<readonly AttachedProgram[]> {
    return queryNetworkNamespace(AttachType.FLOW_DISSECTOR, options);
  }

  /**
   * Has the program take a packet apart: `flowKeys` are what it found out, `dataOut` their bytes.
   *
   * @throws As {@link Program.testRun}.
   *
   * @example
   * ```js
   * const { flowKeys } = await ebpf.program('dissect', FlowDissector).testRun({ data: packet });
   * console.log(ipText(flowKeys.ipv4_src), flowKeys.sport);
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<FlowDissectorContext>> = {},
  ): Promise<FlowDissectorTestRunResult> {
    const result = await runTest<FlowDissectorContext | undefined>(this.handle, this.type, options);
    return { ...result, flowKeys: decodeFlowKeys(result.dataOut) };
  }

  protected override sectionObstacle(): string | undefined {
    return 'it would take apart the packets of a whole network namespace; attach({ netns }) says of which';
  }
}
