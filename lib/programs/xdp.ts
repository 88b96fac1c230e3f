import { inspect } from 'node:util';

import { AttachType } from '../abi/index.js';
import { EbpfError, KernelError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { withInterface } from '../kernel/index.js';
import { XdpLink, type Link, type LinkableProgram, type LinkDetails } from '../links/index.js';
import { createLink, queryXdp, XdpFlag, type AttachedXdp, type Handle, type XdpMode } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { interfaceTarget, type InterfaceOptions } from './interface-target.js';
import type { DispatchDefaults } from './dispatched.js';
import { Program, type AttachmentWithoutLink, type AttachOptions, type ProgramDetails } from './program.js';
import { attachByNetlink } from './xdp-netlink.js';
import type { ContextInput, XdpContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** An attachment that a dispatcher has made. @internal */
export type AttachmentOfDispatcher = AttachmentWithoutLink & {
  readonly replace: (program: Handle, expected: Handle | undefined) => Promise<void>;
};

/** Where and how {@link Xdp.attach} attaches. */
export interface XdpAttachOptions extends AttachOptions, InterfaceOptions {
  /** Default: the kernel's choice, native where the driver can. Programs are not loaded for a network card yet, so it refuses them. */
  readonly mode?: XdpMode | undefined;
  /**
   * How: by a link, or by netlink as `ip link set … xdp` does, which stays attached when the process ends and is what other
   * loaders replace. Default: `'link'`.
   */
  readonly by?: 'link' | 'netlink' | undefined;
  /**
   * With `by: 'netlink'`: take the place of this program, which was attached by netlink too, at once for all packets; refused when
   * another one is attached. It is then no longer attached, whatever its link says. Default: nothing may be attached.
   */
  readonly replace?: LinkableProgram | { readonly programId: number } | undefined;
}

const modeFlags: Readonly<Record<XdpMode, number>> = {
  generic: XdpFlag.GENERIC,
  native: XdpFlag.NATIVE,
  offload: XdpFlag.OFFLOAD,
};

/**
 * A program of section `xdp` (or `xdp.frags`, for packets in several buffers): it sees each packet that an interface
 * receives, first of all, and passes, drops, changes or redirects it. Programs of `xdp/devmap` and `xdp/cpumap` are put into
 * a {@link DevMap} or {@link CpuMap} instead. Needs CAP_NET_ADMIN. Least kernel: 5.9.
 *
 * @example
 * ```js
 * const link = await ebpf.program('firewall', Xdp).attach({ interface: 'veth0', mode: 'native' });
 * ```
 */
export class Xdp extends Program {
  /** How it runs in a dispatcher, when it was loaded for one. @internal */
  readonly dispatch: DispatchDefaults | undefined;

  /** @internal */
  constructor(details: ProgramDetails) {
    super(details);
    this.dispatch = details.dispatch;
  }

  /**
   * Attaches to a network interface. Programs can be replaced without a gap: {@link XdpLink.update}.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names; `ERR_EBPF_BUSY` when a program is
   * attached there already; {@link UnsupportedError} when the driver cannot run programs in that mode;
   * {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options?: XdpAttachOptions): Promise<XdpLink> {
    const { signal, mode } = options ?? {};
    signal?.throwIfAborted();
    const obstacle = this.#elsewhere();
    if (obstacle !== undefined) throw UsageError.invalidValue(`program ${quote(this.name)}`, obstacle);
    const target = interfaceTarget('xdp', options);
    if (mode !== undefined && !Object.hasOwn(modeFlags, mode)) {
      throw UsageError.invalidValue('mode', `must be 'native', 'generic' or 'offload', not ${quote(mode)}`);
    }
    const how = requireWay(options ?? {});
    const flags = mode === undefined ? 0 : modeFlags[mode];
    try {
      const made = await withInterface(target.interface, target.netns, async (found) =>
        how === 'netlink'
          ? attachByNetlink(this.handle, found, { flags, replace: options?.replace, words: target.words })
          : createLink({
              program: this.handle,
              target: found.index,
              attachType: AttachType.XDP,
              flags,
              networkNamespace: found.networkNamespace,
            }),
      );
      return await this.attached(XdpLink, made, target.words, signal);
    } catch (error) {
      const reason = modeFailure(error, mode, target.words);
      throw attachFailure(reason, this.name, target.words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /**
   * The XDP programs of an interface, by whomever they were attached: none, or one in native or generic mode, and perhaps one in
   * the network card.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names; {@link KernelError}.
   *
   * @example
   * ```js
   * for (const { programId, mode } of await Xdp.query({ interface: 'eth0' })) console.log(programId, mode);
   * ```
   */
  static async query(options: InterfaceOptions): Promise<readonly AttachedXdp[]> {
    const target = interfaceTarget('xdp', options);
    return withInterface(target.interface, target.netns, async ({ index, networkNamespace }) =>
      queryXdp(index, networkNamespace),
    );
  }

  /**
   * As {@link Program.testRun}, with members of `struct xdp_md` as the context; they come back when there is one, but not from live
   * frames.
   *
   * @example
   * ```js
   * const { context } = await program.testRun({ data: packet, context: { ingress_ifindex: 3 } });
   * console.log(context?.data_end);
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<XdpContext>> = {},
  ): Promise<TestRunResult<XdpContext | undefined>> {
    return runTest<XdpContext | undefined>(this.handle, this.type, options);
  }

  protected override sectionObstacle(): string | undefined {
    return this.#elsewhere() ?? `section ${quote(this.section)} names no interface; give attach({ interface: 'name' })`;
  }

  /** Makes the link of an attachment that a dispatcher has made. @internal */
  async attachedBy<L extends Link>(
    kind: new (details: LinkDetails) => L,
    made: AttachmentOfDispatcher,
    target: string,
    signal: AbortSignal | undefined,
  ): Promise<L> {
    return this.attached(kind, made, target, signal);
  }

  /** What is said of programs that a map or a dispatcher runs. */
  #elsewhere(): string | undefined {
    if (this.dispatch !== undefined) return 'it was loaded for a dispatcher: dispatcher.attach(program)';
    if (this.attachType === AttachType.XDP_DEVMAP) return 'it runs from a map: devMap.set(key, { ifindex, program })';
    if (this.attachType === AttachType.XDP_CPUMAP) return 'it runs from a map: cpuMap.set(cpu, { queueSize, program })';
    return undefined;
  }
}

function requireWay({ by = 'link', replace }: Partial<XdpAttachOptions>): 'link' | 'netlink' {
  const ways: readonly string[] = ['link', 'netlink'];
  if (!ways.includes(by)) {
    throw UsageError.invalidValue('by', `must be 'link' or 'netlink', not ${inspect(by)}`);
  }
  if (replace === undefined || by === 'netlink') return by;
  throw UsageError.invalidValue('replace', "is of by: 'netlink'; a link replaces its own program: link.update()");
}

/** The answers of dev_xdp_attach in net/core/dev.c. */
function modeFailure(error: unknown, mode: XdpMode | undefined, where: string): unknown {
  if (!EbpfError.is(error)) return error;
  const { errnoName, errno = 0, syscall = '' } = error;
  if (errnoName === 'EBUSY') {
    return UsageError.busy(where, 'an XDP program is attached already; detach it, or replace it with link.update()');
  }
  if (errnoName === 'EEXIST') {
    const advice = 'a program is attached in the other mode; an interface runs native or generic programs, not both';
    return new KernelError(`attach to ${where}`, syscall, errno, { advice, cause: error });
  }
  // Drivers that know nothing of it, such as those of virtual interfaces, answer EINVAL.
  if (mode === 'offload' && (errnoName === 'EINVAL' || errnoName === 'ENOTSUP')) {
    const problem = `the network card of ${where} must run programs itself, of those that were loaded for it, which this version does not do`;
    return new UnsupportedError('offload XDP', problem, { cause: error });
  }
  if (errnoName === 'ENOTSUP') {
    const wanted = mode ?? 'native';
    return new UnsupportedError(
      `${wanted} XDP`,
      `the driver of the interface cannot do it for ${where}; mode 'generic' works with any`,
      { cause: error },
    );
  }
  return error;
}
