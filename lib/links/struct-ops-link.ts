import { LinkType } from '../abi/index.js';
import { quote } from '../errors/index.js';
import type { StructOpsLinkInfo } from '../sys/index.js';

import { Link, type LinkDetails } from './link.js';
import { registerLinkClass } from './open-link.js';

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
}
