import { escapeControl, quote, UsageError } from '../errors/index.js';
import type { KernelFunction, KernelFunctionPattern } from '../kernel/index.js';
import { KprobeMultiLink } from '../links/index.js';

import { attachFailure } from './attach-failure.js';
import { chooseFunctions } from './choose-functions.js';
import { Program, type AttachOptions } from './program.js';
import { kprobeMultiFailure, linkToFunctions } from './kprobe-multi-attach.js';

/** Where {@link KprobeMultiProgram.attach} attaches. */
export interface KprobeMultiAttachOptions extends AttachOptions {
  /**
   * The functions: names, patterns such as `'tcp_*'` or `'nf_conntrack:*'`, regular expressions that are looked for in
   * names, addresses as `bigint`. Without it the section says which.
   */
  readonly functions?: KernelFunctionChoice | readonly KernelFunctionChoice[] | undefined;
  /**
   * What the program reads with `bpf_get_attach_cookie`: a number, or what gives one to each function. Of functions given by
   * address it sees no name.
   */
  readonly cookie?: number | bigint | ((target: KernelFunction) => number | bigint) | undefined;
}

/** A kernel function by name, pattern, regular expression or address. */
export type KernelFunctionChoice = KernelFunctionPattern | bigint;

/** What the programs of many kernel functions have in common: {@link KprobeMulti}, {@link KretprobeMulti}, {@link KprobeSession}. */
export class KprobeMultiProgram extends Program {
  /**
   * Attaches to the functions that the section names, or to others, with one link. Patterns choose among those that the kernel
   * can trace and does not keep kprobes away from, for which tracefs must be readable; where it is not, they choose among the
   * kernel's symbols, and the kernel refuses all when it cannot trace one of them.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` when a name or pattern stands for no function that can be traced;
   * `ERR_EBPF_INVALID_VALUE` when a name stands for several functions, whose addresses are told;
   * {@link UnsupportedError} for a kernel without such links: they need Linux 5.18 and CONFIG_FPROBE; {@link PermissionError}.
   */
  override async attach(options: KprobeMultiAttachOptions = {}): Promise<KprobeMultiLink> {
    const { signal, cookie } = options;
    signal?.throwIfAborted();
    const chosen = this.#chosen(options.functions);
    const words = `${this.probeKind} ${wordsOf(chosen)}`;
    // Asked for before functions are looked up: a closed program needs none.
    const program = this.handle;
    try {
      const targets = await chooseFunctions(chosen, signal);
      signal?.throwIfAborted();
      const attachType = this.attachType;
      const handle = await linkToFunctions({ program, attachType, targets, cookie, atReturn: this.atReturn });
      const target = `${words} (${targets.functions.length} functions)`;
      return await this.attached(KprobeMultiLink, handle, target, signal, { functions: targets.functions });
    } catch (error) {
      const failure = await kprobeMultiFailure(error, this.attachType, words);
      throw attachFailure(failure, this.name, words, ['CAP_PERFMON', 'CAP_BPF']);
    }
  }

  /** Such as `kprobe.multi`. @internal */
  protected get probeKind(): string {
    return this.section.replace(/^\?|\/.*$/g, '');
  }

  /** @internal */
  protected get atReturn(): boolean {
    return false;
  }

  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no kernel functions` : undefined;
  }

  #chosen(given: KprobeMultiAttachOptions['functions']): readonly KernelFunctionChoice[] {
    const functions = given ?? this.attachTo;
    if (functions === undefined) {
      throw UsageError.invalidValue(
        'functions',
        `section ${quote(this.section)} of program ${quote(this.name)} names none; give { functions: 'tcp_*' }`,
      );
    }
    const list = Array.isArray(functions) ? (functions as readonly KernelFunctionChoice[]) : [functions];
    if (list.length === 0) throw UsageError.invalidValue('functions', 'must not be empty');
    return list as readonly KernelFunctionChoice[];
  }
}

/** The first few, for people. */
function wordsOf(chosen: readonly KernelFunctionChoice[]): string {
  const shown = chosen.slice(0, 3).map((one) => (typeof one === 'bigint' ? `0x${one.toString(16)}` : String(one)));
  const more = chosen.length - shown.length;
  return escapeControl(shown.join(', ')) + (more > 0 ? ` and ${more} more` : '');
}
