import { UpdatableLink } from './updatable-link.js';

/** A program attached to the traffic of a network interface by TCX. Least kernel: 6.6. */
export class TcxLink extends UpdatableLink {}
