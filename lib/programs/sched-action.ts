import { EbpfError, UnsupportedError } from '../errors/index.js';
import { withInterface } from '../kernel/index.js';
import { TcFilterLink } from '../links/index.js';
import type { TcDirection } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { interfaceTarget, type InterfaceOptions } from './interface-target.js';
import { Program, type AttachOptions } from './program.js';
import type { ContextInput, SkBuffContext } from './run-contexts.js';
import { attachTcFilter, requireDirection } from './tc-filter.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** Where {@link SchedAction.attach} attaches. */
export interface SchedActionAttachOptions extends AttachOptions, InterfaceOptions {
  /** What comes in or what goes out. */
  readonly direction: TcDirection;
  /** 1 to 65535, lower ones run first. Default: the kernel's choice. */
  readonly priority?: number | undefined;
  /** The filter's number among those of its priority. Default: the kernel's choice. */
  readonly handle?: number | undefined;
  /** Closing the link, or its {@link Ebpf}, leaves it attached: {@link Tc.removeFilter} takes it off. Default: false. */
  readonly keep?: boolean | undefined;
  /** Pins the link there, as {@link Link.pin} does. Default: not pinned. */
  readonly pin?: string | undefined;
}

/**
 * A program of section `action`: what is done with the packets that a filter of traffic control has chosen. Here that filter takes
 * all packets of one side of an interface, and goes on to the next one when the program returns TC_ACT_UNSPEC (-1). In new code a
 * {@link Tc} program, which chooses and acts, does the same. Needs CAP_NET_ADMIN, and a kernel with CONFIG_NET_ACT_BPF. Least
 * kernel: 4.1.
 *
 * @example
 * ```js
 * const link = await ebpf.program('police', SchedAction).attach({ interface: 'veth0', direction: 'ingress' });
 * ```
 */
export class SchedAction extends Program {
  /**
   * Attaches to one side of a network interface, as the action of a filter of the queueing discipline `clsact`, which is made and
   * stays. {@link Tc.query} tells it among the filters.
   *
   * @throws {@link UsageError} when there is no such interface, with the nearest names, or nothing says which side;
   * {@link UnsupportedError} where the kernel has no such actions; {@link PermissionError}; {@link KernelError}, such as EEXIST when
   * the filter's handle is taken.
   */
  override async attach(options?: SchedActionAttachOptions): Promise<TcFilterLink> {
    const signal = options?.signal;
    signal?.throwIfAborted();
    const direction = requireDirection((options ?? {}).direction as TcDirection);
    const target = interfaceTarget(`action ${direction}`, options);
    const { words } = target;
    try {
      return await withInterface(target.interface, target.netns, async (found) =>
        attachTcFilter(this, found, { ...options, direction, words, action: true }, async (made) =>
          this.attached(TcFilterLink, made, words, signal),
        ),
      );
    } catch (error) {
      if (EbpfError.is(error) && error.errnoName === 'ENOENT') {
        const problem =
          'this kernel was built without them (CONFIG_NET_ACT_BPF), or has no module act_bpf; a Tc program does the same';
        throw new UnsupportedError('actions that are programs', problem, { cause: error });
      }
      throw attachFailure(error, this.name, words, ['CAP_NET_ADMIN', 'CAP_BPF']);
    }
  }

  /** As {@link Program.testRun}, with members of `struct __sk_buff` as the context, both ways. */
  override async testRun(
    options: TestRunOptions<ContextInput<SkBuffContext>> = {},
  ): Promise<TestRunResult<SkBuffContext>> {
    return runTest<SkBuffContext>(this.handle, this.type, options);
  }

  protected override sectionObstacle(): string | undefined {
    return "its section names no interface; give attach({ interface: 'name', direction })";
  }
}
