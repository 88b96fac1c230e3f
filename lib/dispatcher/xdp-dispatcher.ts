import { inspect } from 'node:util';

import { EbpfError, UsageError, quote } from '../errors/index.js';
import { explainPermission, networkNamespaceId, withInterface } from '../kernel/index.js';
import { DispatchedXdpLink, notablePlace, withPinnedNote, type LinkNote } from '../links/index.js';
import { interfaceTarget, Xdp, type InterfaceOptions } from '../programs/index.js';
import { openById } from '../sys/index.js';

import { changeDispatcher, lookAt, requirePresent, type DispatcherPlace } from './change-dispatcher.js';
import { componentOf, type Component } from './component.js';
import { dispatchedAttachment, type Last } from './dispatched-attachment.js';
import { defaultVersion, knownVersions } from './dispatcher-config.js';
import { DispatcherFolder } from './dispatcher-folder.js';
import { actionsOf, bitsOf, type XdpAction } from './xdp-actions.js';

/** Which interface's dispatcher. */
export interface XdpDispatcherOptions extends InterfaceOptions {
  /** The mode to attach in. Default: that of what is attached already, else the kernel's choice, native where the driver can. */
  readonly mode?: 'native' | 'generic' | undefined;
  /**
   * Of the protocol, for a dispatcher where there is none yet: 2, or 3, which libxdp knows from 1.6 on and then wants for adding
   * programs. A dispatcher that is there keeps its version. Default: 2.
   */
  readonly version?: 2 | 3 | undefined;
  /** Where the BPF file system is that has the dispatchers. Default: `$LIBXDP_BPFFS`, else `/sys/fs/bpf`. */
  readonly bpffs?: string | undefined;
}

/** How a program runs in a dispatcher. */
export interface DispatchOptions {
  /** Lower ones run first. Default: what `XDP_RUN_CONFIG` in the object says, else 50. */
  readonly priority?: number | undefined;
  /** After which of its results the next program runs. Default: what `XDP_RUN_CONFIG` says, else `['pass']`. */
  readonly continueOn?: readonly XdpAction[] | undefined;
  /**
   * Closing the link, or its {@link Ebpf}, leaves the program attached, for a later process: {@link XdpDispatcher.detach} takes it
   * off. Default: false.
   */
  readonly keep?: boolean | undefined;
  /**
   * Pins the link there, as {@link Link.pin} does: what a process attaches that is killed is found again by {@link Link.open}, and
   * nothing is ever attached that the pin does not name. Default: not pinned.
   */
  readonly pin?: string | undefined;
}

/** A program to be added to a dispatcher. */
export interface DispatchedProgram extends DispatchOptions {
  /** Of an object that was loaded with `dispatched`. */
  readonly program: Xdp;
}

/** What {@link XdpDispatcher.change} changes at once. */
export interface DispatcherChange {
  readonly attach?: readonly DispatchedProgram[] | undefined;
  /** Programs that are attached, by whomever. */
  readonly detach?: readonly { readonly programId: number }[] | undefined;
  /** Aborting it before the kernel took the change rejects with `signal.reason`; then nothing has changed. */
  readonly signal?: AbortSignal | undefined;
}

/** A program in a dispatcher. */
export interface DispatcherEntry {
  readonly programId: number;
  /** As the kernel has it: at most 15 characters. */
  readonly name: string;
  readonly priority: number;
  readonly continueOn: readonly XdpAction[];
  /** Whether it takes packets in several buffers (`xdp.frags`). */
  readonly fragments: boolean;
}

/** The dispatcher of an interface. */
export interface DispatcherState {
  /** Its own program. */
  readonly programId: number;
  readonly mode: 'native' | 'generic';
  /** Of the protocol: 2, or 3 for what libxdp 1.6 made. */
  readonly version: number;
  /** In the order in which they run. */
  readonly programs: readonly DispatcherEntry[];
}

