import { ProgramType } from './abi/index.js';
import { EbpfError, UsageError, nearestNames, quote, requireKnown, unsigned32 } from './errors/index.js';
import { logLevelNumber, type LogLevel } from './events/index.js';
import type { BpfToken, Kconfig } from './kernel/index.js';
import { applyPrograms, requireVerifierLog, type AppliedPrograms, type ProgramOptions } from './load-targets.js';
import { BpfMap, type DecodeOptions } from './maps/index.js';
import { LOG_LEVEL, sectionTable, type MapSpec, type ObjectSpec, type ProgramSpec } from './object/index.js';
import type { VerifierLog } from './programs/index.js';

/** What {@link Ebpf.load} loads: a path, a `file:` URL, the bytes of an object or a parsed one. */
export type LoadSource = string | URL | Uint8Array | ObjectSpec;

/** What a load changes about a map of the object. */
export interface MapOptions {
  /** The most entries; of a ring buffer its bytes, rounded up to a power of two of memory pages. */
  readonly maxEntries?: number | undefined;
  /** `BPF_MAP_CREATE` flags ({@link MapFlag}) in place of those of the object. */
  readonly flags?: number | undefined;
  /** Opens what is pinned at this path, after checking that it fits, or creates the map and pins it there. */
  readonly pinPath?: string | undefined;
  /** Of a structure of operations: members by name, as {@link StructOpsSpec.set} takes them; undefined takes a program away. */
  readonly members?: Readonly<Record<string, unknown>> | undefined;
}

/** What the options of a load give beside what was written into the spec. */
export interface AppliedOptions extends AppliedPrograms {
  /** The live maps that take the place of the object's. */
  readonly reused: ReadonlyMap<string, BpfMap>;
}

/** How {@link Ebpf.load} loads. */
export interface LoadOptions extends DecodeOptions {
  /** Values of global variables, by name. `const volatile` ones can be set only here. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** Changes to maps by name, or a live map to use in place of the object's. A live map stays its owner's to close. */
  readonly maps?: Readonly<Record<string, MapOptions | BpfMap>> | undefined;
  /** What programs by name attach to, of those whose place is in another program. */
  readonly programs?: Readonly<Record<string, ProgramOptions>> | undefined;
  /**
   * The types of the running kernel, for a kernel that has no BTF itself: a file or its bytes, as BTF or as an ELF file
   * with a section `.BTF`. CO-RE relocations are resolved by it; programs that attach by BTF (`tp_btf`, `fentry`, `lsm`)
   * still need the kernel's own.
   */
  readonly kernelBtf?: string | URL | Uint8Array | undefined;
  /**
   * Values of `__kconfig` variables, in place of those that the running kernel was built with: text as in a `.config`, or
   * names with values, as in `{ CONFIG_HZ: 250, CONFIG_BPF_JIT: true }`. What it does not name is looked up in
   * `/boot/config-<release>`, else in `/proc/config.gz`. Names that the object does not ask for are ignored.
   */
  readonly kconfig?: Kconfig | undefined;
  /**
   * What the verifier is to write into each program's {@link Program.verifierLog}: `'failure'` nothing, `'statistics'` its
   * time, stack depth and the instructions it looked at, `'always'` each of those with what it knew there. For that the
   * verifier takes many times as long, and at most 16 MiB a program are kept: the end, before Linux 6.4 the beginning.
   * Whatever is chosen, the error of a program that it refuses has the log of that. `programs` says it for one of them. Default:
   * `'failure'`.
   */
  readonly verifierLog?: VerifierLog | undefined;
  /**
   * Up to which level programs log that use `node_ebpf_log.h`; what is above is taken out of them. Default: as the object
   * says, `'info'` unless its source defines NODE_EBPF_LOG_LEVEL.
   */
  readonly logLevel?: LogLevel | 'off' | undefined;
  /**
   * Programs that are done without where this kernel does not take them: all, or by name. What it has not got, such as a hook, a
   * type or a kernel function, what its verifier refuses and what it forbids leaves such a program out: {@link Ebpf.unloaded}
   * then says why. `Ebpf.attach()` leaves those that cannot be attached, and says so in `unattached`. Maps are made all the same,
   * and slots of program arrays that name such a program stay empty. A load fails as ever when memory or descriptors are short, when
   * options or the object are wrong, and when this process may not load any of its programs. Programs of structures of
   * operations go with their map. Default: as {@link ProgramSpec.optional} says, none.
   */
  readonly optional?: boolean | readonly string[] | undefined;
  /**
   * XDP programs that are loaded to run beside others on one interface, all of section `xdp` that are loaded, or by name: {@link XdpDispatcher}.
   * The kernel has them as programs of type EXT. Default: none.
   */
  readonly dispatched?: boolean | readonly string[] | undefined;
  /**
   * What gives a process without privileges, in a user namespace, the right to load: the path where a BPF file system is mounted
   * that delegates it, or a {@link BpfToken}. Least kernel: 6.9. Default: none, whatever the environment says.
   */
  readonly token?: string | BpfToken | undefined;
  /** What errors call the object. Default: the file's name. */
  readonly name?: string | undefined;
  /** Aborting it ends the load between two system calls: it rejects with `signal.reason` and leaves nothing behind. */
  readonly signal?: AbortSignal | undefined;
}

