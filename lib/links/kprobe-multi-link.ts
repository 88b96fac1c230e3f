import { LinkType } from '../abi/index.js';
import type { FunctionList, KernelFunction } from '../kernel/index.js';
import type { KprobeMultiLinkInfo } from '../sys/index.js';

import { Link, type LinkDetails } from './link.js';
import { registerLinkClass } from './open-link.js';

/** A program attached to many kernel functions at once. Least kernel: 5.18. */
export class KprobeMultiLink extends Link {
  readonly #list: FunctionList | undefined;
  #functions: readonly KernelFunction[] | undefined;

  static {
    registerLinkClass(LinkType.KPROBE_MULTI, KprobeMultiLink);
  }

  /** @internal */
  constructor(details: LinkDetails) {
    super(details);
    this.#list = details.functions;
  }

  /**
   * The functions, each with the address that `bpf_get_func_ip` tells the program. Those that were given by address have an
   * empty name; those that the kernel had to find by name, where tracefs cannot be read, have 0 for an address. Empty for a
   * link that was opened: {@link info} has what the kernel says.
   */
  get functions(): readonly KernelFunction[] {
    this.#functions ??= this.#list?.all() ?? [];
    return this.#functions;
  }

  /** As {@link Link.info}. Functions, cookies and misses since Linux 6.6. */
  override info(): KprobeMultiLinkInfo {
    return this.infoOf('kprobe_multi');
  }
}
