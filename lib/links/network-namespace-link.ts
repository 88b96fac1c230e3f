import { LinkType } from '../abi/index.js';
import type { NetworkNamespaceLinkInfo } from '../sys/index.js';

import { UpdatableLink } from './updatable-link.js';
import { registerLinkClass } from './open-link.js';

/** A program attached to a network namespace, such as one that chooses sockets. Least kernel: 5.8. */
export class NetworkNamespaceLink extends UpdatableLink {
  static {
    registerLinkClass(LinkType.NETNS, NetworkNamespaceLink);
  }

  /** As {@link Link.info}. */
  override info(): NetworkNamespaceLinkInfo {
    return this.infoOf('netns');
  }
}
