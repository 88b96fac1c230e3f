import { setImmediate as nextTurn } from 'node:timers/promises';
import { inspect } from 'node:util';

import { lowerBound } from '../binary/index.js';
import { UsageError, escapeControl } from '../errors/index.js';
import { readText, requireLinux } from '../kernel/index.js';

import { PerfMapFile } from './perf-map-file.js';
import { processMaps, type MemoryMapping } from './process-maps.js';
import { readMapping } from './process-memory.js';
import { SymbolFile } from './symbol-file.js';
import { symbolFileOf } from './symbol-files.js';

/** An address of a process, or a frame of a `StackTraceMap`: a place in a file by build id, or an address. */
export type UserAddress =
  | bigint
  | { readonly status: 'valid'; readonly buildId: string; readonly offset: bigint }
  | { readonly status: 'ip'; readonly ip: bigint };

/** What an address of a process is. Names are as the compiler wrote them: those of C++ and Rust are mangled. */
export interface UserSymbol {
  /** The function; undefined when nobody knows its name. */
  readonly name: string | undefined;
  /** Bytes from the function's beginning to the address; undefined without a name. */
  readonly offset: number | undefined;
  /** The mapped file as the process sees it, `[vdso]`, `[stack]` and the like; undefined for memory without a name. */
  readonly file: string | undefined;
  /** Bytes from the beginning of the file; undefined without a file. */
  readonly fileOffset: number | undefined;
}

/** How many addresses are looked up before the event loop gets a turn. */
const perTurn = 2000;

/** The digits of a build id in a frame, which has zeros behind a shorter one. */
const buildIdDigits = 40;

/**
 * Names of the addresses of a process: functions of its program and libraries, by their own symbols, those of files of debugging
 * symbols (`/usr/lib/debug`, `.gnu_debuglink`), or those by which they are linked; of the vDSO; and of what a just-in-time
 * compiler tells in `/tmp/perf-<pid>.map` (`node --perf-basic-prof`, Java with an agent). Files are found in the process's own
 * file system, so it may be in a container, and removed ones too where this process has CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
 * What was read of a file is kept for all processes.
 *
 * @example
 * ```js
 * const process = await ProcessSymbols.open(pid);
 * for (const { name, offset, file } of await process.resolve(stacks.get(id))) console.log(`${name ?? '?'}+${offset} ${file}`);
 * ```
 */
export class ProcessSymbols {
  readonly pid: number;
  readonly #started: string | undefined;
  readonly #perfMap: PerfMapFile;
  #mappings: readonly MemoryMapping[];
  #files = new Map<MemoryMapping, SymbolFile | undefined>();

  static {
    Object.defineProperty(ProcessSymbols.prototype, inspect.custom, {
      value(this: ProcessSymbols): string {
        return escapeControl(`ProcessSymbols { pid: ${this.pid}, ${this.#mappings.length} mappings }`);
      },
    });
  }

  private constructor(pid: number, mappings: readonly MemoryMapping[], started: string | undefined) {
    this.pid = pid;
    this.#mappings = mappings;
    this.#started = started;
    this.#perfMap = new PerfMapFile(pid);
  }

  /**
   * Looks at what the process has in memory. Files are read when an address in them is asked for.
   *
   * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when there is no such process, or it may not be looked at: that takes
   * its own user or CAP_SYS_PTRACE.
   */
  static async open(pid: number): Promise<ProcessSymbols> {
    requireLinux();
    if (!Number.isInteger(pid) || pid <= 0) {
      throw UsageError.invalidValue('pid', `must be the number of a process, not ${String(pid)}`);
    }
    const started = startOf(pid);
    return new ProcessSymbols(pid, await processMaps(pid), started);
  }

