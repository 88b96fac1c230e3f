import { Link } from './link.js';

/** A program attached to a raw tracepoint, by name or, for `tp_btf`, through BTF. Least kernel: 4.17. */
export class RawTracepointLink extends Link {}
