import type { Btf, BtfKind } from '../btf/index.js';
import type { EbpfError } from '../errors/index.js';
import type { MapSpec, ProgramLog, ProgramSpec } from '../object/index.js';
import type { SpecialField } from './special-fields.js';

/** What `relocate` must know of the kernel that the object is meant for. Nothing else about a kernel changes a plan. */
export interface KernelFacts {
  readonly littleEndian: boolean;
  /** The kernel's own types; undefined when it has none or none are needed. */
  readonly btf: Btf | undefined;
  /** The types that CO-RE relocations are resolved by, where they are not those of `btf`: of a kernel without BTF. */
  readonly coreBtf?: Btf | undefined;
  /** CPUs that may ever come online: `/sys/devices/system/cpu/possible`. */
  readonly possibleCpus: number;
  /** In bytes. */
  readonly pageSize: number;
  /** Of {@link Needs.btfKinds} those that the kernel takes; all when undefined. */
  readonly btfKinds?: ReadonlySet<BtfKind> | undefined;
  /** The values of {@link Needs.kconfig}. */
  readonly kconfig?: KconfigFacts | undefined;
  /**
   * Where {@link Needs.symbols} are, several under one name when the kernel has several, and which of
   * {@link Needs.variables} there are.
   */
  readonly symbols?: ReadonlyMap<string, readonly KernelSymbol[]> | undefined;
  /** Whether code can take any address in a map's value, also beyond 512 MiB; false when undefined. */
  readonly fullRangeOffsets?: boolean | undefined;
  /** Of {@link Needs.uprobeMulti}: whether the kernel has such links, which programs must be loaded for; false when undefined. */
  readonly uprobeMulti?: boolean | undefined;
  /** BTF of kernel modules, split on `btf` and named as they are. Those that may have what `btf` has not. */
  readonly modules?: readonly Btf[] | undefined;
  /** The types of the loaded programs to whose functions programs attach, by the name of the program that does. */
  readonly targets?: ReadonlyMap<string, Btf> | undefined;
}

/** A kernel's configuration, as far as it was asked for. */
export interface KconfigFacts {
  /** By name; what is not set is not there. */
  readonly options: ReadonlyMap<string, KconfigOption>;
  /** Where options were looked for, for errors: `/proc/config.gz`. */
  readonly places: readonly string[];
}

/** A value as `.config` has it. */
export interface KconfigOption {
  /** `y`, `m`, `n`, a number or a string in double quotes. */
  readonly text: string;
  /** Where it was found, for errors: `/proc/config.gz`. */
  readonly source: string;
}

/** A line of /proc/kallsyms. */
export interface KernelSymbol {
  readonly address: bigint;
  /** The module it belongs to; undefined for the kernel proper. */
  readonly module?: string | undefined;
}

/** What an object needs of a kernel, known before one is looked at. */
export interface Needs {
  /** Whether the kernel's types must be known. */
  readonly kernelBtf: boolean;
  /**
   * Whether ids of the running kernel's types are needed, of what programs attach to, call or refer to: only its own BTF
   * has them.
   */
  readonly kernelIds: boolean;
  /** Whether the kernel's types are wanted by what can be done without: a weak `__ksym`, an optional program. */
  readonly optionalKernelBtf: boolean;
  /** The kernel types, functions and variables that will be looked for, without flavours, each with its kinds. */
  readonly typeNames: ReadonlyMap<string, ReadonlySet<BtfKind>>;
  /** Modules whose BTF is needed since a program names them: `nf_conntrack` of `fentry/nf_conntrack:nf_ct_delete`. */
  readonly modules: ReadonlySet<string>;
  /** The `__kconfig` variables: `CONFIG_HZ`, `LINUX_KERNEL_VERSION`. */
  readonly kconfig: ReadonlySet<string>;
  /** Kernel symbols whose address is wanted. */
  readonly symbols: ReadonlySet<string>;
  /** Kernel variables that code refers to by their type: the kernel finds their addresses by its own symbols. */
  readonly variables: ReadonlySet<string>;
  /** Whether an arena has global variables, whose place depends on {@link KernelFacts.fullRangeOffsets}. */
  readonly arenaGlobals: boolean;
  /** Whether there are programs for which one link to many places of user space would do. */
  readonly uprobeMulti: boolean;
  /** What needs the kernel's BTF, for errors: `program "exec": CO-RE relocation task_struct.pid`. */
  readonly reasons: readonly string[];
  /** The kinds of type in the object's BTF that not every kernel takes. */
  readonly btfKinds: ReadonlySet<BtfKind>;
}

/**
 * An object made ready for one kernel: everything but descriptors. Programs are relocated when they are asked for, one at
 * a time, so that the plan of a large object never holds all of its code.
 */
export interface LoadPlan {
  /** For BPF_BTF_LOAD; undefined when the object has no BTF. */
  readonly btf: Uint8Array | undefined;
  /** Those to be created, in order. */
  readonly maps: readonly MapPlan[];
  /** What was odd about the object's fit to this kernel but does no harm. */
  readonly warnings: readonly string[];
  /** What the programs log, by its number less one: complete when all have been relocated. */
  readonly logs: readonly ProgramLog[];
  /** Why optional programs were left out, by their names: complete when all have been relocated. */
  readonly leftOut: ReadonlyMap<string, EbpfError>;
  /** Relocates one program per step. It can be iterated again and gives the same programs. */
  programs(): Iterable<ProgramPlan>;
}

