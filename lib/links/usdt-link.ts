import type { UprobeMultiLinkInfo } from '../sys/index.js';
import type { UsdtPlace } from '../user-space/index.js';

import { Link, type LinkDetails } from './link.js';

/**
 * A program attached to a probe that a program or library was built with, wherever it is in it: a single kernel link from
 * Linux 6.10 on. Before, it is one perf event for each place, and there is nothing to pin or to describe.
 */
export class UsdtLink extends Link {
  /** Where the probe is, and which of its arguments can be read there. */
  readonly places: readonly UsdtPlace[];

  /** @internal */
  constructor(details: LinkDetails) {
    const { onClose, release } = details;
    super({
      ...details,
      onClose: (link) => {
        // What is pinned works on, and needs what the program knows of the probe.
        if (link.pins.length === 0) release?.();
        onClose?.(link);
      },
    });
    this.places = details.probes ?? [];
  }

  /** As {@link Link.info}: places and semaphores; the cookies are not the caller's, but what programs find arguments by. */
  override info(): UprobeMultiLinkInfo {
    return this.infoOf('uprobe_multi');
  }
}
