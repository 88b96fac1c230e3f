import { unlinkSync } from 'node:fs';
import { inspect } from 'node:util';

import type { MapType } from '../abi/index.js';
import { UsageError, escapeControl, quote } from '../errors/index.js';
import { pageSize, pin, possibleCpus } from '../kernel/index.js';
import { fullSize } from '../object/index.js';
import {
  freezeMap,
  memoryUsage,
  objectInfo,
  openPinned,
  type Handle,
  type MapInfo,
  type Mapping,
} from '../sys/index.js';

import type { InnerTemplate } from './inner-map.js';
import type { MapKind } from './map-kind.js';
import type { EntryCodecs } from './map-types.js';
import { mapTypeName } from './map-type-name.js';
import { openAs, type MapSource, type OpenMapOptions } from './open-map.js';
import { RawMap } from './raw-map.js';
import { makeToken, type ShareToken } from './share-token.js';
import type { StructOpsDetails } from './struct-ops.js';
import type { ValueTypes } from './value-types.js';

/** Of what time memory is told. */
export interface MemoryUsageOptions {
  /** Of when maps are full, if they take their memory only as entries come. Default: false, of now. */
  readonly full?: boolean | undefined;
}

/** What a map is made from. @internal */
export interface MapDetails {
  readonly handle: Handle;
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  /** Bytes that a system call moves for one value: of a per-CPU map, the values of all CPUs. */
  readonly valueBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly types: ValueTypes;
  /** Codecs that were declared when the map was made. */
  readonly declared?: EntryCodecs | undefined;
  /** Codecs that came with the map from another thread. */
  readonly offered?: EntryCodecs | undefined;
  /** Of an arena that a load mapped: its memory. */
  readonly mapping?: Mapping | undefined;
  /** Of a ring: reads the program's count of events it could not write, when it keeps one. */
  readonly dropped?: (() => bigint) | undefined;
  /** Of a map of maps whose definition is known. */
  readonly inner?: InnerTemplate | undefined;
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

  /**
   * Opens a map that exists: by the path of a pin, by `{ id }`, by `{ descriptor }`, which is copied and stays yours, or by
   * a token of {@link share}. `BpfMap.open` gives the class of whatever map it is, another class refuses maps of other
   * types. Keys and values are decoded by the types that the kernel keeps with the map, if any; `HashMap.of(u32,
   * Counts).open(…)` declares them. A few system calls.
   *
   * @throws {@link UsageError} when it is another kind of object, or of map; {@link PermissionError}: ids need
   * CAP_SYS_ADMIN; {@link KernelError} ENOENT when there is none.
   *
   * @example
   * ```js
   * using counts = HashMap.open('/sys/fs/bpf/counts', { access: 'read' });
   * for (const [key, value] of counts) console.log(key, value);
   * ```
   */
  static open<M extends BpfMap>(this: MapKind<M>, source: MapSource, options?: OpenMapOptions): M {
    return openAs(this, source, options);
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
   * Bytes of memory that the map takes in the kernel. Since Linux 6.4 it is counted, and of maps that take memory as entries come
   * (`MapFlag.NO_PREALLOC`, tries, storages) it grows with them; before, it is an estimate for a full map. Reads `memlock` in
   * /proc/self/fdinfo. With `full` it is no less than its entries take once it is full: {@link MapSpec.fullSize}.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`; {@link UnsupportedError} where /proc is not mounted.
   *
   * @example
   * ```js
   * if (map.memoryUsage({ full: true }) > quota) throw new Error('too large');
   * ```
   */
  memoryUsage({ full = false }: MemoryUsageOptions = {}): number {
    const now = memoryUsage(this.handle);
    return full ? Math.max(now, fullSize(this, { cpus: possibleCpus(), pageSize: pageSize() })) : now;
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

  /**
   * Removes a pin of this map; the map itself lives on.
   *
   * @throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when something else is pinned at `path`; {@link KernelError} such as
   * ENOENT.
   */
  unpin(path: string): void {
    const pinned = openPinned(path, 'map');
    try {
      if (objectInfo(pinned, 'map').id !== this.info().id) {
        throw UsageError.invalidValue('path', `${quote(path)} is a pin of another map, not of ${quote(this.name)}`);
      }
    } finally {
      pinned.close();
    }
    unlinkSync(path);
  }

  /**
   * Makes the map read-only for all processes, for good; programs may still write, unless it was made with
   * `MapFlag.RDONLY_PROG`. Least kernel: 5.2.
   *
   * @throws {@link KernelError} EPERM or EBUSY when it is frozen already; EBUSY while it is mapped for writing; ENOTSUPP for structures
   * of operations and maps with timers or kernel pointers in their values.
   */
  freeze(): void {
    freezeMap(this.handle);
  }

  /**
   * A token for one other thread of this process: post it to a Worker, where `HashMap.open(token)` takes the map, with the
   * types it has here. Both then are open, and are closed each on its own. A token can be taken once. What is never taken
   * costs one descriptor until this map is closed, at the latest when this thread ends; so keep the map open until it is
   * taken. Codecs that are code, of your own or {@link ipv4Prefix}, do not travel: `HashMap.of(mine, u64).open(token)`.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`.
   *
   * @example
   * ```js
   * new Worker('./count.mjs', { workerData: counts.share() });
   * // count.mjs: using counts = HashMap.open(workerData);
   * ```
   */
  share(): ShareToken {
    this.requireOpen();
    return makeToken(this.#details, this.declaredCodecs());
  }

  /** Lets go of the map. It lasts while a program, a pin or another process holds it. May be called again. */
  close(): void {
    this.#details.handle.close();
  }

  /** {@link close} at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** What was declared of keys and values. @internal */
  protected declaredCodecs(): EntryCodecs {
    return {};
  }

  /** @internal */
  requireOpen(): void {
    if (this.closed) throw UsageError.closed(`map ${quote(this.name)}`);
  }

  #inspect(): string {
    const keys = this.keySize === 0 ? '' : `${this.keySize} → `;
    const sizes = this.valueSize === 0 ? '' : `, ${keys}${this.valueSize} bytes`;
    const capacity = this.valueSize === 0 ? `${this.maxEntries} bytes` : `at most ${this.maxEntries} entries`;
    const state = this.closed ? ', closed' : '';
    return escapeControl(
      `${this.constructor.name} { ${inspect(this.name)}, ${mapTypeName(this.type)}${sizes}, ${capacity}${state} }`,
    );
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
