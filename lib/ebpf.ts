import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';

import { dispatchedPrograms } from './dispatcher/index.js';
import { AttachError, EbpfError, UsageError, escapeControl, quote } from './errors/index.js';
import {
  attachChannel,
  loadChannel,
  type AttachMessage,
  type EventReader,
  type LoadMessage,
  type LogRecord,
} from './events/index.js';
import { gatherFacts, requireLinux, withToken } from './kernel/index.js';
import type { Link } from './links/index.js';
import { applyOptions, requireLoadable, type LoadOptions, type LoadSource } from './load-options.js';
import { LiveParts } from './live-parts.js';
import { loadParts, type LoadedParts } from './load-parts.js';
import { typesOf } from './load-targets.js';
import { openLogs, type LogOptions } from './logs.js';
import { EventMap, variableValues, type BpfMap, type MapKind, type MemoryUsageOptions } from './maps/index.js';
import type { Variable } from './maps/index.js';
import { LOG_RING, type ObjectSpec, type ProgramSpec } from './object/index.js';
import { memoryOf, pinAll, type PinOptions } from './pin-folder.js';
import { programAs, withDevices, type AttachOptions, type Program, type ProgramKind } from './programs/index.js';
import { readSource } from './read-source.js';
import { isOfProgramAlone, needs, relocate } from './relocate/index.js';
import type { Handle } from './sys/index.js';
import type { AnyShape, Shape, VariableValues } from './shape.js';

/** What {@link Ebpf.attach} did. */
export interface Attachment {
  /** One per attached program, in the object's order. */
  readonly links: readonly Link[];
  /** The programs that were left alone, each with the reason. */
  readonly unattached: readonly Unattached[];
}

/** A program that {@link Ebpf.attach} left alone. */
export interface Unattached {
  /** The program. */
  readonly program: Program;
  /** Why: `its section "raw_tp" names no tracepoint`. */
  readonly reason: string;
  /** Of an optional program that could not be attached: what its own `attach` throws. */
  readonly error?: EbpfError | undefined;
}

/** A program that {@link Ebpf.load} was to load if possible, and left out. */
export interface Unloaded {
  /** The program as the object has it. */
  readonly program: ProgramSpec;
  /** Why this kernel does not take it. */
  readonly error: EbpfError;
}

/**
 * A loaded object: its maps, programs and variables in the kernel, and the links that attach the programs. It owns what
 * was made through it: {@link close} ends readers, links, programs and maps. What is pinned lives on.
 *
 * @example
 * ```js
 * const ebpf = await Ebpf.load('execsnoop.bpf.o', { variables: { target_uid: 1000 } });
 * try {
 *   await ebpf.attach();
 *   for await (const event of ebpf.map('events', RingBuffer.of('event')).read({ signal })) console.log(event);
 * } finally {
 *   await ebpf.close();
 * }
 * ```
 */
export class Ebpf<S extends Shape = AnyShape> {
  /** The object's name. */
  readonly name: string;
  readonly #loaded: LoadedParts;
  #live: LiveParts | undefined;
  readonly #links = new Set<Link>();
  #attaching: Promise<unknown> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #variables: Record<string, unknown> | undefined;

  static {
    Object.defineProperty(Ebpf.prototype, inspect.custom, {
      value(this: Ebpf): string {
        return this.#inspect();
      },
    });
  }

  private constructor(loaded: LoadedParts) {
    this.name = loaded.spec.name;
    this.#loaded = loaded;
  }

