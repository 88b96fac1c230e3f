import { LinkType } from '../abi/index.js';
import type { NetfilterLinkInfo } from '../sys/index.js';

import { Link } from './link.js';
import { registerLinkClass } from './open-link.js';

/**
 * A program attached to a hook of netfilter. The kernel cannot replace the program of such a link: attach the new one, then close
 * this. Least kernel: 6.4.
 */
export class NetfilterLink extends Link {
  static {
    registerLinkClass(LinkType.NETFILTER, NetfilterLink);
  }

  /** As {@link Link.info}. */
  override info(): NetfilterLinkInfo {
    return this.infoOf('netfilter');
  }
}
