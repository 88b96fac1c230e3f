import { LinkType } from '../abi/index.js';
import type { RawTracepointLinkInfo } from '../sys/index.js';

import { Link } from './link.js';
import { registerLinkClass } from './open-link.js';

/** A program attached to a raw tracepoint, by name or, for `tp_btf`, through BTF. Least kernel: 4.17. */
export class RawTracepointLink extends Link {
  static {
    registerLinkClass(LinkType.RAW_TRACEPOINT, RawTracepointLink);
  }

  /** As {@link Link.info}. */
  override info(): RawTracepointLinkInfo {
    return this.infoOf('raw_tracepoint');
  }
}
