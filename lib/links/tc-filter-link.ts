import type { LinkDetails } from './link.js';
import { UpdatableLink } from './updatable-link.js';

/** What a filter's link is made from. @internal */
export interface TcFilterDetails extends LinkDetails {
  readonly filter?: { readonly priority: number; readonly handle: number } | undefined;
}

/**
 * A program attached to the traffic of a network interface as a filter (`tc filter … bpf direct-action`), as was done before
 * Linux 6.6. The kernel has no link for it: there is nothing to pin or to describe, and it stays attached when the process
 * ends without closing this object. {@link UpdatableLink.update} keeps priority and handle.
 */
export class TcFilterLink extends UpdatableLink {
  /** Which filters run first: lower ones. 1 to 65535. */
  readonly priority: number;
  /** The filter's number among those of its priority. */
  readonly filterHandle: number;

  /** @internal */
  constructor(details: TcFilterDetails) {
    super(details);
    this.priority = details.filter?.priority ?? 0;
    this.filterHandle = details.filter?.handle ?? 0;
  }
}
