import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { inspect } from 'node:util';

import { openDispatched } from './dispatcher/index.js';
import { UsageError, escapeControl, quote } from './errors/index.js';
import { pinnedText, pinText, requireBpfFileSystem } from './kernel/index.js';
import { Link, registerNoteOpener } from './links/index.js';
import { BpfMap, type MemoryUsageOptions } from './maps/index.js';
import { Program } from './programs/index.js';
import { notePinnedMap, type ProgramInfo } from './sys/index.js';

/** What is loaded, or pinned. */
interface Parts {
  readonly maps: Iterable<BpfMap>;
  readonly programs: Iterable<Program>;
  readonly links: Iterable<Link>;
}

/** How {@link Ebpf.pin} pins. */
export interface PinOptions {
  /**
   * What a later process is to find with it, as {@link PinFolder.note}: 1 to 4095 bytes of text, such as JSON that says who made it
   * and what for. Default: none.
   */
  readonly note?: string | undefined;
}

/** What {@link PinFolder.describe} tells. */
export interface PinFolderDescription {
  readonly programs: readonly (Pick<ProgramInfo, 'id' | 'tag' | 'runCount' | 'runTimeNs'> & {
    readonly name: string;
  })[];
  readonly maps: readonly { readonly name: string; readonly id: number }[];
  readonly links: readonly {
    readonly name: string;
    readonly program: string;
    /** For people: {@link Link.target}. */
    readonly target: string;
    /** As {@link Link.isAttached} says it. */
    readonly attached: boolean;
  }[];
  /** As {@link PinFolder.memoryUsage} says it. */
  readonly bytes: number;
}

/** In this order: what is pinned later may warn of maps that are not. */
const kinds = ['maps', 'programs', 'links'] as const;
/** NAME_MAX and PATH_MAX of include/uapi/linux/limits.h, of which symbolic links hold one byte less. */
const longestName = 255;
const longestNote = 4095;

/**
 * What is pinned in one folder of a BPF file system, as {@link Ebpf.pin} does it: programs, maps and links, each by its name in the
 * folders `programs`, `maps` and `links`, of which any may be missing. They are opened together, and taken away together: by a
 * later process, say, which finds here all that an earlier one has left, with a note of that.
 *
 * A folder is renamed in one step, also to another place in the same file system: one that is made beside, and renamed when it is
 * whole, is never seen half-made.
 *
 * @example
 * ```js
 * await using firewall = PinFolder.open('/sys/fs/bpf/firewall');
 * for (const [name, program] of firewall.programs) console.log(name, program.info().runCount);
 * await firewall.remove();   // detached, and gone
 * ```
 */
export class PinFolder {
  static {
    // Links know nothing of dispatchers, which are made of them.
    // Looked up when it is called: the dispatcher's file of dist/ needs this one.
    registerNoteOpener('dispatched-xdp', (note) => openDispatched(note));
    Object.defineProperty(PinFolder.prototype, inspect.custom, {
      value(this: PinFolder): string {
        const counts = kinds.map((kind) => `${this[kind].size} ${kind}`).join(', ');
        return escapeControl(`PinFolder { ${inspect(this.path)}, ${counts} }`);
      },
    });
  }

  /** Where it is. */
  readonly path: string;
  /** By the names of their pins. In those of {@link Ebpf.pin} `_` stands for dots, as in `_rodata`. */
  readonly maps: ReadonlyMap<string, BpfMap>;
  /** By the names of their pins. */
  readonly programs: ReadonlyMap<string, Program>;
  /** By the names of their pins. */
  readonly links: ReadonlyMap<string, Link>;

  private constructor(path: string, parts: Pick<PinFolder, (typeof kinds)[number]>) {
    this.path = path;
    this.maps = parts.maps;
    this.programs = parts.programs;
    this.links = parts.links;
  }

  /**
   * Opens all that is pinned in a folder. Some system calls for each.
   *
   * @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` when there is no such folder, `ERR_EBPF_INVALID_VALUE` when something of another
   * kind is pinned in one of its folders; {@link PermissionError}.
   */
  static open(path: string): PinFolder {
    if (!existsSync(path)) {
      const parent = dirname(path);
      throw UsageError.notFound(
        `folder in ${quote(parent)}`,
        basename(path),
        existsSync(parent) ? readdirSync(parent) : [],
      );
    }
    const maps = new Map<string, BpfMap>();
    const programs = new Map<string, Program>();
    const links = new Map<string, Link>();
    const folder = new PinFolder(path, { maps, programs, links });
    try {
      for (const [name, pin] of pinsIn(join(path, 'maps'))) maps.set(name, BpfMap.open(pin));
      for (const [name, pin] of pinsIn(join(path, 'programs'))) programs.set(name, Program.open(pin));
      for (const [name, pin] of pinsIn(join(path, 'links'))) links.set(name, Link.open(pin));
      return folder;
    } catch (error) {
      void folder.close();
      throw error;
    }
  }

  /** The text that was given to {@link Ebpf.pin} with it; undefined when none was. One system call. */
  get note(): string | undefined {
    return pinnedText(join(this.path, 'note'));
  }

