import { UpdatableLink } from './updatable-link.js';

/** A program attached to a network namespace, such as one that chooses sockets. Least kernel: 5.8. */
export class NetworkNamespaceLink extends UpdatableLink {}