  /**
   * Parses, relocates and loads an object. Nothing is attached yet. Waiting is off the event loop. A failure leaves
   * nothing behind.
   *
   * @param source - A path, a `file:` URL, the bytes of an object or an {@link ObjectSpec}, which is not changed.
   *
   * @throws {@link ObjectFormatError} when the bytes are no BPF object; {@link UsageError} when an option names
   * something that the object has not, or gives a value that does not fit; {@link RelocationError} when the object does
   * not fit this kernel; {@link VerifierError} when the verifier refuses a program; {@link PermissionError};
   * {@link UnsupportedError} when the kernel or the platform cannot do it.
   */
  static async load<S extends Shape = AnyShape>(source: LoadSource, options: LoadOptions = {}): Promise<Ebpf<S>> {
    const { signal } = options;
    // The clock is asked only where it is told: `performance` is a module that takes Node a millisecond to load.
    const started = loadChannel.hasSubscribers ? performance.now() : undefined;
    signal?.throwIfAborted();
    const spec = await readSource(source, options);
    const { reused, targets, verifierLogs, devices } = applyOptions(spec, options);
    requireLoadable(spec);
    // What few loads need is not even read by the others.
    const dispatched =
      options.dispatched === undefined ? new Map<string, never>() : dispatchedPrograms(spec, options.dispatched);
    const both = [...devices.keys()].find((name) => dispatched.has(name));
    if (both !== undefined)
      throw UsageError.invalidValue(`programs.${both}.device`, 'dispatchers run at any interface');
    requireLinux();
    const wanted = needs(spec);
    // Between two steps that take this thread's time, others get theirs.
    await nextTurn();
    const { verifierLog = 'failure', kernelBtf, kconfig } = options;
    const load = async (token?: Handle): Promise<LoadedParts> => {
      const facts = await gatherFacts(wanted, { signal, kernelBtf, kconfig, token, targets: typesOf(targets) });
      const plan = relocate(spec, facts);
      for (const warning of plan.warnings) process.emitWarning(warning, { type: 'EbpfWarning', code: 'EBPF_LOAD' });
      await nextTurn();
      const logs = { verifierLog, verifierLogs };
      const context = { reused, targets, decode: options, ...logs, dispatched, token, signal };
      if (devices.size === 0) return loadParts(spec, plan, { ...context, devices: new Map() });
      return withDevices(devices, async (found) => loadParts(spec, plan, { ...context, devices: found }));
    };
    const parts = options.token === undefined ? await load() : await withToken(options.token, load);
    const ebpf = new Ebpf<S>(parts);
    if (started !== undefined) ebpf.#publishLoad(performance.now() - started);
    return ebpf;
  }

  /** What was loaded, with the options written in. Editing it changes nothing that is loaded. */
  get spec(): ObjectSpec {
    return this.#parts.spec;
  }

