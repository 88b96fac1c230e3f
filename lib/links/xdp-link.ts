import { UpdatableLink } from './updatable-link.js';

/**
 * An XDP program attached to a network interface. When it was attached with `by: 'netlink'` there is no kernel link: nothing to
 * pin or to describe, and it stays attached when the process ends without closing this object. Least kernel: 5.9.
 */
export class XdpLink extends UpdatableLink {}
