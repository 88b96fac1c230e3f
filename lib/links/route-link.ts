import { UpdatableLink } from './updatable-link.js';

/**
 * A program attached to a route. The kernel has no link for it: there is nothing to pin or to describe, and the route stays, with
 * its program, when the process ends without closing this object. Closing it removes the route.
 */
export class RouteLink extends UpdatableLink {}
