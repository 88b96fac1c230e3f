import { EbpfError, UnsupportedError, escapeControl, quote } from '../errors/index.js';
import { activeBpfModule } from '../kernel/index.js';
import { TracingLink } from '../links/index.js';

import { attachFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';
import { attachToFunction } from './tracing-attach.js';

/** How {@link Lsm.attach} attaches. */
export interface LsmAttachOptions extends AttachOptions {
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.19. */
  readonly cookie?: number | bigint | undefined;
}

/**
 * A program of section `lsm/<hook>`: it runs when the kernel asks whether something may be done, and may forbid it with a
 * negative errno. Where it belongs is fixed when it is loaded. Needs the kernel to be booted with `bpf` among its security
 * modules (`lsm=…,bpf`). Least kernel: 5.7; on arm64 6.4.
 *
 * @example
 * ```js
 * const link = await ebpf.program('may_open', Lsm).attach();
 * ```
 */
export class Lsm extends Program {
  /**
   * Attaches to the security hook that the program was loaded for.
   *
   * @throws {@link UnsupportedError} where `bpf` is not among the active security modules, so that the program would never
   * be called, and where the kernel cannot do it on this architecture; {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options: LsmAttachOptions = {}): Promise<TracingLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const target = `lsm ${escapeControl(this.attachTo ?? '')}`.trimEnd();
    try {
      await requireActive(this.name);
      const handle = await attachToFunction(this.handle, this.attachType, cookie, target);
      return await this.attached(TracingLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no security hook` : undefined;
  }
}

/** The kernel attaches such programs also where it never calls them. */
async function requireActive(program: string): Promise<void> {
  let active;
  try {
    active = await activeBpfModule();
  } catch (error) {
    // Nobody can tell.
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_UNSUPPORTED') return;
    throw error;
  }
  if (active.supported) return;
  throw new UnsupportedError('BPF LSM', `program ${quote(program)} would never be called: ${active.reason}`);
}
