import { inspect } from 'node:util';

import { AttachType } from '../abi/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
import {
  listObjects,
  networkNamespaceWords,
  openNetworkNamespace,
  type NetworkNamespaceSource,
} from '../kernel/index.js';
import { NetfilterLink } from '../links/index.js';
import { createLink, type NetfilterLinkInfo } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { netfilterFamilies, netfilterHooks, type NetfilterFamily, type NetfilterHook } from './netfilter-names.js';
import { Program, type AttachOptions } from './program.js';
import type { ContextInput, NetfilterContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** Where and how {@link Netfilter.attach} attaches. */
export interface NetfilterAttachOptions extends AttachOptions {
  readonly family: NetfilterFamily;
  readonly hook: NetfilterHook;
  /**
   * Lower ones run first: -2147483647 to 2147483646. Filters of iptables and nftables are usually at 0, connection tracking at
   * -200, NAT at -100 and 100. One number can be taken several times. Default: 0.
   */
  readonly priority?: number | undefined;
  /** Put fragments together first; `priority` must be above -400. Least kernel: 6.6. */
  readonly defragment?: boolean | undefined;
  /** The network namespace; default: the one of this process. */
  readonly netns?: NetworkNamespaceSource | undefined;
}

/** Which links {@link Netfilter.query} gives: all, or of one family or hook. */
export interface NetfilterQueryOptions {
  readonly family?: NetfilterFamily | undefined;
  readonly hook?: NetfilterHook | undefined;
}

/** BPF_F_NETFILTER_IP_DEFRAG */
const defragmentFlag = 1;
/** NF_IP_PRI_CONNTRACK_DEFRAG: where fragments are put together. */
const defragmentsAt = -400;
/** NF_IP_PRI_FIRST and NF_IP_PRI_LAST, which the kernel keeps for itself. */
const first = -0x8000_0000;
const last = 0x7fff_ffff;

/**
 * A program of section `netfilter`: it is asked about packets at a hook of netfilter, beside the rules of iptables and nftables,
 * and lets them pass by returning 1 (NF_ACCEPT) or drops them by 0 (NF_DROP). Needs CAP_NET_ADMIN. Least kernel: 6.4.
 *
 * @example
 * ```js
 * const link = await ebpf.program('no_telnet', Netfilter).attach({ family: 'ipv4', hook: 'input', priority: -10 });
 * ```
 */
export class Netfilter extends Program {
  /**
   * Attaches to a hook of a network namespace, for all its interfaces.
   *
   * @throws {@link UsageError} for a family, hook or priority that there is not, and when there is no such namespace;
   * {@link PermissionError}; {@link KernelError}: EAFNOSUPPORT for a family that the kernel was built without, ENOENT where it
   * cannot put fragments together.
   */
  override async attach(options?: NetfilterAttachOptions): Promise<NetfilterLink> {
    const { signal, family, hook, priority = 0, defragment = false, netns } = options ?? {};
    signal?.throwIfAborted();
    const wanted = {
      'netfilter.pf': requireOneOf('family', netfilterFamilies, family),
      'netfilter.hooknum': requireOneOf('hook', netfilterHooks, hook),
      'netfilter.priority': requirePriority(priority, defragment),
      'netfilter.flags': defragment ? defragmentFlag : 0,
    };
    const where = netns === undefined ? '' : ` in ${networkNamespaceWords(netns)}`;
    const target = `netfilter ${String(family)} ${String(hook)} at ${priority}${where}`;
    const networkNamespace = netns === undefined ? undefined : openNetworkNamespace(netns);
    try {
      const attachType = AttachType.NETFILTER;
      const handle = await createLink({ program: this.handle, attachType, fields: wanted, networkNamespace });
      return await this.attached(NetfilterLink, handle, target, signal);
    } catch (error) {
      // setns(2): the file is something else. Of the call itself, EINVAL would be ours.
      if (networkNamespace !== undefined && EbpfError.is(error) && error.errnoName === 'EINVAL') {
        throw UsageError.invalidValue('netns', `${networkNamespace.describe()} is none`, { cause: error });
      }
      throw attachFailure(error, this.name, target, ['CAP_NET_ADMIN', 'CAP_BPF']);
    } finally {
      networkNamespace?.close();
    }
  }

  /**
   * As {@link Program.testRun}, at a hook: `{ hook: 'input', pf: 'ipv4' }`, or by default at `'output'` of IPv4. There the packet begins
   * with its IP header, elsewhere with an Ethernet header. The context does not come back.
   *
   * @example
   * ```js
   * const { returnValue } = await program.testRun({ data: packet, context: { hook: 'input', pf: 'ipv4' } });
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<NetfilterContext>> = {},
  ): Promise<TestRunResult<undefined>> {
    return runTest<undefined>(this.handle, this.type, options);
  }

  /**
   * What is attached to hooks of netfilter, by whomever, in the order of priorities: what the kernel says of such links. It does not say
   * in which network namespace each is, so they are those of all.
   *
   * @throws {@link UsageError} for a family or hook that there is not; {@link PermissionError} without CAP_SYS_ADMIN.
   *
   * @example
   * ```js
   * for (const { programId, priority } of Netfilter.query({ hook: 'input' })) console.log(programId, priority);
   * ```
   */
  static query({ family, hook }: NetfilterQueryOptions = {}): readonly NetfilterLinkInfo[] {
    const wantedFamily = family === undefined ? undefined : requireOneOf('family', netfilterFamilies, family);
    const wantedHook = hook === undefined ? undefined : requireOneOf('hook', netfilterHooks, hook);
    return listObjects('link')
      .filter((link) => link.kind === 'netfilter')
      .filter((link) => wantedFamily === undefined || link.protocolFamily === wantedFamily)
      .filter((link) => wantedHook === undefined || link.hook === wantedHook)
      .sort((a, b) => a.priority - b.priority);
  }

  protected override sectionObstacle(): string | undefined {
    return "its section names no hook; give attach({ family: 'ipv4', hook: 'input' })";
  }
}

function requireOneOf<Name extends string>(
  path: string,
  table: Readonly<Record<Name, number>>,
  given: string | undefined,
): number {
  if (given !== undefined && Object.hasOwn(table, given)) return table[given as Name];
  const names = Object.keys(table).map((name) => `'${name}'`);
  throw UsageError.invalidValue(path, `must be ${names.join(', ')}, not ${inspect(given)}`);
}

function requirePriority(priority: number, defragment: boolean): number {
  if (!Number.isInteger(priority) || priority <= first || priority >= last) {
    const range = `from ${first + 1} to ${last - 1}`;
    throw UsageError.invalidValue('priority', `must be a whole number ${range}, not ${inspect(priority)}`);
  }
  if (defragment && priority <= defragmentsAt) {
    throw UsageError.invalidValue('priority', `must be above ${defragmentsAt}, where fragments are put together`);
  }
  return priority;
}
