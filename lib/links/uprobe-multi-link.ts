import { LinkType } from '../abi/index.js';
import type { UprobeMultiLinkInfo } from '../sys/index.js';

import { Link, type AttachedPlace, type LinkDetails } from './link.js';
import { registerLinkClass } from './open-link.js';

/**
 * A program attached to many places of one program or library: a single kernel link from Linux 6.6 on. Before, it is
 * one perf event for each place, and there is nothing to pin or to describe.
 */
export class UprobeMultiLink extends Link {
  static {
    registerLinkClass(LinkType.UPROBE_MULTI, UprobeMultiLink);
  }

  /** Where the program is attached. Empty for a link that was opened: {@link info} has what the kernel says. */
  readonly places: readonly AttachedPlace[];

  /** @internal */
  constructor(details: LinkDetails) {
    super(details);
    this.places = details.places ?? [];
  }

  /** As {@link Link.info}: places, counters and cookies. */
  override info(): UprobeMultiLinkInfo {
    return this.infoOf('uprobe_multi');
  }
}
