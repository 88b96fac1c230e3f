import { rmSync } from 'node:fs';
import { inspect } from 'node:util';

import { LinkType } from '../abi/index.js';
import { UnsupportedError, UsageError, escapeControl, quote } from '../errors/index.js';
import { pin, warnOfShortLivedMapsOf, type FunctionList, type ObjectSource } from '../kernel/index.js';
import { detachLink, objectInfo, type Handle, type HeldObject, type LinkInfo } from '../sys/index.js';
import type { UsdtPlace } from '../user-space/index.js';

import { pinNote, type LinkNote } from './link-note.js';
import { openLinkAs, registerLinkClass, type LinkKind } from './open-link.js';

/**
 * Attached links with what they work with. A link that nobody references any more still works, and so must the maps
 * behind it: garbage collection never detaches. Each Worker has its own.
 */
const attached = new Map<Link, object>();

/** A place in user space that a program is attached to. */
export interface AttachedPlace {
  /** For people: `malloc+0x10`. */
  readonly text: string;
  /** In the file, in bytes; of a member of an archive, from the archive's start. */
  readonly fileOffset: number;
}

/** What a link is made from. @internal */
export interface LinkDetails {
  /** What keeps it attached; undefined where nothing does that could be held. */
  readonly handle: Handle | undefined;
  /** The attached program's name, or the struct_ops map's. */
  readonly program: string;
  /** Where it is attached, for people: `tracepoint sched/sched_switch`. */
  readonly target: string;
  /** Kept alive with the link: the program and, through it, its {@link Ebpf}. */
  readonly owner: object;
  /** Of an attachment that is no kernel link: why there is nothing to pin or to describe. */
  readonly withoutLink?: WithoutLink | undefined;
  /** Ends an attachment that is no kernel link, in place of closing the handle. */
  readonly detach?: (() => Promise<void>) | undefined;
  /** Of one that `detach` leaves, as was asked for: ends it all the same. */
  readonly undo?: (() => Promise<void>) | undefined;
  /** What is pinned in place of a kernel link, if that can be done. */
  readonly note?: LinkNote | undefined;
  /** Of one that is pinned: lets go of it. */
  readonly leave?: (() => Promise<void>) | undefined;
  /** Asks whether such an attachment is there still. */
  readonly isAttached?: (() => Promise<boolean>) | undefined;
  /** Attaches another program in place of the present one where no kernel link does; with `expected` only in place of that. */
  readonly replace?: ((program: Handle, expected: Handle | undefined) => Promise<void>) | undefined;
  /** Whether what `detach` would end stays when the process ends; true without it. */
  readonly survivesProcess?: boolean | undefined;
  /** Of a link that was opened by a pin: its path. */
  readonly pins?: readonly string[] | undefined;
  /** Of a link to many kernel functions: those. */
  readonly functions?: FunctionList | undefined;
  /** Of a link to many places in user space: those. */
  readonly places?: readonly AttachedPlace[] | undefined;
  /** Of a link to a probe that a program was built with: where it is in it. */
  readonly probes?: readonly UsdtPlace[] | undefined;
  /** Of such a link: gives back what the program was told of the probe. */
  readonly release?: (() => void) | undefined;
  /** Told once, when the link is gone. */
  readonly onClose?: ((link: Link) => void) | undefined;
}

/** Who has a link: it is kept alive with the link, and told once that the link is gone. @internal */
export interface LinkKeeper {
  readonly owner: object;
  readonly onClose: (link: Link) => void;
}

/** A loaded program that takes another one's place: every `Program`. */
export interface LinkableProgram extends HeldObject {
  /** Who has the link once the program is attached by it. @internal */
  keeperOf(link: Link): LinkKeeper;
}

/** Why an attachment has no kernel link. @internal */
export interface WithoutLink {
  /** What is missing: `links of perf events`. */
  readonly feature: string;
  /** In words, after the feature. */
  readonly explanation: string;
  /** The first kernel that has such links. */
  readonly since?: string;
}

/**
 * An attached program. It stays attached until {@link detach} or {@link close} is called or the process ends, also
 * when nothing references this object any more: garbage collection never detaches.
 *
 * @example
 * ```js
 * const link = await ebpf.program('handle_exec').attach();
 * link.pin('/sys/fs/bpf/execsnoop');   // outlives the process
 * await link.close();                  // still attached, by the pin
 * ```
 */
export class Link {
  /** Where the program is attached, for people: `tp_btf sched_process_exec`. */
  readonly target: string;
  /**
   * True when the attachment is not a kernel link and so stays behind when the process ends without detaching. The
   * kernel itself drops kernel links that are not pinned.
   */
  readonly survivesProcess: boolean;

