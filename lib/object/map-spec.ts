import type { MapType } from '../abi/index.js';
import type { Btf, BtfType } from '../btf/index.js';
import { quote, UsageError } from '../errors/index.js';

import { fullSize, type MachineSizes } from './full-size.js';

/** An initial value of a map-in-map or program array: `values` of a `.maps` definition. */
export interface MapSlot {
  readonly index: number;
  readonly kind: 'map' | 'program';
  /** The map's or program's name. */
  readonly name: string;
}

/** What a {@link MapSpec} is made of. */
export interface MapSpecOptions {
  readonly name: string;
  readonly kernelName?: string;
  readonly kind?: 'declared' | 'data' | 'struct-ops';
  readonly type: MapType;
  readonly keySize?: number;
  readonly valueSize?: number;
  readonly maxEntries?: number;
  readonly flags?: number;
  readonly numaNode?: number | undefined;
  readonly mapExtra?: bigint;
  readonly pinning?: 'none' | 'by-name';
  readonly pinPath?: string | undefined;
  readonly autoCreate?: boolean;
  readonly btf?: Btf | undefined;
  readonly keyType?: number;
  readonly valueType?: number;
  readonly inner?: MapSpec | undefined;
  readonly slots?: readonly MapSlot[];
  readonly operations?: ReadonlyMap<string, string>;
  readonly globalsSize?: number | undefined;
  readonly initialValue?: Uint8Array | undefined;
  readonly readOnly?: boolean;
}

/** The longest name the kernel takes, without the NUL (BPF_OBJ_NAME_LEN in include/uapi/linux/bpf.h is 16). */
const KERNEL_NAME_LENGTH = 15;

/**
 * A map of an object, not yet created: declared in `.maps`, or a data section (`.rodata`, `.data`, `.bss`), which
 * is an array of one value, or a variable of `.struct_ops`, which implements a structure of the kernel's. Everything but its name and kind can be changed before a load.
 *
 * @example
 * ```js
 * const spec = ObjectSpec.parse(bytes);
 * spec.map('starts').maxEntries = 65_536;
 * ```
 */
export class MapSpec {
  /** The C name, or the ELF section's for a data map. */
  readonly name: string;
  readonly kind: 'declared' | 'data' | 'struct-ops';
  /** What the kernel will call it, at most 15 characters of `[A-Za-z0-9_.]`. */
  kernelName: string;
  type: MapType;
  /** In bytes. */
  keySize: number;
  /** In bytes. */
  valueSize: number;
  /** As declared: 0 for a perf event array means one per CPU, a ring buffer's size is rounded up when it is created. */
  maxEntries: number;
  /** BPF_MAP_CREATE flags, as declared. */
  flags: number;
  /** The node for the map's memory; undefined for any. A load adds BPF_F_NUMA_NODE. */
  numaNode: number | undefined;
  mapExtra: bigint;
  /** `by-name`: a load reuses what is pinned under the map's name, or pins it there. */
  pinning: 'none' | 'by-name';
  /** Where to pin instead of the directory's default. */
  pinPath: string | undefined;
  /** Whether a load creates it. */
  autoCreate: boolean;
  /** The object's types, of which `keyType` and `valueType` are; undefined for an object without BTF. */
  readonly btf: Btf | undefined;
  /** BTF id of the key's type, 0 for none. */
  keyType: number;
  /** BTF id of the value's type, 0 for none; of a data map its DATASEC, of a struct_ops map the object's own struct. */
  valueType: number;
  /** What the maps within a map-in-map are like. */
  inner: MapSpec | undefined;
  /** What a map-in-map or program array holds from the start. */
  slots: readonly MapSlot[];
  /**
   * Of a struct_ops map: the programs that implement members, by the member's name. A load includes the programs that
   * are named here and leaves those out that only maps name which it does not create.
   */
  readonly operations: Map<string, string>;
  /** Of an arena: bytes of the global variables in it, those of the section `.addr_space.1`; 0 for none. */
  globalsSize: number;
  /** A data map's contents never change after the load, and the kernel's verifier may rely on them (`.rodata`). */
  readOnly: boolean;
  #initialValue: Uint8Array | undefined;
  #owned = false;

