import { Link } from './link.js';

/** A program attached to a perf event: a tracepoint. Least kernel: 5.15. */
export class PerfEventLink extends Link {}
