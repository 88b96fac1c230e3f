import { EbpfError, UsageError, quote } from '../errors/index.js';
import { requireHandle, updateLink, type Handle } from '../sys/index.js';

import { Link, type LinkDetails, type LinkableProgram } from './link.js';

/** How {@link UpdatableLink.update} replaces. */
export interface LinkUpdateOptions {
  /** Replace only when this program is attached now. */
  readonly expected?: LinkableProgram | undefined;
}

/** A link whose program can be replaced, without a moment in which none is attached. */
export class UpdatableLink extends Link {
  readonly #replace: NonNullable<LinkDetails['replace']>;

  /** @internal */
  constructor(details: LinkDetails) {
    super(details);
    this.#replace = details.replace ?? (async (program, expected) => updateLink(this.kernelLink, program, expected));
  }

  /** What orders of other programs refer to. @internal */
  get handle(): Handle {
    return this.kernelLink;
  }

  /**
   * Attaches another program of the same type in place of the present one, at once for all packets and processors. From
   * then on the link belongs to that program: it is in its `links`, and closing the `Ebpf` of that program closes it.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` when another program than `expected` is attached;
   * `ERR_EBPF_INVALID_VALUE` when the program is of a type that cannot be attached there; `ERR_EBPF_CLOSED`;
   * {@link UnsupportedError} for an attachment that is no kernel link.
   *
   * @example
   * ```js
   * const newer = await Ebpf.load('firewall-2.bpf.o');
   * await link.update(newer.program('firewall', Xdp));
   * await older.close();
   * ```
   */
  async update(program: LinkableProgram, options: LinkUpdateOptions = {}): Promise<void> {
    const { expected } = options;
    const handle = requireHandle('program', program, 'program');
    const old = expected === undefined ? undefined : requireHandle('expected', expected, 'program');
    this.requireOpen();
    try {
      await this.replacing(program, handle, async () => this.#replace(handle, old));
    } catch (error) {
      if (!EbpfError.is(error)) throw error;
      const there = `${this.target} by this link`;
      // EEXIST is netlink's word for it.
      if (expected !== undefined && (error.errnoName === 'EPERM' || error.errnoName === 'EEXIST')) {
        throw UsageError.busy(there, `another program than ${quote(expected.name)} is attached`);
      }
      if (error.errnoName !== 'EINVAL') throw error;
      const problem = `${quote(program.name)} is not of the type that is attached to ${there}`;
      throw UsageError.invalidValue('program', problem, { cause: error });
    }
    this.moveTo(program);
  }
}
