import { LinkType } from '../abi/index.js';
import type { CgroupLinkInfo } from '../sys/index.js';

import { UpdatableLink } from './updatable-link.js';
import { registerLinkClass } from './open-link.js';

/**
 * A program attached to a cgroup: it works for the processes of that cgroup and of those below it. When it was attached with a
 * `mode` other than `'multi'` there is no kernel link: nothing to pin or to describe, and it stays attached when the process ends
 * without closing this object. Least kernel: 5.7.
 */
export class CgroupLink extends UpdatableLink {
  static {
    registerLinkClass(LinkType.CGROUP, CgroupLink);
  }

  /** As {@link Link.info}. */
  override info(): CgroupLinkInfo {
    return this.infoOf('cgroup');
  }
}
