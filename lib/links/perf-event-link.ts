import { UnsupportedError } from '../errors/index.js';
import type { LinkInfo } from '../sys/index.js';

import { Link, type LinkDetails } from './link.js';

/**
 * A program attached to a perf event: a tracepoint or a probe. Before Linux 5.15 the kernel has no link for it: the
 * program is attached as long as this object is open, and there is nothing to pin or to describe.
 */
export class PerfEventLink extends Link {
  readonly #isLink: boolean;

  /** @internal */
  constructor(details: LinkDetails) {
    super(details);
    this.#isLink = details.handle.kind === 'link';
  }

  /** @throws {@link UnsupportedError} on kernels before 5.15; {@link UsageError} `ERR_EBPF_CLOSED`. */
  override info(): LinkInfo {
    this.#requireLink();
    return super.info();
  }

  /** @throws {@link UnsupportedError} on kernels before 5.15; what {@link Link.pin} throws. */
  override pin(path: string): void {
    this.#requireLink();
    super.pin(path);
  }

  #requireLink(): void {
    if (this.#isLink || this.closed) return;
    throw new UnsupportedError(
      'links of perf events',
      `this kernel attached the program to ${this.target} without one`,
      {
        since: '5.15',
      },
    );
  }
}