  readonly #handle: Handle | undefined;
  readonly #withoutLink: WithoutLink | undefined;
  readonly #ways: Pick<LinkDetails, 'detach' | 'undo' | 'leave' | 'isAttached'>;
  #note: LinkNote | undefined;
  #program: string;
  #onClose: ((link: Link) => void) | undefined;
  readonly #pins: Set<string>;
  #closing: Promise<void> | undefined;

  static {
    registerLinkClass(LinkType.UNSPEC, Link);
    Object.defineProperty(Link.prototype, inspect.custom, {
      value(this: Link): string {
        return this.#inspect();
      },
    });
  }

  /** @internal */
  constructor(details: LinkDetails) {
    this.target = details.target;
    this.#program = details.program;
    this.#handle = details.handle;
    this.#withoutLink = details.withoutLink;
    this.survivesProcess = details.survivesProcess ?? details.detach !== undefined;
    this.#ways = details;
    this.#note = details.note;
    this.#onClose = details.onClose;
    this.#pins = new Set(details.pins);
    attached.set(this, details.owner);
  }

  /**
   * Opens a link that exists: by the path of a pin, by `{ id }`, or by `{ descriptor }`, which is copied and stays yours.
   * `Link.open` gives the class of whatever link it is, another class refuses links of other types. A few system calls.
   *
   * @throws {@link UsageError} when it is another kind of object, or of link; {@link PermissionError}: ids need
   * CAP_SYS_ADMIN; {@link KernelError} ENOENT when there is none.
   *
   * @example
   * ```js
   * const link = XdpLink.open('/sys/fs/bpf/firewall');
   * await link.update(newer.program('firewall', Xdp));
   * await link.close();   // still attached, by the pin
   * ```
   */
  static open<L extends Link>(this: LinkKind<L>, source: ObjectSource): L {
    return openLinkAs(this, source);
  }

  /** Name of the attached program, or of the map of a structure of operations. */
  get program(): string {
    return this.#program;
  }

