import { AttachType } from '../abi/index.js';
import { EbpfError, KernelError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { withInterface } from '../kernel/index.js';
import { XdpLink } from '../links/index.js';
import { createLink } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { interfaceTarget, type InterfaceOptions } from './interface-target.js';
import { Program, type AttachOptions } from './program.js';

/**
 * Where an XDP program runs: in the network driver, before it makes anything of a packet; in the kernel's stack, which any
 * interface can do; or in the network card.
 */
export type XdpMode = 'native' | 'generic' | 'offload';

/** Where and how {@link Xdp.attach} attaches. */
export interface XdpAttachOptions extends AttachOptions, InterfaceOptions {
  /** Default: the kernel's choice, native where the driver can. */
  readonly mode?: XdpMode | undefined;
}

/** XDP_FLAGS_SKB_MODE, DRV_MODE and HW_MODE of include/uapi/linux/if_link.h. */
const modeFlags: Readonly<Record<XdpMode, number>> = { generic: 2, native: 4, offload: 8 };

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
    const obstacle = this.#mapOnly();
    if (obstacle !== undefined) throw UsageError.invalidValue(`program ${quote(this.name)}`, obstacle);
    const target = interfaceTarget('xdp', options);
    if (mode !== undefined && !Object.hasOwn(modeFlags, mode)) {
      throw UsageError.invalidValue('mode', `must be 'native', 'generic' or 'offload', not ${quote(mode)}`);
    }
    try {
      const handle = await withInterface(target.interface, target.netns, async ({ index, networkNamespace }) =>
        createLink({
          program: this.handle,
          target: index,
          attachType: AttachType.XDP,
          flags: mode === undefined ? 0 : modeFlags[mode],
          networkNamespace,
        }),
      );
      return await this.attached(XdpLink, handle, target.words, signal);
    } catch (error) {
      const reason = modeFailure(error, mode, target.words);
      throw attachFailure(reason, this.name, target.words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.#mapOnly() ?? `section ${quote(this.section)} names no interface; give attach({ interface: 'name' })`;
  }

  /** What is said of programs that a map runs. */
  #mapOnly(): string | undefined {
    if (this.attachType === AttachType.XDP_DEVMAP) return 'it runs from a map: devMap.set(key, { ifindex, program })';
    if (this.attachType === AttachType.XDP_CPUMAP) return 'it runs from a map: cpuMap.set(cpu, { queueSize, program })';
    return undefined;
  }
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
