import { LinkType } from '../abi/index.js';
import type { SocketMapLinkInfo } from '../sys/index.js';

import { UpdatableLink } from './updatable-link.js';
import { registerLinkClass } from './open-link.js';

/**
 * A program attached to a map of sockets, for those that are put into it. Sockets that have the program keep it until they leave
 * the map, also when this is closed. Before Linux 6.10 the kernel has no link for it: there is nothing to pin, to
 * describe or to update, and what is attached ends with this object or with the map.
 */
export class SocketMapLink extends UpdatableLink {
  static {
    registerLinkClass(LinkType.SOCKMAP, SocketMapLink);
  }

  /** As {@link Link.info}. */
  override info(): SocketMapLinkInfo {
    return this.infoOf('sockmap');
  }
}
