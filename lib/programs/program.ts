import { unlinkSync } from 'node:fs';
import { inspect } from 'node:util';

import { type AttachType, ProgramType } from '../abi/index.js';
import type { Codec } from '../codec/index.js';
import { UnsupportedError, UsageError, escapeControl, quote } from '../errors/index.js';
import type { Link, LinkDetails, LinkKeeper, RecordCodec } from '../links/index.js';
import type { ProgramSpec } from '../object/index.js';
import { pin, programTypeName, warnOfShortLivedMaps, type ObjectSource } from '../kernel/index.js';
import { memoryUsage, objectInfo, openPinned, type Handle, type ProgramInfo } from '../sys/index.js';

import type { MachineCode, TranslatedCode } from './code.js';
import { openProgramAs, type OpenProgramOptions } from './open-program.js';
import type { ProgramKind } from './program-kind.js';
import { machineCode, translatedCode } from './read-code.js';
import type { DispatchDefaults } from './dispatched.js';
import type { LoadDevice } from './program-device.js';
import { ProgramStream, type ProgramStreamName, type ProgramStreamOptions } from './program-stream.js';
import { runTest, type TestRunOptions, type TestRunResult } from './test-run.js';

/** What a program is made from. @internal */
export interface ProgramDetails {
  readonly handle: Handle;
  readonly spec: Pick<ProgramSpec, 'name' | 'section' | 'kind' | 'type' | 'attachType' | 'attachTo' | 'autoAttach'>;
  /** What the verifier wrote as it took the program; empty when it was not asked to. */
  readonly verifierLog: string;
  /** Kept alive by the program's links: whoever owns the program's maps. */
  readonly owner: object;
  /** Of a program that was opened: the classes that it may be of. */
  readonly mayBe?: readonly string[] | undefined;
  /** Of an XDP program that was loaded for a dispatcher. */
  readonly dispatch?: DispatchDefaults | undefined;
  /** Of an XDP program that was loaded for an interface. */
  readonly device?: LoadDevice | undefined;
  /** The maps of its object, by their names in it. */
  readonly maps?: ReadonlyMap<string, Handle> | undefined;
  /** Told of each new link. */
  readonly onAttach: (link: Link) => void;
  /** Told of each link that is gone. */
  readonly onDetach: (link: Link) => void;
  /** How records that the program writes are decoded, by the object's types. */
  readonly recordCodec?: RecordCodec | undefined;
  /** The codec of the struct that the program's first parameter points to, by the object's types; undefined when it is none. */
  readonly contextCodec?: (() => Codec<unknown> | undefined) | undefined;
}

/** An attachment that is no kernel link. @internal */
export type AttachmentWithoutLink = Required<Pick<LinkDetails, 'withoutLink' | 'detach' | 'survivesProcess'>> &
  Pick<LinkDetails, 'undo' | 'note' | 'leave' | 'isAttached' | 'pins'> & {
    readonly detach: () => Promise<void>;
  };

/** An attachment by a kernel link, with what else its object is made from. @internal */
export interface AttachmentByHandle {
  readonly handle: Handle;
}

/** What every attach takes. */
export interface AttachOptions {
  /** Aborting it before the kernel attached the program rejects with `signal.reason`; then nothing is attached. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A loaded program. How it is attached depends on its type: each has a class that extends this one, such as {@link Tracepoint},
 * {@link Kprobe}, {@link Xdp} or {@link CgroupSkb}. Programs of types without one are plain `Program`s, to run, inspect and pin.
 *
 * @example
 * ```js
 * const program = ebpf.program('handle_exec', BtfTracepoint);
 * await using link = await program.attach();
 * console.log(program.info().verifiedInstructions);
 * ```
 */
export class Program {
  /** The C function's name. */
  readonly name: string;
  /** The ELF section as written in the source: `tp_btf/sched_process_exec`. */
  readonly section: string;
  /** The kernel's number of the type: a value of {@link ProgramType}. */
  readonly type: ProgramType;
  /** `expected_attach_type` of the load: a value of {@link AttachType}. */
  readonly attachType: AttachType;
  /** What the section says about where the program belongs: `sched/sched_process_exec`; undefined when it says nothing. */
  readonly attachTo: string | undefined;
  /**
   * What the verifier wrote as it took the program, as the load's option `verifierLog` asked; empty by default. The
   * kernel's own words, with lines of the source: text to show, not to rely on, which differs from kernel to kernel.
   */
  readonly verifierLog: string;