  /** True after {@link detach} or {@link close}. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** The files that pin this link: the one by which it was opened, and those that {@link pin} made. */
  get pins(): readonly string[] {
    return [...this.#pins];
  }

  /**
   * What the kernel says about this link: id, type, program id and where it is attached. A system call, or a few for names
   * and lists. Least kernel: 5.8.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED` after the link was closed; {@link UnsupportedError} for an attachment
   * that is no kernel link.
   */
  info(): LinkInfo {
    return objectInfo(this.kernelLink, 'link');
  }

  /**
   * Whether the program still runs there: an interface or cgroup that is removed takes what is attached to it, others can detach,
   * and the link stays. Of kinds of which the kernel does not tell it is true as long as the link is there. A few system calls.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`.
   *
   * @example
   * ```js
   * if (!(await Link.open('/sys/fs/bpf/firewall').isAttached())) console.error('the interface is gone');
   * ```
   */
  async isAttached(): Promise<boolean> {
    this.requireOpen();
    if (this.#withoutLink === undefined) return isLinkAttached(objectInfo(this.kernelLink, 'link'));
    return (await this.#ways.isAttached?.()) ?? true;
  }

  /**
   * Keeps the link attached beyond this process, by a file in a BPF file system (`/sys/fs/bpf`). The file is made
   * with mode 0600. Warns, by `process.emitWarning`, of maps that lose what they hold unless they are pinned too: program
   * arrays, and maps with timers. Least kernel: 5.7.
   *
   * Where the kernel has no link, of filters of `clsact` and of programs in an {@link XdpDispatcher}, a symbolic link is made there
   * that says what is attached where, for {@link open}: closing this then leaves the program attached, and {@link detach} takes it
   * off, in whatever process. Only `detach` does: removing the file alone leaves the program attached.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`; {@link KernelError} such as EEXIST, or ENOENT when the folder is
   * missing or is not in a BPF file system; {@link UnsupportedError} for other attachments that are no kernel link, and for
   * interfaces of a network namespace that was given by a descriptor.
   */
  pin(path: string): void {
    if (this.#note === undefined) pin(this.kernelLink, path);
    else {
      this.requireOpen();
      pinNote(this.#note, path);
    }
    this.#pins.add(path);
    const programId = this.#note?.programIds[0] ?? this.info().programId;
    warnOfShortLivedMapsOf(`the link of program ${quote(this.program)}`, programId);
  }

  /** Takes note that a pin is elsewhere now. @internal */
  movePin(from: string, to: string): void {
    if (this.#pins.delete(from)) this.#pins.add(to);
  }

  /** Removes the file at `path`, or all that {@link pin} made. The link then lasts as long as this process holds it. */
  unpin(path?: string): void {
    const paths = path === undefined ? [...this.#pins] : [path];
    for (const each of paths) {
      if (!this.#pins.has(each)) {
        throw UsageError.notFound(`pin of the link of program ${quote(this.program)}`, each, this.#pins);
      }
      // Someone may have removed it already.
      rmSync(each, { force: true });
      this.#pins.delete(each);
    }
  }

  /**
   * Lets go of the link: the program stops being called, unless the link is pinned. Resolves when the kernel is done,
   * which can take 200 ms. May be called again.
   */
  async close(): Promise<void> {
    const isKept = this.#note !== undefined && this.#pins.size > 0;
    this.#closing ??= this.#close(isKept ? this.#ways.leave : this.#ways.detach);
    return this.#closing;
  }

  /**
   * Ends the attachment, removes the files of {@link pins} and closes the link. Where the kernel can end it (links of
   * cgroups, network namespaces and interfaces, netfilter, maps of sockets and structures of operations), that is so for everyone: other
   * pins and processes keep a link that is attached nowhere. Elsewhere the program stops being called once nobody else holds
   * the link. May be called again.
   */
  async detach(): Promise<void> {
    if (!this.closed && this.#handle?.kind === 'link' && this.#withoutLink === undefined)
      await detachLink(this.#handle);
    if (this.#withoutLink !== undefined) {
      // By its pin it can be found until it is gone.
      if (this.#pins.size > 0 && this.#note !== undefined) this.requireOpen();
      this.#closing ??= this.#close(this.#ways.undo ?? this.#ways.detach);
      await this.#closing;
    }
    this.unpin();
    await this.close();
  }

  /** {@link close} at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Throws when this is closed. @internal */
  protected requireOpen(): void {
    if (this.closed) throw UsageError.closed(`the link of program ${quote(this.program)} to ${this.target}`);
  }

  /** {@link info} of a class whose links are all of one kind. @internal */
  protected infoOf<Kind extends LinkInfo['kind']>(kind: Kind): Extract<LinkInfo, { readonly kind: Kind }> {
    const info = objectInfo(this.kernelLink, 'link');
    if (isOfKind(info, kind)) return info;
    throw new Error(`a ${this.constructor.name} is a link of kind ${info.kind}`);
  }

  /** The kernel's link. Throws when this is closed, or is no kernel link. @internal */
  protected get kernelLink(): Handle {
    this.requireOpen();
    const { feature, explanation, since } = this.#withoutLink ?? {};
    if (this.#handle !== undefined && feature === undefined) return this.#handle;
    throw new UnsupportedError(feature ?? 'a kernel link', explanation ?? 'there is none', {
      ...(since === undefined ? {} : { since }),
    });
  }

  /** Attaches `program` by `change`. What is pinned in place of a kernel link names both meanwhile. @internal */
  protected async replacing(program: LinkableProgram, handle: Handle, change: () => Promise<void>): Promise<void> {
    const note = this.#note;
    if (note === undefined) {
      await change();
      return;
    }
    const { id } = objectInfo(handle, 'program');
    this.#renote({ ...note, programIds: [...note.programIds, id] });
    try {
      await change();
    } catch (error) {
      this.#renote(note);
      throw error;
    }
    this.#renote({ ...note, program: program.name, programIds: [id] });
  }

  /** Takes note that another program is attached now. Its owner owns the link from now on. @internal */
  protected moveTo(program: LinkableProgram): void {
    // In this order: both programs may be of one owner.
    this.#onClose?.(this);
    const { owner, onClose } = program.keeperOf(this);
    this.#program = program.name;
    this.#onClose = onClose;
    if (attached.has(this)) attached.set(this, owner);
  }

  async #close(way: (() => Promise<void>) | undefined): Promise<void> {
    try {
      await (way ?? (async () => this.#handle?.closeAsync()))();
    } finally {
      attached.delete(this);
      this.#onClose?.(this);
    }
  }

  #renote(note: LinkNote): void {
    this.#note = note;
    for (const path of this.#pins) pinNote(note, path, { replace: true });
  }

  #inspect(): string {
    const state = this.closed ? ' (closed)' : this.#pins.size > 0 ? ` (pinned at ${[...this.#pins].join(', ')})` : '';
    return escapeControl(`${this.constructor.name} { ${inspect(this.program)} at ${inspect(this.target)}${state} }`);
  }
}

function isOfKind<Kind extends LinkInfo['kind']>(
  info: LinkInfo,
  kind: Kind,
): info is Extract<LinkInfo, { readonly kind: Kind }> {
  return info.kind === kind;
}

/** Of an interface, cgroup, namespace or map that is gone the kernel says 0. */
function isLinkAttached(info: LinkInfo): boolean {
  switch (info.kind) {
    case 'xdp':
    case 'tcx':
    case 'netkit':
      return info.interfaceIndex !== 0;
    case 'cgroup':
      return info.cgroupId !== 0n;
    case 'netns':
      return info.networkNamespace !== 0;
    case 'sockmap':
      return info.mapId !== 0;
    default:
      return true;
  }
}