  /**
   * What addresses of the process are, in their order. When one lies in nothing that is known, the process is looked at anew:
   * it may have mapped more since. What it had mapped before it ended is still known.
   */
  async resolve(addresses: Iterable<UserAddress>): Promise<UserSymbol[]> {
    const wanted = [...addresses];
    const isUnknown = (one: UserAddress): boolean => {
      const address = addressOf(one);
      return address !== undefined && this.#mappingAt(address) === undefined;
    };
    if (wanted.some(isUnknown)) await this.refresh();
    await this.#readFiles(wanted);
    const symbols = await this.#resolveAll(wanted);
    // A function may have been compiled since the map was read.
    const isCompiled = (symbol: UserSymbol): boolean => symbol.name === undefined && !isFile(symbol.file);
    if (!symbols.some(isCompiled) || !(await this.#perfMap.refresh())) return symbols;
    return this.#resolveAll(wanted);
  }

  /** Looks anew at what the process has in memory, which {@link resolve} does by itself when it has to. False when it has ended. */
  async refresh(): Promise<boolean> {
    // The number may be another process's by now.
    if (this.#started === undefined || startOf(this.pid) !== this.#started) return false;
    try {
      this.#mappings = await processMaps(this.pid);
    } catch (error) {
      if (error instanceof UsageError) return false;
      throw error;
    }
    this.#files = new Map();
    return true;
  }

  async #readFiles(wanted: readonly UserAddress[]): Promise<void> {
    const needed = new Set<MemoryMapping>();
    for (const one of wanted) {
      const address = addressOf(one);
      const mapping = address === undefined ? undefined : this.#mappingAt(address);
      if (mapping !== undefined) needed.add(mapping);
    }
    if (wanted.some((one) => addressOf(one) === undefined)) {
      for (const mapping of this.#mappings) if (mapping.permissions.includes('x')) needed.add(mapping);
    }
    for (const mapping of needed) {
      if (!this.#files.has(mapping)) this.#files.set(mapping, await this.#fileOf(mapping));
    }
  }

  async #fileOf(mapping: MemoryMapping): Promise<SymbolFile | undefined> {
    if (mapping.path !== '[vdso]') return symbolFileOf(mapping, this.pid);
    const bytes = await readMapping(this.pid, mapping);
    return bytes === undefined ? undefined : SymbolFile.of(bytes, mapping.path);
  }

  async #resolveAll(wanted: readonly UserAddress[]): Promise<UserSymbol[]> {
    const byBuildId = new Map<string, [MemoryMapping, SymbolFile]>();
    for (const [mapping, file] of this.#files) {
      if (file?.buildId !== undefined) byBuildId.set(file.buildId.padEnd(buildIdDigits, '0'), [mapping, file]);
    }
    const symbols: UserSymbol[] = [];
    for (const one of wanted) {
      if (symbols.length % perTurn === perTurn - 1) await nextTurn();
      const address = addressOf(one);
      if (address !== undefined) symbols.push(this.#symbolAt(address));
      else if (typeof one === 'object' && one.status === 'valid') {
        const [mapping, file] = byBuildId.get(one.buildId) ?? [];
        const fileOffset = Number(one.offset);
        symbols.push({ ...placeIn(file, fileOffset), file: mapping?.path, fileOffset });
      }
    }
    return symbols;
  }

  #symbolAt(address: number): UserSymbol {
    const mapping = this.#mappingAt(address);
    const isNamed = mapping !== undefined && mapping.path !== '';
    const fileOffset = isNamed ? address - mapping.start + mapping.offset : undefined;
    const file = isNamed ? mapping.path : undefined;
    const place = placeIn(mapping && this.#files.get(mapping), fileOffset ?? 0);
    if (place.name !== undefined) return { ...place, file, fileOffset };
    const compiled = this.#perfMap.at(address);
    if (compiled === undefined) return { ...place, file, fileOffset };
    return { name: compiled.name, offset: address - compiled.start, file, fileOffset };
  }

  #mappingAt(address: number): MemoryMapping | undefined {
    const index = lowerBound(this.#mappings.length, (at) => (this.#mappings[at]?.end ?? 0) <= address);
    const found = this.#mappings[index];
    return found !== undefined && found.start <= address ? found : undefined;
  }
}

function placeIn(file: SymbolFile | undefined, fileOffset: number): Pick<UserSymbol, 'name' | 'offset'> {
  return file?.at(fileOffset) ?? { name: undefined, offset: undefined };
}

/** An address as a number, which one of user space is exactly; undefined for a place by build id. */
function addressOf(one: UserAddress): number | undefined {
  if (typeof one === 'bigint') return Number(one);
  return one.status === 'ip' ? Number(one.ip) : undefined;
}

/** Whether it is a file that has symbols, or should. */
function isFile(path: string | undefined): boolean {
  return path?.startsWith('/') === true && !path.startsWith('/memfd:') && !path.startsWith('/dev/');
}

/** When a process began, in ticks since boot (proc_pid_stat(5)): what tells it from a later one of its number. */
function startOf(pid: number): string | undefined {
  const stat = readText(`/proc/${pid}/stat`);
  // The command's name, in parentheses, may have any characters.
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}
