import { escapeControl, quote } from '../errors/index.js';
import { RawTracepointLink } from '../links/index.js';
import { openRawTracepoint } from '../sys/index.js';

import { attachFailure, cookieFailure } from './attach-failure.js';
import { Program, type AttachOptions } from './program.js';

/** How {@link BtfTracepoint.attach} attaches. */
export interface BtfTracepointAttachOptions extends AttachOptions {
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 6.9. */
  readonly cookie?: number | bigint | undefined;
}

/**
 * A program of section `tp_btf/<name>`: it runs when the kernel passes that tracepoint and sees its arguments as typed
 * pointers. Where it belongs is fixed when it is loaded. Needs no tracefs. Least kernel: 5.5.
 *
 * @example
 * ```js
 * const link = await ebpf.program('exec', BtfTracepoint).attach();
 * ```
 */
export class BtfTracepoint extends Program {
  /**
   * Attaches to the tracepoint that the program was loaded for; to the kernel the link is one of a raw tracepoint.
   *
   * @throws {@link PermissionError}; {@link KernelError}.
   */
  override async attach(options: BtfTracepointAttachOptions = {}): Promise<RawTracepointLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const target = `tp_btf ${escapeControl(this.attachTo ?? '')}`.trimEnd();
    try {
      const handle = await openRawTracepoint(this.handle, undefined, cookie);
      return await this.attached(RawTracepointLink, handle, target, signal);
    } catch (error) {
      const reason = cookieFailure(error, cookie, target, '6.9');
      throw attachFailure(reason, this.name, target, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no tracepoint` : undefined;
  }
}
