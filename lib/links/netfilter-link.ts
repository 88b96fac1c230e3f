import { Link } from './link.js';

/**
 * A program attached to a hook of netfilter. The kernel cannot replace the program of such a link: attach the new one, then close
 * this. Least kernel: 6.4.
 */
export class NetfilterLink extends Link {}
