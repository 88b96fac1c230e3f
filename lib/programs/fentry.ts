import { escapeControl, quote } from '../errors/index.js';
import { TracingLink } from '../links/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';
import { attachToFunction } from './tracing-attach.js';

/** How {@link Fentry.attach} attaches. */
export interface FentryAttachOptions extends AttachOptions {
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.19. */
  readonly cookie?: number | bigint | undefined;
}

/**
 * A program of section `fentry/<function>`: it runs when the kernel enters that function and sees its arguments as
 * typed values. Where it belongs is fixed when it is loaded. Least kernel: 5.5; on arm64 6.4.
 *
 * @example
 * ```js
 * const link = await ebpf.program('on_open', Fentry).attach();
 * ```
 */
export class Fentry extends Program {
  /**
   * Attaches to the kernel function that the program was loaded for.
   *
   * @throws {@link UnsupportedError} where the kernel cannot do it on this architecture; {@link PermissionError};
   * {@link KernelError}.
   */
  override async attach(options: FentryAttachOptions = {}): Promise<TracingLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const target = `fentry ${escapeControl(this.attachTo ?? '')}`.trimEnd();
    try {
      const handle = await attachToFunction(this.handle, this.attachType, cookie, target);
      return await this.attached(TracingLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no kernel function` : undefined;
  }
}
