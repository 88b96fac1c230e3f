import { Link } from './link.js';

/**
 * A program attached to a socket. The kernel has no links for it: there is nothing to pin or to describe. It ends with
 * this object or with the socket, which this object does not keep open.
 */
export class SocketLink extends Link {}