  readonly #details: ProgramDetails;
  readonly #links = new Set<Link>();

  static {
    Object.defineProperty(Program.prototype, inspect.custom, {
      value(this: Program): string {
        return this.#inspect();
      },
    });
  }

  /** @internal */
  constructor(details: ProgramDetails) {
    const { spec } = details;
    this.name = spec.name;
    this.section = spec.section;
    this.type = spec.type;
    this.attachType = spec.attachType;
    this.attachTo = spec.attachTo;
    this.verifierLog = details.verifierLog;
    this.#details = details;
  }

  /**
   * Opens a program that is loaded already: by the path of a pin, by `{ id }`, or by `{ descriptor }`, which is copied and stays
   * yours. `Xdp.open` gives that class and refuses programs of others. `Program.open` gives the class that the kernel's answers leave:
   *
   * - of TRACING, from Linux 5.18 on, {@link BtfTracepoint}, {@link IteratorProgram} or {@link FunctionProgram}, which attaches as
   *   what was loaded, `fentry`, `fexit`, `fmod_ret` or `fsession`: that the kernel does not tell;
   * - of KPROBE {@link KprobeSession} and {@link UprobeSession}. All others may be attached in several ways, and only you know which
   *   is meant: a plain `Program` comes back, whose `attach` names them. Open it as one of them: `Kretprobe.open(…)`;
   * - of other types their only class.
   *
   * `section` is then one that it could have been in, and `attachTo` what it was loaded for. A few system calls; for a program of
   * TRACING or LSM, once, ten milliseconds to read the kernel's types.
   *
   * @throws {@link UsageError} when it is another kind of object, or of program; {@link PermissionError}: ids need
   * CAP_SYS_ADMIN; {@link KernelError} ENOENT when there is none.
   *
   * @example
   * ```js
   * using firewall = Xdp.open('/sys/fs/bpf/firewall');
   * const link = await firewall.attach({ interface: 'veth0' });
   * ```
   */
  static open<P extends Program>(this: ProgramKind<P>, source: ObjectSource, options?: OpenProgramOptions): P {
    return openProgramAs(this, source, options);
  }

  /** True after {@link close}. Links that were made before keep the program running. */
  get closed(): boolean {
    return this.#details.handle.closed;
  }

