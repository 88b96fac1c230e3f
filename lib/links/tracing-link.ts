import { Link } from './link.js';

/** A program attached through BTF: a BTF tracepoint (`tp_btf`). The kernel calls this a tracing link. Least kernel: 5.5. */
export class TracingLink extends Link {}