  /**
   * What there is to tell of all of it: how often programs ran is counted while {@link enableStats} is on. Some system calls for
   * each.
   *
   * @throws As {@link BpfMap.memoryUsage} and {@link Link.isAttached}.
   *
   * @example
   * ```js
   * console.log(JSON.stringify(await PinFolder.open('/sys/fs/bpf/firewall').describe(), jsonReplacer));
   * ```
   */
  async describe(options?: MemoryUsageOptions): Promise<PinFolderDescription> {
    const programs = [...this.programs].map(([name, program]) => {
      const { id, tag, runCount, runTimeNs } = program.info();
      return { name, id, tag, runCount, runTimeNs };
    });
    const maps = [...this.maps].map(([name, map]) => ({ name, id: map.info().id }));
    const links = [...this.links].map(async ([name, link]) => {
      const { program, target } = link;
      return { name, program, target, attached: await link.isAttached() };
    });
    return { programs, maps, links: await Promise.all(links), bytes: this.memoryUsage(options) };
  }

  /**
   * Bytes of memory that its maps and programs take in the kernel; with `full` also what maps take as they fill.
   *
   * @throws As {@link BpfMap.memoryUsage}.
   */
  memoryUsage(options?: MemoryUsageOptions): number {
    return memoryOf(this.maps.values(), this.programs.values(), options);
  }

  /**
   * Detaches the links, removes the folder with all its pins, and closes what was opened. What fails can be tried again: pins go
   * when their links are detached.
   *
   * @throws As {@link Link.detach}, of the first that fails; the others are detached all the same.
   */
  async remove(): Promise<void> {
    const detached = await Promise.allSettled([...this.links.values()].map(async (link) => link.detach()));
    await this.close();
    const failed = detached.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
    rmSync(this.path, { recursive: true, force: true });
  }

  /**
   * As {@link open} and then {@link remove} of what is there; nothing is done where nothing is.
   *
   * @example
   * ```js
   * await PinFolder.remove('/sys/fs/bpf/firewall');
   * ```
   */
  static async remove(path: string): Promise<void> {
    if (existsSync(path)) await PinFolder.open(path).remove();
  }

  /** Closes what was opened: it stays pinned, and attached. May be called again. */
  async close(): Promise<void> {
    for (const part of [...this.programs.values(), ...this.maps.values()]) part.close();
    await Promise.all([...this.links.values()].map(async (link) => link.close()));
  }

  /** {@link close} at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Sums up what the kernel says of each. */
export function memoryOf(
  maps: Iterable<BpfMap>,
  programs: Iterable<Program>,
  options: MemoryUsageOptions | undefined,
): number {
  const sizes = [
    ...[...maps].map((map) => map.memoryUsage(options)),
    ...[...programs].map((each) => each.memoryUsage()),
  ];
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Pins all of it in a folder that is made beside and then renamed: it is there in whole, or not at all. */
export function pinAll(folder: string, { maps, programs, links }: Parts, { note }: PinOptions = {}): void {
  if (note !== undefined && (note === '' || note.includes('\0') || Buffer.byteLength(note) > longestNote))
    throw UsageError.invalidValue('note', `must be of 1 to ${longestNote} bytes, without NUL`);
  requireBpfFileSystem(dirname(folder), folder);
  if (existsSync(folder)) throw UsageError.busy(`folder ${quote(folder)}`, 'something is there already');
  const made = `${folder}~`;
  // Left by a process that was killed.
  rmSync(made, { recursive: true, force: true });
  const pinned: { readonly pin: string; readonly what: BpfMap | Link }[] = [];
  try {
    for (const kind of kinds) mkdirSync(join(made, kind), { recursive: true, mode: 0o700 });
    if (note !== undefined) pinText(note, join(made, 'note'));
    const used = new Set<string>();
    const at = (kind: (typeof kinds)[number], name: string): string => {
      for (let count = 1; ; count++) {
        const path = join(kind, count === 1 ? pinName(name) : `${pinName(name)}_${count}`);
        if (used.has(path)) continue;
        used.add(path);
        return path;
      }
    };
    for (const map of maps) {
      const pin = at('maps', map.name);
      map.pin(join(made, pin));
      pinned.push({ pin, what: map });
    }
    for (const program of programs) program.pin(join(made, at('programs', program.name)));
    for (const link of links) {
      const pin = at('links', link.program);
      link.pin(join(made, pin));
      pinned.push({ pin, what: link });
    }
    renameSync(made, folder);
  } catch (error) {
    for (const { pin, what } of pinned) if (what instanceof Link) what.unpin(join(made, pin));
    rmSync(made, { recursive: true, force: true });
    throw error;
  }
  for (const { pin, what } of pinned) {
    if (what instanceof Link) what.movePin(join(made, pin), join(folder, pin));
    else notePinnedMap(what.info().id, join(folder, pin));
  }
}

/** Names are those of an object: data. BPF file systems take no dots (bpf_lookup of kernel/bpf/inode.c). */
function pinName(name: string): string {
  const safe = name.replaceAll('.', '_');
  if (safe !== '' && !/[/\0]/.test(safe) && Buffer.byteLength(safe) <= longestName - 4) return safe;
  throw UsageError.invalidValue('name', `${quote(name)} cannot be the name of a pin`);
}

/** The pins in a folder: name and path of each. */
function pinsIn(folder: string): [string, string][] {
  return existsSync(folder) ? readdirSync(folder).map((name) => [name, join(folder, name)]) : [];
}
