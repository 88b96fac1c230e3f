import { LinkType } from '../abi/index.js';
import type { PerfEventLinkInfo } from '../sys/index.js';

import { Link, type LinkDetails } from './link.js';
import { registerLinkClass } from './open-link.js';

/**
 * A program attached to a perf event: a tracepoint or a probe. Before Linux 5.15 the kernel has no link for it: the
 * program is attached as long as this object is open, and there is nothing to pin or to describe.
 */
export class PerfEventLink extends Link {
  static {
    registerLinkClass(LinkType.PERF_EVENT, PerfEventLink);
  }

  /** @internal */
  constructor(details: LinkDetails) {
    const withoutLink = {
      feature: 'links of perf events',
      explanation: `this kernel attached the program to ${details.target} without one`,
      since: '5.15',
    };
    super(details.handle?.kind === 'link' ? details : { ...details, withoutLink });
  }

  /** As {@link Link.info}. */
  override info(): PerfEventLinkInfo {
    return this.infoOf('perf_event');
  }
}
