import type { Btf } from '../btf/index.js';
import { UsageError } from '../errors/index.js';
import type { ExternSpec } from './extern-spec.js';
import type { FunctionSpec } from './function-spec.js';
import type { MapSpec } from './map-spec.js';
import type { ObjectBtf } from './object-btf.js';
import type { ProgramSpec } from './program-spec.js';
import { readObject } from './read-object.js';
import { renameMap } from './rename-map.js';
import { StructOpsSpec } from './struct-ops-spec.js';
import type { VariableSpec } from './variable-spec.js';
import { checkWritten } from './write/check-written.js';
import { writeObject } from './write/write-object.js';

/** What an {@link ObjectSpec} is made of. */
export interface ObjectSpecOptions {
  readonly name: string;
  readonly littleEndian: boolean;
  readonly license?: string;
  readonly kernelVersion?: number;
  readonly types?: ObjectBtf | undefined;
  readonly programs?: Map<string, ProgramSpec>;
  readonly maps?: Map<string, MapSpec>;
  readonly variables?: Map<string, VariableSpec>;
  readonly externs?: Map<string, ExternSpec>;
  readonly functions?: Map<string, FunctionSpec>;
  readonly warnings?: readonly string[];
}

/**
 * What a BPF object file holds, as values to inspect and edit before a load: no kernel is needed. One spec can be loaded
 * many times; {@link clone} it to load variants.
 *
 * @example
 * ```js
 * const spec = ObjectSpec.parse(await readFile('execsnoop.bpf.o'), { name: 'execsnoop.bpf.o' });
 * spec.variable('target_uid').value = 1000;
 * spec.map('counts').maxEntries = 65_536;
 * const ebpf = await Ebpf.load(spec);
 * ```
 */
export class ObjectSpec {
  /** The file's name, or what the caller called the bytes. */
  readonly name: string;
  /** The byte order of code, BTF and data. Only objects of the machine's own order can be loaded. */
  readonly littleEndian: boolean;
  /** Empty when the object says none; then only helpers that need no GPL-compatible license can be called. */
  license: string;
  /** `LINUX_VERSION_CODE` of the `version` section, 0 without: kernels before 5.0 want it for kprobes. */
  kernelVersion: number;
  readonly programs: Map<string, ProgramSpec>;
  /** Declared maps in the order of their definition, then data maps by the name of their section. */
  readonly maps: Map<string, MapSpec>;
  /** Variables in data maps. Empty for an object without BTF. */
  readonly variables: Map<string, VariableSpec>;
  readonly externs: Map<string, ExternSpec>;
  /** What programs call and take the address of, by `FunctionSpec.key`. */
  readonly functions: Map<string, FunctionSpec>;
  /** What was odd about the object but does no harm. */
  readonly warnings: readonly string[];
  readonly #types: ObjectBtf | undefined;

  constructor(options: ObjectSpecOptions) {
    this.name = options.name;
    this.littleEndian = options.littleEndian;
    this.license = options.license ?? '';
    this.kernelVersion = options.kernelVersion ?? 0;
    this.programs = options.programs ?? new Map<string, ProgramSpec>();
    this.maps = options.maps ?? new Map<string, MapSpec>();
    this.variables = options.variables ?? new Map<string, VariableSpec>();
    this.externs = options.externs ?? new Map<string, ExternSpec>();
    this.functions = options.functions ?? new Map<string, FunctionSpec>();
    this.warnings = options.warnings ?? [];
    this.#types = options.types;
  }

  /**
   * Reads a compiled BPF object, of either byte order, on any operating system. The bytes are kept, not copied: they
   * must not change afterwards.
   *
   * @param options.name - What errors call the object, such as its path; it also begins the names of its data maps.
   * @throws ObjectFormatError when the object is malformed, with the section and offset.
   */
  static parse(bytes: Uint8Array, options: { name?: string } = {}): ObjectSpec {
    return new ObjectSpec(readObject(bytes, options.name ?? 'object'));
  }

  /** The byte order, as {@link ObjectSpec.littleEndian} has it: `'little'` or `'big'`. */
  get endianness(): 'little' | 'big' {
    return this.littleEndian ? 'little' : 'big';
  }

  /** The object's own types; undefined when it was compiled without `-g`. */
  get btf(): Btf | undefined {
    return this.#types?.btf;
  }