const loadOptionNames = [
  'variables',
  'maps',
  'programs',
  'int64',
  'chars',
  'enums',
  'kernelBtf',
  'kconfig',
  'verifierLog',
  'token',
  'logLevel',
  'optional',
  'dispatched',
  'name',
  'signal',
];
const mapOptionNames = ['maxEntries', 'flags', 'pinPath', 'members'];

/** Writes the options into the spec, and returns what is not of it. */
export function applyOptions(spec: ObjectSpec, options: LoadOptions): AppliedOptions {
  requireKnown('option of Ebpf.load', options, loadOptionNames);
  if (options.verifierLog !== undefined) requireVerifierLog('verifierLog', options.verifierLog);
  for (const [name, value] of Object.entries(options.variables ?? {})) setVariable(spec, name, value);
  if (options.logLevel !== undefined) setLogLevel(spec, options.logLevel);
  if (options.optional !== undefined) setOptional(spec, options.optional);
  const reused = new Map<string, BpfMap>();
  for (const [name, change] of Object.entries(options.maps ?? {})) {
    const map = spec.maps.get(name);
    if (map === undefined) throw UsageError.notFound(`map of ${quote(spec.name)}`, name, spec.maps.keys());
    if (change instanceof BpfMap) reused.set(name, change);
    else changeMap(spec, map, change);
  }
  return { reused, ...applyPrograms(spec, options.programs ?? {}) };
}

function setVariable(spec: ObjectSpec, name: string, value: unknown): void {
  const variable = spec.variables.get(name);
  if (variable === undefined) {
    throw UsageError.notFound(`variable of ${quote(spec.name)}`, name, spec.variables.keys());
  }
  inOption('variables', name, () => {
    variable.value = value;
  });
}

/** The error of a value names the member that is at fault; here that is a path into the options. */
function inOption(option: string, name: string, set: () => void): void {
  try {
    set();
  } catch (error) {
    if (!EbpfError.is(error) || error.code !== 'ERR_EBPF_INVALID_VALUE') throw error;
    const path = error instanceof UsageError ? error.path : undefined;
    const problem = path === undefined ? error.message : error.message.slice(`${path}: `.length);
    throw UsageError.invalidValue(`${option}.${path ?? name}`, problem, { cause: error });
  }
}

function setOptional(spec: ObjectSpec, wanted: unknown): void {
  if (typeof wanted === 'boolean') {
    for (const program of spec.programs.values()) program.optional = wanted;
    return;
  }
  if (!Array.isArray(wanted) || !wanted.every((name) => typeof name === 'string')) {
    throw UsageError.invalidValue('optional', 'must be true, or names of programs');
  }
  for (const name of wanted) {
    const program = spec.program(name);
    const problem = optionalObstacle(program);
    if (problem !== undefined) throw UsageError.invalidValue('optional', `program ${quote(name)} ${problem}`);
    program.optional = true;
  }
}

function optionalObstacle({ type, autoload, section }: ProgramSpec): string | undefined {
  if (type === ProgramType.STRUCT_OPS) return 'goes with its map; set autoCreate = false of that to leave both out';
  if (autoload) return undefined;
  return `is not loaded at all, as its section ${quote(section)} or specification says; set autoload = true`;
}

function setLogLevel(spec: ObjectSpec, level: LogLevel | 'off'): void {
  const number = logLevelNumber('logLevel', level, 'off');
  const variable = spec.variables.get(LOG_LEVEL);
  if (variable === undefined) {
    throw UsageError.invalidValue(
      'logLevel',
      `${quote(spec.name)} has no logs: no source of it includes node_ebpf_log.h`,
    );
  }
  variable.value = number;
}

function changeMap(spec: ObjectSpec, map: MapSpec, change: MapOptions): void {
  requireKnown(`option of map ${quote(map.name)}`, change, mapOptionNames);
  const { maxEntries, flags, pinPath, members } = change;
  if (maxEntries !== undefined) map.maxEntries = unsigned32(`maps.${map.name}.maxEntries`, maxEntries, 1);
  if (flags !== undefined) map.flags = unsigned32(`maps.${map.name}.flags`, flags, 0);
  if (pinPath !== undefined) {
    map.pinPath = pinPath;
    map.pinning = 'by-name';
  }
  if (members === undefined) return;
  const structure = spec.structOps(map.name);
  inOption('maps', map.name, () => {
    for (const [member, value] of Object.entries(members)) structure.set(member, value);
  });
}

/** Refuses what can be read but not loaded, before the kernel is asked for anything. */
export function requireLoadable(spec: ObjectSpec): void {
  for (const program of spec.programs.values()) {
    if (program.autoload && program.kind === '' && program.type === 0) {
      throw unknownSection(spec, program.name, program.section);
    }
  }
}

function unknownSection(spec: ObjectSpec, program: string, section: string): UsageError {
  const kind = section.replace(/^\?/, '').split('/')[0] ?? '';
  const known = new Set(sectionTable.map(({ pattern }) => pattern.replace(/\+$/, '')));
  const suggestions = nearestNames(kind, known);
  const hint = suggestions.length === 0 ? '' : `; did you mean ${suggestions.map((near) => quote(near)).join(' or ')}?`;
  return new UsageError(
    `program ${quote(program)} of ${quote(spec.name)}: section ${quote(section)} names no program type${hint}`,
    { code: 'ERR_EBPF_NOT_FOUND', suggestions },
  );
}
