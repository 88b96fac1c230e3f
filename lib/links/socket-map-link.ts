import { UpdatableLink } from './updatable-link.js';

/**
 * A program attached to a map of sockets, for those that are put into it. Sockets that have the program keep it until they leave
 * the map, also when this is closed. Before Linux 6.10 the kernel has no link for it: there is nothing to pin, to
 * describe or to update, and what is attached ends with this object or with the map.
 */
export class SocketMapLink extends UpdatableLink {}
