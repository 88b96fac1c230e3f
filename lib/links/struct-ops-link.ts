import { UnsupportedError, quote } from '../errors/index.js';
import type { LinkInfo } from '../sys/index.js';

import { Link } from './link.js';

/**
 * A structure of operations that the kernel uses. When the section was `.struct_ops.link` it is a kernel link (Linux 6.4).
 * When it was `.struct_ops` the kernel has no link for it: there is nothing to pin or to describe, and the structure stays
 * registered when the process ends without closing this object.
 */
export class StructOpsLink extends Link {
  /** @throws {@link UnsupportedError} for a structure of the section `.struct_ops`; {@link UsageError} `ERR_EBPF_CLOSED`. */
  override info(): LinkInfo {
    this.#requireLink();
    return super.info();
  }

  /** @throws {@link UnsupportedError} for a structure of the section `.struct_ops`; what {@link Link.pin} throws. */
  override pin(path: string): void {
    this.#requireLink();
    super.pin(path);
  }

  #requireLink(): void {
    if (!this.survivesProcess || this.closed) return;
    throw new UnsupportedError(
      'links of structures in the section ".struct_ops"',
      `the kernel registered ${quote(this.program)} without one; put it into the section ".struct_ops.link"`,
      { since: '6.4' },
    );
  }
}
