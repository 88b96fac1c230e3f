import { AttachType } from '../abi/index.js';
import { escapeControl, quote } from '../errors/index.js';
import { TracingLink } from '../links/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';
import { attachToFunction } from './tracing-attach.js';

/** How {@link FunctionProgram.attach} attaches. */
export interface FunctionAttachOptions extends AttachOptions {
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.19. */
  readonly cookie?: number | bigint | undefined;
}

const words: ReadonlyMap<AttachType, string> = new Map([
  [AttachType.TRACE_FENTRY, 'fentry'],
  [AttachType.TRACE_FEXIT, 'fexit'],
  [AttachType.TRACE_FSESSION, 'fsession'],
  [AttachType.MODIFY_RETURN, 'fmod_ret'],
]);

/**
 * What {@link Fentry}, {@link Fexit}, {@link FmodRet} and {@link Fsession} have in common: each is for one function, which is
 * fixed when the program is loaded: of the kernel, of a module (`fentry/nf_conntrack:nf_ct_delete`), or of another program,
 * which the load's option `programs` names.
 */
export class FunctionProgram extends Program {
  /**
   * Attaches to the function that the program was loaded for.
   *
   * @throws {@link UnsupportedError} where the kernel cannot do it on this architecture; {@link UsageError} for a program that was
   * opened as another kind than it is; {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options: FunctionAttachOptions = {}): Promise<TracingLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const target = `${words.get(this.attachType) ?? 'function'} ${escapeControl(this.attachTo ?? '')}`.trimEnd();
    try {
      // Of one that was opened the class is what its user says.
      const openedAs = this.mayBe.length > 0 && this.attachType !== 0 ? this.constructor.name : undefined;
      const handle = await attachToFunction(this.handle, this.attachType, cookie, target, openedAs);
      return await this.attached(TracingLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no function` : undefined;
  }
}
