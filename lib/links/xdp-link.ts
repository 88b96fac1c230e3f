import { LinkType } from '../abi/index.js';
import type { XdpLinkInfo } from '../sys/index.js';

import { UpdatableLink } from './updatable-link.js';
import { registerLinkClass } from './open-link.js';

/**
 * An XDP program attached to a network interface. When it was attached with `by: 'netlink'` there is no kernel link: nothing to
 * pin or to describe, and it stays attached when the process ends without closing this object. Least kernel: 5.9.
 */
export class XdpLink extends UpdatableLink {
  static {
    registerLinkClass(LinkType.XDP, XdpLink);
  }

  /** As {@link Link.info}. */
  override info(): XdpLinkInfo {
    return this.infoOf('xdp');
  }
}
