import { inspect } from 'node:util';

import { AttachType } from '../abi/index.js';
import { EbpfError, KernelError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { networkNamespaceId, withInterface } from '../kernel/index.js';
import { XdpLink, type Link, type LinkableProgram, type LinkDetails } from '../links/index.js';
import { createLink, queryXdp, XdpFlag, xdpFeatures } from '../sys/index.js';
import type { AttachedXdp, Handle, XdpFeatures, XdpMode } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { interfaceTarget, type InterfaceOptions } from './interface-target.js';
import type { DispatchDefaults } from './dispatched.js';
import { Program, type AttachmentWithoutLink, type AttachOptions, type ProgramDetails } from './program.js';
import type { LoadDevice } from './program-device.js';
import { attachByNetlink } from './xdp-netlink.js';
import type { ContextInput, XdpContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** An attachment that a dispatcher has made. @internal */
export type AttachmentOfDispatcher = AttachmentWithoutLink & {
  readonly replace: (program: Handle, expected: Handle | undefined) => Promise<void>;
};

/** Where and how {@link Xdp.attach} attaches. */
export interface XdpAttachOptions extends AttachOptions, InterfaceOptions {
  /** Default: the kernel's choice, native where the driver can; of a program that was loaded for a network card `'offload'`. */
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

  readonly #device: LoadDevice | undefined;

  /** @internal */
  constructor(details: ProgramDetails) {
    super(details);
    this.dispatch = details.dispatch;
    this.#device = details.device;
  }

  /**
   * Attaches to a network interface. Programs can be replaced without a gap: {@link XdpLink.update}.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names; when the program was loaded for another
   * one, or for another mode; `ERR_EBPF_BUSY` when a program is attached there already; {@link UnsupportedError} when the driver cannot run programs in that mode;
   * {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options?: XdpAttachOptions): Promise<XdpLink> {
    const { signal, mode: given } = options ?? {};
    signal?.throwIfAborted();
    const obstacle = this.#elsewhere();
    if (obstacle !== undefined) throw UsageError.invalidValue(`program ${quote(this.name)}`, obstacle);
    const target = interfaceTarget('xdp', options);
    const mode = this.#mode(given);
    const how = requireWay(options ?? {});
    const flags = mode === undefined ? 0 : modeFlags[mode];
    try {
      const made = await withInterface(target.interface, target.netns, async (found) => {
        this.#requireDevice(found.index, target);
        if (how === 'netlink') {
          return attachByNetlink(this.handle, found, { flags, replace: options?.replace, words: target.words });
        }
        const { index, networkNamespace } = found;
        return createLink({ program: this.handle, target: index, attachType: AttachType.XDP, flags, networkNamespace });
      });
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
   * What the driver of an interface can do: whether there is native mode, whether its card runs programs, what it tells about packets to
   * programs that are bound to it ({@link ProgramDevice}). Least kernel: 6.3.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names; {@link UnsupportedError} before Linux 6.3;
   * {@link KernelError}.
   *
   * @example
   * ```js
   * const { features } = await Xdp.features({ interface: 'eth0' });
   * const mode = features.includes('basic') ? 'native' : 'generic';
   * ```
   */
  static async features(options: InterfaceOptions): Promise<XdpFeatures> {
    const target = interfaceTarget('xdp', options);
    try {
      return await withInterface(target.interface, target.netns, async ({ index, networkNamespace }) =>
        xdpFeatures(index, networkNamespace),
      );
    } catch (error) {
      if (!EbpfError.is(error) || error.errnoName !== 'ENOENT') throw error;
      const problem = `this kernel does not tell them of ${target.words}`;
      throw new UnsupportedError('asking for XDP features', problem, { since: '6.3', cause: error });
    }
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
    if (this.#device !== undefined) {
      const problem = `program ${quote(this.name)} was loaded for ${this.#device.words}; load it for any interface to try it out`;
      throw new UnsupportedError('test runs of programs that are for one interface', problem);
    }
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

  /** The mode to attach in. */
  #mode(given: XdpMode | undefined): XdpMode | undefined {
    if (given !== undefined && !Object.hasOwn(modeFlags, given)) {
      throw UsageError.invalidValue('mode', `must be 'native', 'generic' or 'offload', not ${quote(given)}`);
    }
    const program = `program ${quote(this.name)}`;
    if (this.info().interfaceIndex !== 0) {
      if (given === undefined || given === 'offload') return 'offload';
      throw UsageError.invalidValue('mode', `${program} was loaded for a network card, where alone it runs: 'offload'`);
    }
    if (given === 'offload') {
      const how = `{ programs: { ${quote(this.name)}: { device: { interface, mode: 'offload' } } } }`;
      throw UsageError.invalidValue(
        'mode',
        `a card runs programs that were loaded for it, and ${program} was not: ${how}`,
      );
    }
    if (given === 'generic' && this.#device !== undefined) {
      const problem = `${program} was loaded for ${this.#device.words}, whose driver runs it: 'native'`;
      throw UsageError.invalidValue('mode', problem);
    }
    return given;
  }

  /** Cards have several interfaces, of which any will do; bound programs have one. */
  #requireDevice(index: number, { netns, words }: InterfaceOptions & { readonly words: string }): void {
    const device = this.#device;
    if (device?.mode !== 'bound' || (device.index === index && device.namespaceId === networkNamespaceId(netns)))
      return;
    throw UsageError.invalidValue(
      'interface',
      `program ${quote(this.name)} was loaded for ${device.words}, not for ${words}`,
    );
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
  if (mode === 'offload' && (errnoName === 'EINVAL' || errnoName === 'ENOTSUP')) {
    const problem = `the network card of ${where} is not that which the program was loaded for, or refuses it`;
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