/**
 * Several XDP programs on one interface, in libxdp's protocol: a dispatcher is attached, which calls the programs one after the other
 * in the order of their priorities, as long as their results say so. Every change puts a new dispatcher in the place of the old one,
 * at once for all packets. Other users of the protocol, such as `xdp-loader`, see and change the same dispatcher.
 *
 * Programs are loaded for it, by the option `dispatched` of {@link Ebpf.load}. All of it is pinned below `/sys/fs/bpf/xdp` and stays
 * when the process ends without closing the links. A process that is killed in the middle of a change leaves the old dispatcher or
 * the new one, whole; the pins of the other go at the next change or {@link query} of the interface. Needs CAP_NET_ADMIN, CAP_BPF and
 * CAP_PERFMON; also CAP_SYS_ADMIN, since libxdp's protocol pins all but the dispatcher itself, which is opened by its id; and a kernel
 * with BTF and a JIT. Least kernel: 5.10.
 *
 * @example
 * ```js
 * const ebpf = await Ebpf.load('firewall.bpf.o', { dispatched: true });
 * const dispatcher = new XdpDispatcher({ interface: 'eth0' });
 * const link = await dispatcher.attach(ebpf.program('firewall', Xdp), { priority: 10 });
 * ```
 */
export class XdpDispatcher {
  readonly #target: ReturnType<typeof interfaceTarget>;
  readonly #mode: 'native' | 'generic' | undefined;
  readonly #version: number;
  readonly #folder: DispatcherFolder;

  /** @throws {@link UsageError} for options that cannot be, and when there is no BPF file system. */
  constructor(options: XdpDispatcherOptions) {
    this.#target = interfaceTarget('xdp dispatcher of', options);
    const { mode, version = defaultVersion } = options;
    const modes: readonly unknown[] = [undefined, 'native', 'generic'];
    if (!modes.includes(mode)) {
      throw UsageError.invalidValue('mode', `must be 'native' or 'generic', not ${inspect(mode)}`);
    }
    if (!knownVersions.includes(version)) {
      throw UsageError.invalidValue('version', `must be 2 or 3, not ${inspect(version)}`);
    }
    this.#mode = mode;
    this.#version = version;
    this.#folder = new DispatcherFolder(options.bpffs);
  }

