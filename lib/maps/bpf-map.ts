import { inspect } from 'node:util';

import type { MapType } from '../abi/index.js';
import { UsageError, quote } from '../errors/index.js';
import { pin } from '../kernel/index.js';
import { objectInfo, type Handle, type MapInfo } from '../sys/index.js';

import { mapTypeName } from './map-type-name.js';
import { RawMap } from './raw-map.js';
import type { StructOpsDetails } from './struct-ops.js';
import type { ValueTypes } from './value-types.js';

/** What a map is made from. @internal */
export interface MapDetails {
  readonly handle: Handle;
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly types: ValueTypes;
  /** Of a ring: reads the program's count of events it could not write, when it keeps one. */
  readonly dropped?: (() => bigint) | undefined;
  /** Of a structure of operations. */
  readonly structOps?: StructOpsDetails | undefined;
}

/**
 * A map in the kernel. What its type can do is on the classes of each kind: `ebpf.map('counts', HashMap)`.
 *
 * @example
 * ```js
 * for (const map of ebpf.maps) console.log(map.name, map.info().id, map.maxEntries);
 * ```
 */
export class BpfMap {
  /** The name in the object's source; the kernel's own, cut to 15 characters, is in {@link info}. */
  readonly name: string;
  /** The kernel's number of the type: a value of {@link MapType}. */
  readonly type: MapType;
  /** Bytes of a key. */
  readonly keySize: number;
  /** Bytes of a value; of one CPU's value in per-CPU maps. */
  readonly valueSize: number;
  /** The most entries the map holds; of a ring buffer its bytes. */
  readonly maxEntries: number;
  /** The flags it was made with: values of {@link MapFlag}. */
  readonly flags: number;

  readonly #details: MapDetails;
  #raw: RawMap | undefined;

  static {
    Object.defineProperty(BpfMap.prototype, inspect.custom, {
      value(this: BpfMap): string {
        return this.#inspect();
      },
    });
  }

  /** @internal */
  constructor(details: MapDetails) {
    this.name = details.name;
    this.type = details.type;
    this.keySize = details.keySize;
    this.valueSize = details.valueSize;
    this.maxEntries = details.maxEntries;
    this.flags = details.flags;
    this.#details = details;
  }

  /** Every map is a `BpfMap`. */
  static from(map: BpfMap): BpfMap {
    return map;
  }

  /** True after {@link close}. */
  get closed(): boolean {
    return this.#details.handle.closed;
  }

  /** Keys and values as bytes in the caller's memory, without allocation or decoding. */
  get raw(): RawMap {
    this.#raw ??= new RawMap(this.#details);
    return this.#raw;
  }

  /** @internal */
  get handle(): Handle {
    this.requireOpen();
    return this.#details.handle;
  }

  /** @internal */
  get details(): MapDetails {
    return this.#details;
  }

  /**
   * What the kernel says about this map: id, name, sizes, flags. One system call.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`.
   */
  info(): MapInfo {
    return objectInfo(this.handle, 'map');
  }

  /**
   * Keeps the map beyond this process, by a file in a BPF file system (`/sys/fs/bpf`). The file is made with mode 0600.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`; `ERR_EBPF_INVALID_VALUE` when the folder is not in a BPF file system;
   * {@link KernelError} such as EEXIST.
   */
  pin(path: string): void {
    pin(this.handle, path);
  }

  /** Lets go of the map. It lasts while a program, a pin or another process holds it. May be called again. */
  close(): void {
    this.#details.handle.close();
  }

  /** {@link close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** @internal */
  requireOpen(): void {
    if (this.closed) throw UsageError.closed(`map ${quote(this.name)}`);
  }

  #inspect(): string {
    const sizes = this.keySize === 0 ? '' : `, ${this.keySize} → ${this.valueSize} bytes`;
    const capacity = this.keySize === 0 ? `${this.maxEntries} bytes` : `at most ${this.maxEntries} entries`;
    const state = this.closed ? ', closed' : '';
    return `${this.constructor.name} { ${inspect(this.name)}, ${mapTypeName(this.type)}${sizes}, ${capacity}${state} }`;
  }
}

/** The error of asking for a map as a kind that it is not. */
export function wrongKind(map: BpfMap, wanted: string): UsageError {
  const has = map.constructor === BpfMap ? '' : `; ask for ${map.constructor.name}`;
  return UsageError.invalidValue(
    `map ${quote(map.name)}`,
    `it is a map of type ${mapTypeName(map.type)}, not a ${wanted}${has}`,
  );
}
