import { UpdatableLink } from './updatable-link.js';

/** A program attached to a cgroup: it works for the processes of that cgroup and of those below it. Least kernel: 5.7. */
export class CgroupLink extends UpdatableLink {}
