import { UpdatableLink } from './updatable-link.js';

/** An XDP program attached to a network interface. Least kernel: 5.9. */
export class XdpLink extends UpdatableLink {}
