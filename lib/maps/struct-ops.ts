import { MapFlag } from '../abi/index.js';
import { EbpfError, UsageError, quote } from '../errors/index.js';
import { StructOpsLink, type Link, type LinkKeeper, type LinkableStructure } from '../links/index.js';
import type { StructOpsPlan } from '../relocate/index.js';
import { createStructOpsLink, deleteStructOps, updateStructOps, type Handle } from '../sys/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';

/** What a struct_ops map is attached with. @internal */
export interface StructOpsDetails {
  readonly plan: StructOpsPlan;
  /** The loaded programs by name. */
  readonly programs: ReadonlyMap<string, Handle>;
  /** Kept alive by the link: whoever owns the map and its programs. */
  readonly owner: object;
  readonly onAttach: (link: Link) => void;
  readonly onDetach: (link: Link) => void;
}

/** How {@link StructOps.attach} attaches. */
export interface StructOpsAttachOptions {
  /** Aborting it before the kernel registered the structure rejects with `signal.reason`; then nothing is attached. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A structure of operations that programs implement for the kernel, such as a congestion control or a scheduler: a variable
 * of the section `.struct_ops.link` or `.struct_ops`. Loading it changes nothing; {@link attach} registers it. Least
 * kernel: 5.6; for `.struct_ops.link`: 6.4.
 *
 * @example
 * ```js
 * const ebpf = await Ebpf.load('congestion.bpf.o');
 * await using link = await ebpf.map('careful', StructOps).attach();
 * ```
 */
export class StructOps extends BpfMap implements LinkableStructure {
  #link: Promise<StructOpsLink> | undefined;
  #closing = false;

  /** Views a map as a structure of operations; throws {@link UsageError} when it is none. */
  static override from(map: BpfMap): StructOps {
    if (map instanceof StructOps) return map;
    throw wrongKind(map, 'StructOps');
  }

  /**
   * Registers the structure with the kernel, until the link is closed. A structure of `.struct_ops.link` can be attached
   * again after that; one of `.struct_ops` has no kernel link, stays registered when the process just ends, and once it is
   * unregistered the kernel does not take it again.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` while it is attached; `ERR_EBPF_CLOSED`; {@link KernelError} with what the
   * kernel says of the structure: EEXIST for a name that is taken, EINVAL for operations that must be there.
   */
  async attach(options: StructOpsAttachOptions = {}): Promise<StructOpsLink> {
    options.signal?.throwIfAborted();
    if (this.#link !== undefined) {
      throw UsageError.busy(`map ${quote(this.name)}`, 'it is attached already; close the link first');
    }
    const attaching = this.#attach(options.signal);
    this.#link = attaching;
    try {
      return await attaching;
    } catch (error) {
      this.#link = undefined;
      throw error;
    }
  }

  /** Lets go of the map, once it is detached where only the map can undo that: without a kernel link. */
  override close(): void {
    this.#closing = true;
    const needed = this.#link !== undefined && (this.flags & MapFlag.LINK) === 0;
    if (!needed) super.close();
  }

  /** Gives the kernel what the structure holds; it keeps that from an earlier link. @internal */
  async fill(): Promise<void> {
    const { plan, programs } = this.#structure();
    const bindings = plan.programs.map(({ program, offset }) => {
      const handle = programs.get(program);
      if (handle === undefined)
        throw UsageError.notFound(`program for map ${quote(this.name)}`, program, programs.keys());
      return { offset, program: handle };
    });
    try {
      await updateStructOps(this.handle, plan.value, bindings);
    } catch (error) {
      if (!this.#isLink || !EbpfError.is(error) || error.errnoName !== 'EBUSY') throw error;
    }
  }

  /** Takes over a link that registers this structure from now on. @internal */
  keeperOf(link: Link): LinkKeeper {
    const { owner, onAttach } = this.#structure();
    if (link instanceof StructOpsLink) this.#link = Promise.resolve(link);
    onAttach(link);
    return { owner, onClose: this.#forget };
  }

  get #isLink(): boolean {
    return (this.flags & MapFlag.LINK) !== 0;
  }

  #structure(): StructOpsDetails {
    const { structOps } = this.details;
    if (structOps !== undefined) return structOps;
    throw UsageError.invalidValue(`map ${quote(this.name)}`, 'only the load that made it knows what to attach');
  }

  readonly #forget = (closed: Link): void => {
    this.#link = undefined;
    if (this.#closing) super.close();
    this.#structure().onDetach(closed);
  };

  async #attach(signal: AbortSignal | undefined): Promise<StructOpsLink> {
    await this.fill();
    const isLink = this.#isLink;
    if (isLink) signal?.throwIfAborted();
    const handle = isLink ? await createStructOpsLink(this.handle) : this.handle;
    const { owner, onAttach } = this.#structure();
    const link = new StructOpsLink({
      handle,
      program: this.name,
      target: `struct_ops ${this.name}`,
      owner,
      detach: isLink ? undefined : async () => deleteStructOps(handle),
      onClose: this.#forget,
    });
    onAttach(link);
    return link;
  }
}
