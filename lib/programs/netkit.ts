import { inspect } from 'node:util';

import { AttachType, LinkType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { features, supposed, withInterface } from '../kernel/index.js';
import { NetkitLink } from '../links/index.js';
import { createLink, queryPrograms, type AttachedPrograms } from '../sys/index.js';

import { attachFailure, revisionFailure } from './attach-failure.js';
import { orderFields, type AttachOrder } from './attach-order.js';
import { interfaceTarget, type InterfaceOptions } from './interface-target.js';
import { Program, type AttachOptions } from './program.js';
import type { ContextInput, SkBuffContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** An end of a netkit pair: the one that the host has, or the one in a container. */
export type NetkitEnd = 'primary' | 'peer';

/** Where and how {@link Netkit.attach} attaches. */
export interface NetkitAttachOptions extends AttachOptions, InterfaceOptions {
  /** The pair's primary interface, also to attach to its peer. */
  readonly interface: string | number;
  /** Before or after which others it runs. Default: `'last'`. */
  readonly order?: AttachOrder | undefined;
  /** Attach only when nothing has changed since {@link Netkit.query} said this revision. */
  readonly expectedRevision?: number | bigint | undefined;
}

const attachTypes: Readonly<Record<NetkitEnd, AttachType>> = {
  primary: AttachType.NETKIT_PRIMARY,
  peer: AttachType.NETKIT_PEER,
};

/**
 * A program of section `netkit/primary` or `netkit/peer`: it sees the packets that are sent through that end of a pair of netkit
 * interfaces, as those of `tc` see theirs. Who is in the container cannot take off what is attached to its end. Needs
 * CAP_NET_ADMIN. Least kernel: 6.7.
 *
 * @example
 * ```js
 * const link = await ebpf.program('from_container', Netkit).attach({ interface: 'nk0', order: 'first' });
 * ```
 */
export class Netkit extends Program {
  /**
   * Attaches to the end of a pair that the section names, beside programs that are attached there already.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names, or it is not the primary one of a netkit
   * pair; `ERR_EBPF_BUSY` when the revision is another one; {@link UnsupportedError} before Linux 6.7 and on kernels without
   * netkit; {@link PermissionError}; {@link KernelError}, such as ENOENT when what `order` names is not attached there.
   */
  override async attach(options?: NetkitAttachOptions): Promise<NetkitLink> {
    const { signal, order, expectedRevision } = options ?? {};
    signal?.throwIfAborted();
    const end = this.attachType === AttachType.NETKIT_PEER ? 'peer' : 'primary';
    const target = interfaceTarget(`netkit ${end}`, options);
    await requireNetkit();
    try {
      const handle = await withInterface(target.interface, target.netns, async ({ index, networkNamespace }) =>
        createLink({
          program: this.handle,
          target: index,
          attachType: attachTypes[end],
          ...orderFields('netkit', order, expectedRevision),
          networkNamespace,
        }),
      );
      return await this.attached(NetkitLink, handle, target.words, signal);
    } catch (error) {
      const reason = revisionFailure(netkitFailure(error, target.words), target.words, 'Netkit.query()');
      throw attachFailure(reason, this.name, target.words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * The programs that run at one end of a pair, in their order, with a revision that counts changes.
   *
   * @throws {@link UsageError} when there is no such interface, or it is not the primary one of a netkit pair;
   * {@link UnsupportedError}; {@link PermissionError}; {@link KernelError}.
   */
  static async query(options: InterfaceOptions & { readonly end: NetkitEnd }): Promise<AttachedPrograms> {
    const { end } = options;
    if (!Object.hasOwn(attachTypes, end)) {
      throw UsageError.invalidValue('end', `must be 'primary' or 'peer', not ${inspect(end)}`);
    }
    const target = interfaceTarget(`netkit ${end}`, options);
    await requireNetkit();
    try {
      return await withInterface(target.interface, target.netns, async ({ index, networkNamespace }) => {
        const query = { target: index, attachType: attachTypes[end], networkNamespace };
        const { programs, revision } = await queryPrograms(query);
        return { programs, revision };
      });
    } catch (error) {
      throw netkitFailure(error, target.words);
    }
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
    return `section ${quote(this.section)} names no interface; give attach({ interface: 'name' })`;
  }
}

async function requireNetkit(): Promise<void> {
  const { supported, reason } = await supposed(features.linkType(LinkType.NETKIT));
  if (!supported) throw new UnsupportedError('netkit', reason, { since: '6.7' });
}

/** The answers of netkit_dev_fetch in drivers/net/netkit.c. */
function netkitFailure(error: unknown, where: string): unknown {
  if (!EbpfError.is(error)) return error;
  if (error.errnoName === 'ENXIO') {
    return UsageError.invalidValue('interface', `${where}: it is no netkit interface`, { cause: error });
  }
  if (error.errnoName === 'EACCES') {
    const problem = `${where}: it is the peer of a pair; give its primary interface, for programs of either end`;
    return UsageError.invalidValue('interface', problem, { cause: error });
  }
  return error;
}