/** A map to be created. What is not here is taken from `spec`. */
export interface MapPlan {
  readonly spec: MapSpec;
  /** At most 15 characters of `[A-Za-z0-9_.]`. */
  readonly kernelName: string;
  /** A ring buffer's in bytes, a power of two of pages; a perf event array's with one entry per possible CPU. */
  readonly maxEntries: number;
  /** 0 for map types that refuse BTF. */
  readonly btfKeyTypeId: number;
  /** 0 for map types that refuse BTF. */
  readonly btfValueTypeId: number;
  /** Members of its values that the kernel keeps to itself, such as locks. */
  readonly specialFields: readonly SpecialField[];
  /** To be written into the only entry; undefined when zeros will do. Not to be written to. */
  readonly initialValue: Uint8Array | undefined;
  /** To be frozen once its contents are written. */
  readonly freeze: boolean;
  /** What the maps within a map-in-map are like. */
  readonly inner: MapPlan | undefined;
  /** Of a struct_ops map. */
  readonly structOps: StructOpsPlan | undefined;
  /** Of an arena; its `initialValue` goes to `globalsOffset`. */
  readonly arena: ArenaPlan | undefined;
}

/** An arena in memory. */
export interface ArenaPlan {
  /** In bytes. */
  readonly size: number;
  /** Where the global variables begin, in bytes. */
  readonly globalsOffset: number;
}

/** A structure of operations as the kernel lays it out. */
export interface StructOpsPlan {
  /** The `struct bpf_struct_ops_<name>` of the kernel or of a module, in its own BTF. */
  readonly valueTypeId: number;
  /** The module that `valueTypeId` is of; undefined for the kernel proper. */
  readonly module: string | undefined;
  /** To be written when the map is attached, with descriptors of programs where `programs` says. Not to be written to. */
  readonly value: Uint8Array;
  /** Programs by their names, and the byte offset in `value` of the four bytes for the descriptor. */
  readonly programs: readonly { readonly program: string; readonly offset: number }[];
}

/** A program ready to be loaded once `bindings` have descriptors. */
export interface ProgramPlan {
  readonly spec: ProgramSpec;
  /** At most 15 characters of `[A-Za-z0-9_.]`. */
  readonly kernelName: string;
  /** The program, then each function it calls. Owned by the plan's receiver. */
  readonly code: Uint8Array;
  /** Ascending by offset. */
  readonly bindings: readonly Binding[];
  /** Where code takes the descriptor of a module's BTF, ascending by offset. */
  readonly moduleBindings: readonly ModuleBinding[];
  /** Where its indirect jumps find their targets: a map for each is made before the program is loaded (Linux 6.19). */
  readonly jumpTables: readonly JumpTablePlan[];
  /**
   * The modules whose functions it calls. Calls name them by their place, counted from 1, in the array of descriptors that
   * BPF_PROG_LOAD is given.
   */
  readonly functionModules: readonly string[];
  /** The kernel type or function to attach to; 0 when attaching is by other means. */
  readonly attachBtfId: number;
  /** The module that `attachBtfId` is of; undefined for the kernel proper. */
  readonly attachModule: string | undefined;
  /** `expected_attach_type` of the load: of a struct_ops program the index of the member that it implements. */
  readonly attachType: number;
  /** `struct bpf_func_info` records; undefined unless each function has its type. */
  readonly functionInfo: Uint8Array | undefined;
  /** In bytes. */
  readonly functionInfoRecordSize: number;
  /** `struct bpf_line_info` records; undefined unless each function has lines. */
  readonly lineInfo: Uint8Array | undefined;
  /** In bytes. */
  readonly lineInfoRecordSize: number;
  /** The source line of an instruction: `execsnoop.bpf.c:41: <text>`. Undefined when the object does not say. */
  sourceLine(instruction: number): string | undefined;
  /** Instructions that the verifier will refuse if it can reach them, ascending. */
  readonly poisons: readonly Poison[];
}

/** Where code takes a map's descriptor. */
export interface Binding {
  /** Byte offset, in the code, of the four-byte immediate. */
  readonly offset: number;
  /** The map's name in `ObjectSpec.maps`. */
  readonly map: string;
}

/** A table of jump targets, and where code takes the descriptor of its map. */
export interface JumpTablePlan {
  /** As the compiler calls it: `BPF.JT.0.0`. */
  readonly name: string;
  /** Indices of instructions in the program's code. */
  readonly targets: Uint32Array;
  /** Byte offsets, in the code, of four-byte immediates. */
  readonly offsets: readonly number[];
}

/** Where code takes the descriptor of a module's BTF. */
export interface ModuleBinding {
  /** Byte offset, in the code, of the four-byte immediate. */
  readonly offset: number;
  /** The module's name. */
  readonly module: string;
}

/** An instruction made invalid since what it refers to is not there: harmless where the program never gets to it. */
export interface Poison {
  /** What is missing: a type or field, a map, a kernel function. */
  readonly kind: 'core' | 'map' | 'function';
  /** Index in the program's code. */
  readonly instruction: number;
  /** What it refers to: `task_struct.gone`, `map "events"`, `"bpf_cpumask_create"`. */
  readonly access: string;
  /** Why that is not there. */
  readonly reason: string;
}
