import { Link } from './link.js';

/** A program attached to a kernel function by BTF: fentry, fexit, LSM. The kernel calls this a tracing link. Least kernel: 5.5. */
export class TracingLink extends Link {}
