import { UsageError, quote } from '../errors/index.js';
import { requireHandle, type Handle } from '../sys/index.js';

import { Link, type LinkDetails, type LinkableProgram } from './link.js';

/** What a filter's link is made from. @internal */
export interface TcFilterDetails extends LinkDetails {
  readonly filter?: { readonly priority: number; readonly handle: number } | undefined;
  readonly replace?: ((program: Handle) => Promise<void>) | undefined;
}

/**
 * A program attached to the traffic of a network interface as a filter (`tc filter … bpf direct-action`), as was done before
 * Linux 6.6. The kernel has no link for it: there is nothing to pin or to describe, and it stays attached when the process
 * ends without closing this object.
 */
export class TcFilterLink extends Link {
  /** Which filters run first: lower ones. 1 to 65535. */
  readonly priority: number;
  /** The filter's number among those of its priority. */
  readonly filterHandle: number;
  readonly #replace: ((program: Handle) => Promise<void>) | undefined;

  /** @internal */
  constructor(details: TcFilterDetails) {
    super(details);
    this.priority = details.filter?.priority ?? 0;
    this.filterHandle = details.filter?.handle ?? 0;
    this.#replace = details.replace;
  }

  /**
   * Attaches another program in place of the present one, with the same priority and handle. From then on the link belongs to
   * that program, as with {@link UpdatableLink.update}.
   *
   * @throws {@link UsageError} when it is no loaded program; {@link KernelError}.
   */
  async update(program: LinkableProgram): Promise<void> {
    const handle = requireHandle('program', program, 'program');
    if (this.closed) throw UsageError.closed(`the filter of program ${quote(this.program)} at ${this.target}`);
    await this.#replace?.(handle);
    this.moveTo(program);
  }
}
