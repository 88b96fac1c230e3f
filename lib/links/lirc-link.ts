import { Link } from './link.js';

/**
 * A program attached to an infrared receiver. The kernel has no links for it: there is nothing to pin or to describe, and it stays
 * attached when the process ends without closing this object, until the device is gone.
 */
export class LircLink extends Link {}
