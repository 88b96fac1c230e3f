import { CgroupProgram } from './cgroup-program.js';
import type { ContextInput, SkBuffContext } from './run-contexts.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/**
 * A program of section `cgroup_skb/ingress` or `cgroup_skb/egress`: it sees the packets that sockets of a cgroup get or send, from the
 * network header on, and lets one pass by returning 1 or drops it by returning 0. A section `cgroup/skb` means ingress. Least
 * kernel: 4.10.
 *
 * @example
 * ```js
 * const link = await ebpf.program('count', CgroupSkb).attach({ cgroup: '/sys/fs/cgroup/my.slice' });
 * ```
 */
export class CgroupSkb extends CgroupProgram {
  /**
   * As {@link Program.testRun}, with members of `struct __sk_buff` as the context, both ways.
   *
   * @example
   * ```js
   * const { context } = await program.testRun({ data: packet, context: { mark: 7 } });
   * console.log(context.mark);
   * ```
   */
  override async testRun(
    options: TestRunOptions<ContextInput<SkBuffContext>> = {},
  ): Promise<TestRunResult<SkBuffContext>> {
    return runTest<SkBuffContext>(this.handle, this.type, options);
  }
}
