import { EbpfError, UsageError, escapeControl, quote } from '../errors/index.js';
import { functionOfProgram } from '../kernel/index.js';
import { TracingLink } from '../links/index.js';
import { createLink, openRawTracepoint, requireHandle, type HeldObject } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';

/** Where {@link Freplace.attach} attaches. */
export interface FreplaceAttachOptions extends AttachOptions {
  /** A loaded program. Default: the one that the load named. */
  readonly target?: HeldObject | undefined;
  /** The function of `target` that is replaced: a global one, with the same arguments. Default: that of the load. */
  readonly function?: string | undefined;
}

/**
 * A program of section `freplace/<function>`: once attached it runs in place of a global function of another program, which
 * must be loaded already and is named when this one is loaded. Least kernel: 5.6.
 *
 * @example
 * ```js
 * const dispatcher = await Ebpf.load('dispatcher.bpf.o');
 * const target = dispatcher.program('dispatch', Xdp);
 * const ebpf = await Ebpf.load('filter.bpf.o', { programs: { filter: { target, function: 'slot_0' } } });
 * const link = await ebpf.program('filter', Freplace).attach();
 * ```
 */
export class Freplace extends Program {
  /**
   * Replaces the function that the program was loaded for; with a `target` the function of that name of another program that is
   * made the same way (Linux 5.10).
   *
   * @throws {@link UsageError} when the program has no such function, or its arguments differ; `ERR_EBPF_BUSY` when the function
   * is replaced already; {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options: FreplaceAttachOptions = {}): Promise<TracingLink> {
    const { signal, target, function: given } = options;
    signal?.throwIfAborted();
    if (target === undefined && given !== undefined) {
      throw UsageError.invalidValue(
        'function',
        'is of a target: give that program too, also when it is that of the load',
      );
    }
    const name = given ?? this.attachTo ?? '';
    const where = `freplace ${escapeControl(name)}${target === undefined ? '' : ` of ${escapeControl(target.name)}`}`;
    const program = this.handle;
    try {
      if (target === undefined) {
        return await this.attached(TracingLink, await openRawTracepoint(program, undefined), where, signal);
      }
      const other = requireHandle('target', target, 'program');
      const fields = { target_btf_id: functionOfProgram(other, name, 'target') };
      const handle = await createLink({ program, target: other, attachType: 0, fields });
      return await this.attached(TracingLink, handle, where, signal);
    } catch (error) {
      throw attachFailure(replaceFailure(error, where, target), this.name, where, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no function` : undefined;
  }
}

/** The answers of bpf_tracing_prog_attach in kernel/bpf/syscall.c. */
function replaceFailure(error: unknown, where: string, target: HeldObject | undefined): unknown {
  if (!EbpfError.is(error)) return error;
  if (error.errnoName === 'EBUSY') return UsageError.busy(where, 'the function is replaced or traced already');
  // ENOENT says Linux 5.10 to a program without a target.
  if (error.errnoName !== 'EINVAL' && error.errnoName !== 'ENOENT') return error;
  const problem =
    target === undefined
      ? 'it was attached to the program of its load before; give that as the target to attach there again'
      : `${quote(target.name)} is not of the type that this was loaded for, or its function has other arguments`;
  return UsageError.invalidValue('target', problem, { cause: error });
}