  constructor(options: MapSpecOptions) {
    this.name = options.name;
    this.kind = options.kind ?? 'declared';
    this.kernelName = options.kernelName ?? kernelNameOf(options.name);
    this.type = options.type;
    this.keySize = options.keySize ?? 0;
    this.valueSize = options.valueSize ?? 0;
    this.maxEntries = options.maxEntries ?? 0;
    this.flags = options.flags ?? 0;
    this.numaNode = options.numaNode;
    this.mapExtra = options.mapExtra ?? 0n;
    this.pinning = options.pinning ?? 'none';
    this.pinPath = options.pinPath;
    this.autoCreate = options.autoCreate ?? true;
    this.btf = options.btf;
    this.keyType = options.keyType ?? 0;
    this.valueType = options.valueType ?? 0;
    this.inner = options.inner;
    this.slots = options.slots ?? [];
    this.operations = new Map(options.operations);
    this.globalsSize = options.globalsSize ?? 0;
    this.readOnly = options.readOnly ?? false;
    this.#initialValue = options.initialValue;
  }

  /** The key's type; undefined when there is none. */
  get key(): BtfType | undefined {
    return this.keyType === 0 ? undefined : this.btf?.type(this.keyType);
  }

  /** The value's type; undefined when there is none. */
  get value(): BtfType | undefined {
    return this.valueType === 0 ? undefined : this.btf?.type(this.valueType);
  }

  /** Bytes of {@link initialValue}: `valueSize`, or `globalsSize` of an arena. */
  get initialSize(): number {
    return this.globalsSize === 0 ? this.valueSize : this.globalsSize;
  }

  /**
   * The contents a data map begins with, or an arena's global variables, or the structure of a struct_ops map as the object lays it out, `valueSize` bytes; undefined means zeros. Not to be written in place: it may
   * be the object file's own bytes. Assign new bytes, or set a variable.
   *
   * @throws UsageError when other than `valueSize` bytes are assigned.
   */
  get initialValue(): Uint8Array | undefined {
    return this.#initialValue;
  }

  set initialValue(value: Uint8Array | undefined) {
    if (value !== undefined && value.byteLength !== this.initialSize) {
      throw UsageError.invalidValue(
        `maps[${quote(this.name)}].initialValue`,
        `${value.byteLength} bytes, where ${this.globalsSize === 0 ? 'valueSize' : 'globalsSize'} is ${this.initialSize}`,
      );
    }
    this.#initialValue = value;
    this.#owned = false;
  }

  /** The initial contents to write into: copied (or made, zeroed) on the first call. */
  writableInitialValue(): Uint8Array {
    if (this.#owned && this.#initialValue !== undefined) return this.#initialValue;
    const bytes = new Uint8Array(this.initialSize);
    if (this.#initialValue !== undefined) bytes.set(this.#initialValue.subarray(0, this.initialSize));
    this.#initialValue = bytes;
    this.#owned = true;
    return bytes;
  }

  /**
   * Bytes that its entries take when it is full, before anything is made: keys and values, also of maps that take their memory only
   * as entries come; of a ring its bytes, of an arena its pages. What the kernel needs beside them is not in it, nor are maps
   * within maps. {@link BpfMap.memoryUsage} tells it of a map that is there.
   *
   * @example
   * ```js
   * const bytes = [...spec.maps.values()].reduce((sum, map) => sum + map.fullSize({ cpus: 8 }), 0);
   * ```
   */
  fullSize(machine: MachineSizes): number {
    return fullSize(this, machine);
  }

  /** A copy whose edits do not reach this one. */
  clone(): MapSpec {
    const copy = new MapSpec(this);
    copy.inner = this.inner?.clone();
    // What this spec may write in place the copy must not share.
    if (this.#owned) copy.#initialValue = this.#initialValue?.slice();
    return copy;
  }
}

/** The kernel's form of a name: cut to 15 characters, what it refuses replaced by `_`. */
export function kernelNameOf(name: string): string {
  return name.slice(0, KERNEL_NAME_LENGTH).replace(/[^A-Za-z0-9_.]/g, '_');
}

/**
 * The kernel's name of a data map, by libbpf's rule so that other tools find it: as much of the object's name as
 * fits before the section's, `execsnoo.rodata`; a section with two dots, `.data.mine`, stands alone.
 */
export function dataMapKernelName(objectName: string, section: string): string {
  const shownSection = section.slice(0, KERNEL_NAME_LENGTH);
  const room = KERNEL_NAME_LENGTH - Math.max(7, shownSection.length);
  const prefix = section.includes('.', 1) ? '' : objectName.slice(0, room);
  return kernelNameOf(prefix + shownSection);
}
