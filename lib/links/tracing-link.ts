import { LinkType } from '../abi/index.js';
import type { TracingLinkInfo } from '../sys/index.js';

import { Link } from './link.js';
import { registerLinkClass } from './open-link.js';

/** A program attached to a kernel function by BTF: fentry, fexit, LSM. The kernel calls this a tracing link. Least kernel: 5.5. */
export class TracingLink extends Link {
  static {
    registerLinkClass(LinkType.TRACING, TracingLink);
  }

  /** As {@link Link.info}. */
  override info(): TracingLinkInfo {
    return this.infoOf('tracing');
  }
}
