import { LinkType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { requireHandle, updateStructOpsLink, type StructOpsLinkInfo } from '../sys/index.js';

import { Link, type LinkDetails, type LinkableProgram } from './link.js';
import { registerLinkClass } from './open-link.js';

/** A loaded structure of operations that takes another one's place: every `StructOps`. */
export interface LinkableStructure extends LinkableProgram {
  /** Gives the kernel what it holds. @internal */
  fill(): Promise<void>;
}

/**
 * A structure of operations that the kernel uses. When the section was `.struct_ops.link` it is a kernel link (Linux 6.4).
 * When it was `.struct_ops` the kernel has no link for it: there is nothing to pin or to describe, and the structure stays
 * registered when the process ends without closing this object.
 */
export class StructOpsLink extends Link {
  static {
    registerLinkClass(LinkType.STRUCT_OPS, StructOpsLink);
  }

  /** @internal */
  constructor(details: LinkDetails) {
    const withoutLink = {
      feature: 'links of structures in the section ".struct_ops"',
      explanation: `the kernel registered ${quote(details.program)} without one; put it into the section ".struct_ops.link"`,
      since: '6.4',
    };
    super(details.detach === undefined ? details : { ...details, withoutLink });
  }

  /** As {@link Link.info}. */
  override info(): StructOpsLinkInfo {
    return this.infoOf('struct_ops');
  }

  /**
   * Puts another structure in place of the present one, at once: of the same type, for a congestion control with the same name, and
   * of the section `.struct_ops.link`. From then on the link belongs to that structure's `Ebpf`.
   *
   * @throws {@link UsageError} when it is no loaded structure, or one that cannot take this place;
   * {@link UnsupportedError} for kinds of structures that cannot be replaced, and for those without a link.
   *
   * @example
   * ```js
   * const newer = await Ebpf.load('congestion-2.bpf.o');
   * await link.update(newer.map('careful', StructOps));
   * ```
   */
  async update(structure: LinkableStructure): Promise<void> {
    const handle = requireHandle('structure', structure, 'map');
    const link = this.kernelLink;
    await structure.fill();
    try {
      await updateStructOpsLink(link, handle);
    } catch (error) {
      if (!EbpfError.is(error)) throw error;
      // bpf_struct_ops_map_link_update of kernel/bpf/bpf_struct_ops.c; Node calls EOPNOTSUPP ENOTSUP.
      if (error.errnoName === 'ENOTSUP') {
        const explanation = `the kernel has no way to replace what is at ${this.target}`;
        throw new UnsupportedError('replacing structures of this kind', explanation, { cause: error });
      }
      if (error.errnoName !== 'EINVAL') throw error;
      const problem = `${quote(structure.name)} cannot take this place: it is of another type or name, or not of ".struct_ops.link"`;
      throw UsageError.invalidValue('structure', problem, { cause: error });
    }
    this.moveTo(structure);
  }
}