  /** True once {@link Ebpf.close} was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** The maps in the object's order; data sections are maps too, named `.rodata`, `.data`, `.bss`. */
  get maps(): readonly BpfMap[] {
    return [...this.#parts.maps.values()];
  }

  /** The loaded programs in the object's order. */
  get programs(): readonly Program[] {
    return [...this.#parts.programs.values()];
  }

  /** The optional programs that this kernel does not take, in the object's order: what the load's option `optional` left out. */
  get unloaded(): readonly Unloaded[] {
    return [...this.spec.programs.values()].flatMap((program) => {
      const error = this.#loaded.leftOut.get(program.name);
      return error === undefined ? [] : [{ program, error }];
    });
  }

  /** The links that are attached now. */
  get links(): readonly Link[] {
    return [...this.#links];
  }

  /**
   * The map of that name, as a kind: `map('counts', HashMap)` decodes by the object's BTF, `map('counts', HashMap.of(u32,
   * Counts))` by declared types, which are checked against the BTF. Without a kind it is a {@link BpfMap}, to narrow with
   * `instanceof`. The same object each time.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` with the nearest names; `ERR_EBPF_INVALID_VALUE` when the map is of
   * another kind, its types differ, or it is already used with other types.
   */
  map<N extends keyof S['maps'] & string>(name: N): S['maps'][N];
  map<M extends BpfMap>(name: string, kind: MapKind<M>): M;
  map(name: string, kind?: MapKind<BpfMap>): BpfMap {
    const map = this.#parts.maps.get(name);
    if (map === undefined) throw UsageError.notFound(`map of ${quote(this.name)}`, name, this.#parts.maps.keys());
    return kind === undefined ? map : kind.from(map);
  }

  /**
   * The program of that name; with a class, as that class. The same object each time.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` with the nearest names, or why the load left the program out;
   * `ERR_EBPF_INVALID_VALUE` when the program is of another class.
   */
  program<N extends keyof S['programs'] & string>(name: N): S['programs'][N];
  program<P extends Program>(name: string, kind: ProgramKind<P>): P;
  program(name: string, kind?: ProgramKind<Program>): Program {
    const program = this.#parts.programs.get(name);
    if (program === undefined) {
      const cause = this.#loaded.leftOut.get(name);
      if (cause !== undefined) {
        const message = `program ${quote(name)} of ${quote(this.name)} was left out: ${cause.message}`;
        throw new UsageError(message, { code: 'ERR_EBPF_NOT_FOUND', cause });
      }
      const what = this.spec.programs.has(name) ? 'loaded program' : 'program';
      throw UsageError.notFound(`${what} of ${quote(this.name)}`, name, this.#parts.programs.keys());
    }
    return kind === undefined ? program : programAs(program, kind);
  }

  /**
   * The values of the global variables by name, read and written while programs run, without a system call. Constants
   * (`const volatile`) can be read. An unknown name is refused with the nearest ones, on reading and on writing.
   * Structs and arrays are frozen copies: to change one, assign a whole one. {@link Variable.value} says what is promised
   * of values that a program writes meanwhile.
   *
   * @throws {@link UsageError} on reading or writing: `ERR_EBPF_NOT_FOUND`; `ERR_EBPF_INVALID_VALUE` when the value is not
   * of the variable's type or the variable is constant; `ERR_EBPF_CLOSED`.
   *
   * @example
   * ```js
   * ebpf.variables.sampling = { rate: 100, burst: 10 };
   * const { events_seen, events_dropped } = ebpf.variables;
   * ```
   */
  get variables(): VariableValues<S> {
    this.#variables ??= variableValues(this.name, this.#parts.variables);
    return this.#variables as VariableValues<S>;
  }

  /**
   * The global variable of that name itself: its type, section and size. The same object each time.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` with the nearest names.
   */
  variable(name: keyof S['variables'] & string): Variable {
    const { variables } = this.#parts;
    const variable = variables.get(name);
    if (variable === undefined) throw UsageError.notFound(`variable of ${quote(this.name)}`, name, variables.keys());
    return variable;
  }

  /**
   * Attaches every program whose section says where, in the object's order. When one fails, those that this call attached
   * are detached again; an optional one that the kernel does not take is left in `unattached` instead.
   *
   * @throws {@link AttachError}, which names the program that failed and those that were detached again. Its code is that of its
   * cause: a {@link PermissionError}, {@link UsageError}, {@link UnsupportedError} or {@link KernelError}, whatever the failing
   * program's own `attach` throws.
   */
  async attach(options: AttachOptions = {}): Promise<Attachment> {
    // One after the other: a second call must see what the first attached.
    const attached = this.#attaching.then(async () => this.#attachAll(options));
    this.#attaching = attached.catch(() => undefined);
    return attached;
  }

  /**
   * Opens the one reader of what the programs log with the macros of `node_ebpf_log.h`. How much they log is the option
   * `logLevel` of {@link load}. Records that found no room are counted in `stats.dropped`. Least kernel: 5.8.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` when the object has no logs, `ERR_EBPF_INVALID_VALUE` when `level` is above
   * what it logs, `ERR_EBPF_BUSY` while there is another reader, `ERR_EBPF_CLOSED`; {@link ObjectFormatError} for a format
   * that does not fit its arguments, with file and line.
   *
   * @example
   * ```js
   * for await (const record of ebpf.logs({ signal })) console.error(formatLog(record));
   * ```
   */
  logs(options: LogOptions = {}): EventReader<LogRecord> {
    return openLogs(this.#loaded, this.#parts.maps.get(LOG_RING), options);
  }

  /**
   * Keeps all of it beyond this process, by a folder in a BPF file system that is made for it: maps, programs and the links that
   * are attached now, by their names in the folders `maps`, `programs` and `links`; for dots, which pins cannot have, stands `_`, and
   * links of one program are `name`, `name_2`. The folder, of mode 0700, is there in whole or not at all, and a note may be with it.
   * {@link PinFolder} opens it.
   *
   * @throws {@link UsageError} `ERR_EBPF_BUSY` when there is something at `folder`, `ERR_EBPF_INVALID_VALUE` when it is not in a BPF
   * file system, `ERR_EBPF_CLOSED`; {@link UnsupportedError} for a link that cannot be pinned; {@link KernelError}.
   *
   * @example
   * ```js
   * await ebpf.attach();
   * ebpf.pin('/sys/fs/bpf/firewall');
   * await ebpf.close();   // still attached
   * ```
   */
  pin(folder: string, options?: PinOptions): void {
    if (this.closed) throw UsageError.closed(`object ${quote(this.name)}`);
    pinAll(folder, this, options);
  }

  /**
   * Bytes of memory that its maps and programs take in the kernel; with `full` also what maps take as they fill.
   *
   * @throws As {@link BpfMap.memoryUsage}.
   */
  memoryUsage(options?: MemoryUsageOptions): number {
    return memoryOf(this.maps, this.programs, options);
  }

  /**
   * Detaches the links, ends the readers (what they had queued is still delivered) and closes programs and maps. May be
   * called again. Maps that were given to {@link Ebpf.load} stay open.
   */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** {@link close} at the end of a `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Made when the first of them is asked for, the spec included: what is edited there does not change them. */
  get #parts(): LiveParts {
    this.#live ??= new LiveParts(this.#loaded, {
      ebpf: this,
      onAttach: (link) => {
        this.#onAttach(link);
      },
      onDetach: (link) => {
        this.#links.delete(link);
      },
    });
    return this.#live;
  }

  async #attachAll(options: AttachOptions): Promise<Attachment> {
    if (this.closed) throw UsageError.closed(`object ${quote(this.name)}`);
    const links: Link[] = [];
    const unattached: Unattached[] = [];
    for (const program of this.#parts.programs.values()) {
      const reason = program.autoAttachObstacle;
      if (reason !== undefined) {
        unattached.push({ program, reason });
        continue;
      }
      try {
        links.push(await program.attach(options));
      } catch (error) {
        const isOptional = this.spec.programs.get(program.name)?.optional === true;
        if (!isOptional || options.signal?.aborted === true || !isOfProgramAlone(error))
          throw await undone(error, program.name, links, options);
        unattached.push({ program, reason: error.message, error });
      }
    }
    const forbidden = unattached.find(({ error }) => error?.code === 'ERR_EBPF_PERMISSION');
    // Who may attach nothing does not do without some.
    if (forbidden !== undefined && this.#links.size === 0)
      throw await undone(forbidden.error, forbidden.program.name, []);
    return { links, unattached };
  }

  async #close(): Promise<void> {
    // Links first: what programs wrote until then is in the rings when their readers end.
    const closed = await Promise.allSettled([...this.#links].map(async (link) => link.close()));
    for (const map of this.#parts.ownMaps) {
      if (map instanceof EventMap) await map.reader?.close();
    }
    this.#parts.close();
    const failed = closed.filter((result) => result.status === 'rejected').map(({ reason }) => reason as unknown);
    if (failed.length === 1) throw failed[0];
    if (failed.length > 1)
      throw new AggregateError(failed, `${failed.length} links of ${this.name} could not be closed`);
  }

  #onAttach(link: Link): void {
    this.#links.add(link);
    if (attachChannel.hasSubscribers) {
      const message: AttachMessage = { program: link.program, target: link.target };
      attachChannel.publish(message);
    }
  }

  #publishLoad(durationMs: number): void {
    const message: LoadMessage = {
      object: this.name,
      programs: [...this.#parts.programs.keys()],
      maps: [...this.#parts.maps.keys()],
      durationMs,
    };
    loadChannel.publish(message);
  }

  #inspect(): string {
    const state = this.closed ? ', closed' : '';
    return (
      `Ebpf { ${escapeControl(inspect(this.name))}, programs: ${names(this.#parts.programs.keys())}, ` +
      `maps: ${names(this.#parts.maps.keys())}, ${this.#links.size} links${state} }`
    );
  }
}

/** Detaches what was attached before a program failed; returns what to throw. */
async function undone(
  error: unknown,
  program: string,
  links: readonly Link[],
  { signal }: AttachOptions = {},
): Promise<unknown> {
  const closed = await Promise.allSettled(links.map(async (link) => link.close()));
  if (!EbpfError.is(error) || signal?.aborted === true) return error;
  const detached: string[] = [];
  const undetached: [string, unknown][] = [];
  for (const [index, link] of links.entries()) {
    const result = closed[index];
    if (result?.status === 'rejected') undetached.push([link.program, result.reason]);
    else detached.push(link.program);
  }
  return new AttachError({ program, detached, undetached }, error);
}

function names(of: Iterable<string>): string {
  return `[${[...of].map((name) => escapeControl(inspect(name))).join(', ')}]`;
}
