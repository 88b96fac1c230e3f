import { Link } from './link.js';

/** A program attached to a raw tracepoint. The kernel calls this a raw tracepoint link. Least kernel: 4.17. */
export class RawTracepointLink extends Link {}
