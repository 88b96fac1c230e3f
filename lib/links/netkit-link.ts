import { UpdatableLink } from './updatable-link.js';

/** A program attached to one end of a netkit pair. Least kernel: 6.7. */
export class NetkitLink extends UpdatableLink {}