  /**
   * Adds a program. With the same priority as others it runs by the order of their names.
   *
   * @throws {@link UsageError} when the program was not loaded for a dispatcher; `ERR_EBPF_BUSY` when another XDP program is
   * attached alone, when there are ten programs, or it is one of them; {@link UnsupportedError} for a dispatcher of another
   * version; {@link PermissionError}; {@link KernelError}.
   */
  async attach(
    program: Xdp,
    options: DispatchOptions & { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<DispatchedXdpLink> {
    const { signal, ...dispatch } = options;
    const [link] = await this.change({ attach: [{ program, ...dispatch }], signal });
    if (link === undefined) throw new TypeError('a change makes a link of each program');
    return link;
  }

  /** Takes a program off, whoever attached it. */
  async detach(program: { readonly programId: number }): Promise<void> {
    await this.change({ detach: [program] });
  }

  /**
   * Adds and takes off several programs at once: no packet passes some of them. Resolves with the links of those added, in
   * their order.
   *
   * @throws As {@link attach}; `ERR_EBPF_NOT_FOUND` when a program to be taken off is not there. Then nothing has changed.
   */
  async change({ attach = [], detach = [], signal }: DispatcherChange): Promise<DispatchedXdpLink[]> {
    signal?.throwIfAborted();
    const added = attach.map(newComponent);
    const removed = new Set(detach.map(({ programId }) => programId));
    return this.#withPlace(async (place) => {
      for (const { id } of added.slice(0, 1)) requireIds(id);
      const last: Last = { id: 0 };
      const notes = added.map(({ id }, index) => this.#noteOf(place, id, attach[index]?.program.name ?? ''));
      const exchange = async (): Promise<DispatchedXdpLink[]> => {
        last.id = await changeDispatcher(
          place,
          (present) => {
            requirePresent(present, removed);
            requireAbsent(present, added, place.words);
            return [...present.filter(({ id }) => !removed.has(id)), ...added];
          },
          signal,
        );
        return Promise.all(
          added.map(async (component, index) => {
            const { program, keep = false, pin } = attach[index] ?? {};
            if (program === undefined) throw new TypeError('each has its program');
            const made = dispatchedAttachment(place, { component, last, keep });
            const pinned = { note: notes[index], pins: pin === undefined ? [] : [pin] };
            return program.attachedBy(DispatchedXdpLink, { ...made, ...pinned }, place.words, signal);
          }),
        );
      };
      // One within the other: what is attached is pinned, and all pins go when it is not.
      const pinned = attach.reduce(
        (inner, { pin }, index) =>
          async () =>
            withPinnedNote(notes[index], pin, inner),
        exchange,
      );
      return pinned();
    });
  }

  /** What is attached, by whomever; undefined when there is no dispatcher. */
  async query(): Promise<DispatcherState | undefined> {
    return this.#withPlace(async (place) => {
      const present = await lookAt(place);
      if (present === undefined) return undefined;
      const { id: programId, mode, version, components } = present;
      const programs = components.map(({ id, name, priority, continueOn, fragments }) => ({
        programId: id,
        name,
        priority,
        continueOn: actionsOf(continueOn),
        fragments,
      }));
      return { programId, mode: mode === 'generic' ? mode : 'native', version, programs };
    });
  }

  /** For another process; undefined where it would not find the interface. */
  #noteOf(place: DispatcherPlace, programId: number, program: string): LinkNote | undefined {
    const found = notablePlace(place.index, this.#target.netns);
    const { words, folder } = place;
    const programIds = [programId];
    return found && { kind: 'dispatched-xdp', program, target: words, programIds, ...found, bpffs: folder.root };
  }

  async #withPlace<Result>(use: (place: DispatcherPlace) => Promise<Result>): Promise<Result> {
    const { interface: name, netns, words } = this.#target;
    try {
      return await withInterface(name, netns, async ({ index, networkNamespace }) =>
        use({
          index,
          networkNamespace,
          namespaceId: networkNamespaceId(netns),
          folder: this.#folder,
          mode: this.#mode,
          version: this.#version,
          words,
        }),
      );
    } catch (error) {
      if (!EbpfError.is(error) || (error.errnoName !== 'EPERM' && error.errnoName !== 'EACCES')) throw error;
      if (error.code === 'ERR_EBPF_PERMISSION') throw error;
      const capabilities = ['CAP_NET_ADMIN', 'CAP_BPF', 'CAP_PERFMON', 'CAP_SYS_ADMIN'] as const;
      throw explainPermission(error, { what: `change the ${words}`, capabilities });
    }
  }
}

/** Without the right to open by id a first dispatcher could be made, but neither be changed nor taken off again. */
function requireIds(programId: number): void {
  openById('program', programId).close();
}

function newComponent({ program, priority, continueOn }: DispatchedProgram, index: number): Component {
  const path = `attach[${index}]`;
  if (!(program instanceof Xdp)) {
    throw UsageError.invalidValue(
      `${path}.program`,
      `must be a program of class Xdp, not ${inspect(program, { depth: 0 })}`,
    );
  }
  const { dispatch } = program;
  if (dispatch === undefined) {
    const problem = `${quote(program.name)} was not loaded for a dispatcher: Ebpf.load(…, { dispatched: [${quote(program.name)}] })`;
    throw UsageError.invalidValue(`${path}.program`, problem);
  }
  if (priority !== undefined && !(Number.isInteger(priority) && priority >= 0 && priority <= 0xffff_ffff)) {
    throw UsageError.invalidValue('priority', `must be a whole number from 0, not ${inspect(priority)}`);
  }
  return componentOf(program.handle, {
    priority: priority ?? dispatch.priority,
    continueOn: continueOn === undefined ? dispatch.continueOn : bitsOf('continueOn', continueOn),
    fragments: dispatch.fragments,
  });
}

function requireAbsent(present: readonly Component[], added: readonly Component[], words: string): void {
  const ids = new Set(present.map(({ id }) => id));
  for (const { id, name } of added) {
    if (ids.has(id)) throw UsageError.busy(words, `program ${quote(name)} is attached there already`);
    ids.add(id);
  }
}