  /** The links that attach this program now, made through this object. */
  get links(): readonly Link[] {
    return [...this.#links];
  }

  /** The classes that an opened program may be of. @internal */
  get mayBe(): readonly string[] {
    return this.#details.mayBe ?? [];
  }

  /** @internal */
  get handle(): Handle {
    if (this.closed) throw UsageError.closed(`program ${quote(this.name)}`);
    return this.#details.handle;
  }

  /** Why `ebpf.attach()` leaves this program alone, or undefined when its section says where it belongs. @internal */
  get autoAttachObstacle(): string | undefined {
    if (!this.#details.spec.autoAttach) return 'its specification turns automatic attaching off';
    if (this.#links.size > 0) return 'it is attached already';
    return this.sectionObstacle();
  }

  /**
   * Attaches the program. The base class cannot: the program's own class says how.
   *
   * @throws {@link UnsupportedError} for a program type that this version cannot attach.
   */
  async attach(options: AttachOptions = {}): Promise<Link> {
    options.signal?.throwIfAborted();
    if (this.section === '') {
      const ways = this.mayBe.map((name) => `${name}.open(…)`).join(' or ');
      const problem = `several classes attach programs of type ${programTypeName(this.type)}; open it as one of them: ${ways}`;
      if (ways !== '') throw UsageError.invalidValue(`program ${quote(this.name)}`, problem);
    }
    const where = this.section === '' ? '' : ` in section ${quote(this.section)}`;
    const error = new UnsupportedError(
      `attaching programs of type ${programTypeName(this.type)}`,
      `program ${quote(this.name)}${where} can be loaded and run with testRun(), but not attached by this version`,
    );
    return Promise.reject(error);
  }

  /**
   * Runs the program on made-up input, without attaching it, off the event loop. Which types can and what they take
   * depends on the kernel: XDP, traffic control, socket filters and others of packets take `data`, and members of their context by
   * name; raw tracepoints and programs of struct_ops take arguments as `context`. Least kernel: 4.12; what takes a newer one is
   * said at the types.
   *
   * @throws {@link KernelError} ENOTSUPP for types that cannot be run; {@link UsageError} `ERR_EBPF_INVALID_VALUE` for data that
   * is no packet and for what the kernel does not take in a context, `ERR_EBPF_NOT_FOUND` for members of it that there are not,
   * `ERR_EBPF_CLOSED`.
   *
   * @example
   * ```js
   * const { returnValue, dataOut } = await ebpf.program('firewall', Xdp).testRun({ data: packet, repeat: 1000 });
   * const { context } = await ebpf.program('mark', Tc).testRun({ data: packet, context: { mark: 7, ifindex: 1 } });
   * console.log(context.mark);
   * ```
   */
  async testRun(options: TestRunOptions = {}): Promise<TestRunResult> {
    return runTest(this.handle, this.type, options);
  }

  /**
   * What the program writes with `bpf_stream_printk()`, and the kernel about it on `'stderr'`. Least kernel: 6.17.
   *
   * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` for another name, `ERR_EBPF_CLOSED`; on reading
   * {@link UnsupportedError}.
   *
   * @example
   * ```js
   * for await (const text of program.stream('stderr', { signal })) process.stderr.write(escapeControl(text));
   * ```
   */
  stream(name: ProgramStreamName, options: ProgramStreamOptions = {}): ProgramStream {
    return new ProgramStream(this.name, this.handle, name, options);
  }

  /** What the kernel says about this program: id, tag, maps, sizes, run statistics. A few system calls. */
  info(): ProgramInfo {
    return objectInfo(this.handle, 'program');
  }

  /**
   * Bytes of memory that the program takes in the kernel, without its maps: whole pages of what the verifier left. Reads `memlock` in
   * /proc/self/fdinfo. Least kernel: 4.10.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`; {@link UnsupportedError} where /proc is not mounted.
   */
  memoryUsage(): number {
    return memoryUsage(this.handle);
  }

  /**
   * Keeps the program loaded beyond this process, by a file in a BPF file system (`/sys/fs/bpf`), made with mode 0600. It
   * does not keep it attached: pin the link for that. Warns, by `process.emitWarning`, of maps that lose what they hold unless
   * they are pinned too: program arrays, and maps with timers.
   *
   * @throws `ERR_EBPF_INVALID_VALUE` when the folder is not in a BPF file system;
   * {@link KernelError} such as EEXIST.
   */
  pin(path: string): void {
    pin(this.handle, path);
    warnOfShortLivedMaps(`program ${quote(this.name)}`, this.info().mapIds);
  }

  /**
   * Removes a pin of this program; the program itself lives on.
   *
   * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when something else is pinned at `path`; {@link KernelError} such as
   * ENOENT.
   */
  unpin(path: string): void {
    const pinned = openPinned(path, 'program');
    try {
      if (objectInfo(pinned, 'program').id !== this.info().id) {
        const problem = `${quote(path)} is a pin of another program, not of ${quote(this.name)}`;
        throw UsageError.invalidValue('path', problem);
      }
    } finally {
      pinned.close();
    }
    unlinkSync(path);
  }

  /**
   * The program's instructions as the verifier left them, with its functions and lines of C; `String(…)` prints them. Needs
   * CAP_BPF, and reads the names of helpers out of /proc/kallsyms, off the event loop.
   *
   * @throws {@link PermissionError} when the kernel keeps them from this process; {@link UsageError} `ERR_EBPF_CLOSED`.
   *
   * @example
   * ```js
   * console.log(String(await program.translatedCode()));
   * // handle_exec:
   * // ; pid = bpf_get_current_pid_tgid() >> 32; @ execsnoop.bpf.c:41
   * //    0: (85) call bpf_get_current_pid_tgid
   * ```
   */
  async translatedCode(): Promise<TranslatedCode> {
    return translatedCode(this.handle, this.name);
  }

  /**
   * The machine code that the kernel's compiler made, by functions, with where they are and the lines of C; `String(…)` prints it
   * in hexadecimal digits.
   *
   * @throws {@link PermissionError} when the kernel keeps it from this process, as `kernel.kptr_restrict` says;
   * {@link UnsupportedError} when the program is interpreted; {@link UsageError} `ERR_EBPF_CLOSED`.
   */
  machineCode(): MachineCode {
    return machineCode(this.handle, this.name);
  }

  /** Lets go of the program. It lasts while a link, a pin or another process holds it. May be called again. */
  close(): void {
    this.#details.handle.close();
  }

  /** {@link close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Why the section does not say where the program is to be attached, or undefined when it does. @internal */
  protected sectionObstacle(): string | undefined {
    if (this.type === ProgramType.STRUCT_OPS) return 'its map attaches it: ebpf.map(name, StructOps).attach()';
    return `this version cannot attach programs of type ${programTypeName(this.type)}`;
  }

  /** @internal */
  protected get recordCodec(): RecordCodec | undefined {
    return this.#details.recordCodec;
  }

  /** The codec of the struct that its C function takes by a pointer, or undefined when that is not known. @internal */
  protected get contextCodec(): Codec<unknown> | undefined {
    return this.#details.contextCodec?.();
  }

  /** Whoever owns the program's maps. @internal */
  protected get owner(): object {
    return this.#details.owner;
  }

  /** The maps of the program's object, by their names in it. @internal */
  protected get objectMaps(): ReadonlyMap<string, Handle> {
    return this.#details.maps ?? new Map<string, Handle>();
  }

  /** Takes over a link that attaches this program from now on. @internal */
  keeperOf(link: Link): LinkKeeper {
    this.#keep(link);
    return { owner: this.#details.owner, onClose: this.#forget };
  }

  /**
   * Makes the link of an attachment that the kernel has just made, a handle of it or how to end it; undoes it when it is no
   * longer wanted. @internal
   */
  protected async attached<L extends Link>(
    kind: new (details: LinkDetails) => L,
    made: Handle | AttachmentByHandle | AttachmentWithoutLink,
    target: string,
    signal: AbortSignal | undefined,
    details: Pick<LinkDetails, 'functions' | 'places' | 'probes' | 'release'> = {},
  ): Promise<L> {
    const attachment = 'withoutLink' in made || 'handle' in made ? made : { handle: made };
    if (signal?.aborted === true || this.closed) {
      if ('withoutLink' in attachment) await (attachment.undo ?? attachment.detach)();
      else await attachment.handle.closeAsync();
      signal?.throwIfAborted();
      throw UsageError.closed(`program ${quote(this.name)}`);
    }
    const { owner } = this.#details;
    const link = new kind({
      handle: undefined,
      ...details,
      ...attachment,
      program: this.name,
      target,
      owner,
      onClose: this.#forget,
    });
    this.#keep(link);
    return link;
  }

  #keep(link: Link): void {
    this.#links.add(link);
    this.#details.onAttach(link);
  }

  readonly #forget = (link: Link): void => {
    this.#links.delete(link);
    this.#details.onDetach(link);
  };

  #inspect(): string {
    const links =
      this.#links.size === 0 ? '' : `, attached to ${[...this.#links].map(({ target }) => target).join(', ')}`;
    const state = this.closed ? ', closed' : '';
    return escapeControl(
      `${this.constructor.name} { ${inspect(this.name)}, SEC(${quote(this.section)})${links}${state} }`,
    );
  }
}