  /**
   * The types as BPF_BTF_LOAD takes them: with the sizes and offsets of variables that clang leaves out. Undefined
   * without BTF.
   */
  get btfBytes(): Uint8Array | undefined {
    return this.#types?.bytes;
  }

  /**
   * @internal {@link btfBytes} to be read: by it the value of a data map can be decoded, by {@link btf} not, since clang
   * leaves the places of variables out.
   */
  get completedBtf(): Btf | undefined {
    return this.#types?.completed;
  }

  /**
   * The program of that name.
   *
   * @throws UsageError (`ERR_EBPF_NOT_FOUND`) with the nearest names.
   */
  program(name: string): ProgramSpec {
    return required(this.programs.get(name), 'program', this, name, this.programs);
  }

  /**
   * The map of that name; data maps go by their section's name.
   *
   * @throws UsageError (`ERR_EBPF_NOT_FOUND`) with the nearest names.
   */
  map(name: string): MapSpec {
    return required(this.maps.get(name), 'map', this, name, this.maps);
  }

  /**
   * The structure of operations of that name, a variable of `.struct_ops` or `.struct_ops.link`, by the names of its members.
   *
   * @throws UsageError (`ERR_EBPF_NOT_FOUND`) with the nearest names.
   *
   * @example
   * ```js
   * spec.structOps('careful').set('name', 'careful2').set('flags', 2);
   * ```
   */
  structOps(name: string): StructOpsSpec {
    const all = new Map([...this.maps].filter(([, { kind }]) => kind === 'struct-ops'));
    return new StructOpsSpec(required(all.get(name), 'structure of operations', this, name, all), this);
  }

  /**
   * The variable of that name.
   *
   * @throws UsageError (`ERR_EBPF_NOT_FOUND`) with the nearest names.
   */
  variable(name: string): VariableSpec {
    return required(this.variables.get(name), 'variable', this, name, this.variables);
  }

  /**
   * Gives a declared map another name, here and wherever the object refers to it.
   *
   * @throws UsageError when there is no declared map of that name, or one of the new name already.
   */
  renameMap(name: string, newName: string): void {
    renameMap(this, name, newName);
  }

  /**
   * Writes the spec, as it is now, as an object file of its byte order: an ELF64 file that {@link parse} reads back as an
   * equal spec, and that libbpf and bpftool load. Edits are in it: sizes of maps, values of variables, maps and programs
   * taken out, another section for another `type` or `attachTo`. What was no part of the spec, such as DWARF, is not.
   *
   * An edited `.bss` variable makes `.bss` a section with contents, which libbpf does not read.
   *
   * @throws UsageError `ERR_EBPF_INVALID_VALUE` for an edit that an object file has no words for, such as a `pinPath`;
   * `ERR_EBPF_NOT_FOUND` when code refers to something that was taken out.
   * @throws UnsupportedError for sections whose contents are not kept when an object is read.
   *
   * @example
   * ```js
   * const spec = ObjectSpec.parse(await readFile('execsnoop.bpf.o'));
   * spec.variable('target_uid').value = 1000;
   * await writeFile('execsnoop-1000.bpf.o', spec.toElf());
   * ```
   */
  toElf(): Uint8Array {
    const bytes = writeObject(this, this.#types);
    checkWritten(this, readObject(bytes, this.name));
    return bytes;
  }

  /** A copy whose edits do not reach this one. Code, types and unchanged data are shared, so it costs little. */
  clone(): ObjectSpec {
    const maps = new Map(Array.from(this.maps, ([name, map]) => [name, map.clone()]));
    const variables = new Map<string, VariableSpec>();
    for (const [key, variable] of this.variables) {
      const map = maps.get(variable.map);
      if (map !== undefined) variables.set(key, variable.cloneFor(map));
    }
    return new ObjectSpec({
      name: this.name,
      littleEndian: this.littleEndian,
      license: this.license,
      kernelVersion: this.kernelVersion,
      types: this.#types,
      programs: new Map(Array.from(this.programs, ([name, program]) => [name, program.clone()])),
      maps,
      variables,
      externs: new Map(this.externs),
      functions: new Map(this.functions),
      warnings: this.warnings,
    });
  }
}

function required<T>(
  found: T | undefined,
  what: string,
  spec: ObjectSpec,
  name: string,
  known: ReadonlyMap<string, T>,
): T {
  if (found === undefined) throw UsageError.notFound(`${what} of ${spec.name}`, name, known.keys());
  return found;
}
