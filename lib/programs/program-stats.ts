import { EbpfError } from '../errors/index.js';
import { explainPermission, requireLinux } from '../kernel/index.js';
import { enableStatistics, type Handle } from '../sys/index.js';

/** That the kernel counts the runs of programs: what {@link enableStats} returns. */
export class ProgramStats {
  readonly #handle: Handle;

  /** @internal */
  constructor(handle: Handle) {
    this.#handle = handle;
  }

  /** True after {@link close}. */
  get closed(): boolean {
    return this.#handle.closed;
  }

  /** Lets the kernel stop counting, unless someone else still wants it. What was counted stays. May be called again. */
  close(): void {
    this.#handle.close();
  }

  /** {@link close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * Has the kernel count how often each program of the machine runs and how long that takes, until what it returns is closed or the
 * process ends: `runCount` and `runTimeNs` of {@link Program.info} and {@link listPrograms}. It costs each run of each program
 * some tens of nanoseconds. Least kernel: 5.8.
 *
 * @throws {@link PermissionError} without CAP_SYS_ADMIN.
 *
 * @example
 * ```js
 * using stats = enableStats();
 * await setTimeout(1000);
 * const { runCount, runTimeNs } = program.info();
 * ```
 */
export function enableStats(): ProgramStats {
  requireLinux();
  try {
    return new ProgramStats(enableStatistics());
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'EPERM') throw error;
    throw explainPermission(error, { what: 'have the runs of programs counted', capabilities: ['CAP_SYS_ADMIN'] });
  }
}
