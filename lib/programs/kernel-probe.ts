import { UsageError, escapeControl, quote } from '../errors/index.js';
import { PerfEventLink } from '../links/index.js';
import type { Handle } from '../sys/index.js';

import { attachFailure } from './attach-failure.js';
import { addressText, openKernelProbe, openSyscallProbe, parsePlace } from './kernel-probe-event.js';
import { attachToPerfEvent } from './perf-event-attach.js';
import { Program, type AttachOptions } from './program.js';

/** What every kernel probe takes. */
export interface KernelProbeOptions extends AttachOptions {
  /** A number the program reads with `bpf_get_attach_cookie`. Least kernel: 5.15. */
  readonly cookie?: number | bigint | undefined;
}

/** What the programs at one place of the kernel have in common: {@link Kprobe}, {@link Kretprobe}, {@link Ksyscall}, {@link Kretsyscall}. */
export class KernelProbe extends Program {
  protected override sectionObstacle(): string | undefined {
    return this.attachTo === undefined ? `its section ${quote(this.section)} names no kernel function` : undefined;
  }

  /** Attaches to the entry or return of a function that is given by name or address, or by the section. @internal */
  protected async attachToPlace(
    options: KernelProbeOptions & { readonly function?: string | undefined; readonly address?: bigint | undefined },
    returns: boolean,
  ): Promise<PerfEventLink> {
    const { address, function: name } = options;
    if (address !== undefined && name !== undefined) {
      throw UsageError.invalidValue('address', 'must not be given together with a function');
    }
    const text = address === undefined ? this.#required(name, 'function') : addressText(address);
    const place = address === undefined ? parsePlace(text) : { address };
    if (returns && 'offset' in place && place.offset !== 0) {
      throw UsageError.invalidValue(
        'function',
        `a function returns as a whole: ${quote(text)} must not have an offset`,
      );
    }
    const target = `${returns ? 'kretprobe' : 'kprobe'} ${escapeControl(text)}`;
    return this.#attach(target, options, async () => openKernelProbe(place, text, returns));
  }

  /** Attaches to the entry or return of the function of a system call. @internal */
  protected async attachToSyscall(
    options: KernelProbeOptions & { readonly syscall?: string | undefined },
    returns: boolean,
  ): Promise<PerfEventLink> {
    const name = this.#required(options.syscall, 'syscall');
    if (typeof name !== 'string' || !/^\w+$/.test(name)) {
      throw UsageError.invalidValue(
        'syscall',
        `must be the name of a system call, such as 'openat', not ${quote(name)}`,
      );
    }
    const target = `${returns ? 'kretsyscall' : 'ksyscall'} ${name}`;
    return this.#attach(target, options, async () => openSyscallProbe(name, returns));
  }

  #required(given: string | undefined, option: string): string {
    const name = given ?? this.attachTo;
    if (name !== undefined) return name;
    throw UsageError.invalidValue(
      option,
      `section ${quote(this.section)} of program ${quote(this.name)} names none; give { ${option}: 'name' }`,
    );
  }

  async #attach(
    target: string,
    { cookie, signal }: KernelProbeOptions,
    open: () => Promise<Handle>,
  ): Promise<PerfEventLink> {
    signal?.throwIfAborted();
    const program = this.handle;
    try {
      const handle = await attachToPerfEvent(program, await open(), cookie);
      return await this.attached(PerfEventLink, handle, target, signal);
    } catch (error) {
      throw attachFailure(error, this.name, target, ['CAP_PERFMON', 'CAP_BPF'], true);
    }
  }
}
