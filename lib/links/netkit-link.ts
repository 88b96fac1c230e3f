import { LinkType } from '../abi/index.js';
import type { NetkitLinkInfo } from '../sys/index.js';

import { UpdatableLink } from './updatable-link.js';
import { registerLinkClass } from './open-link.js';

/** A program attached to one end of a netkit pair. Least kernel: 6.7. */
export class NetkitLink extends UpdatableLink {
  static {
    registerLinkClass(LinkType.NETKIT, NetkitLink);
  }

  /** As {@link Link.info}. */
  override info(): NetkitLinkInfo {
    return this.infoOf('netkit');
  }
}
