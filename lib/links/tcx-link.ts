import { LinkType } from '../abi/index.js';
import type { TcxLinkInfo } from '../sys/index.js';

import { UpdatableLink } from './updatable-link.js';
import { registerLinkClass } from './open-link.js';

/** A program attached to the traffic of a network interface by TCX. Least kernel: 6.6. */
export class TcxLink extends UpdatableLink {
  static {
    registerLinkClass(LinkType.TCX, TcxLink);
  }

  /** As {@link Link.info}. */
  override info(): TcxLinkInfo {
    return this.infoOf('tcx');
  }
}
