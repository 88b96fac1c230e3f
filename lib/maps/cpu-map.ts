import { MapType } from '../abi/index.js';
import { bytes, u32, type EntryCodec } from '../codec/index.js';
import type { HeldObject } from '../sys/index.js';

import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { EntryStore } from './entry-store.js';
import { programRefusal, readNetworkValue, requireNumber, requireObject, storeNetworkValue } from './network-value.js';
import { slotKey } from './slots.js';

/** What {@link CpuMap.set} makes for a processor. */
export interface CpuValue {
  /** The most packets that wait for the processor, 1 to 16384. */
  readonly queueSize: number;
  /** A program of section `xdp/cpumap` that runs there on each packet. Least kernel: 5.9. */
  readonly program?: HeldObject | undefined;
}

/** What a map of processors says of one. */
export interface CpuEntry {
  /** The most packets that wait for the processor. */
  readonly queueSize: number;
  /** The id of the program that runs there; absent where there is none. */
  readonly programId?: number;
}

/** cpu_map_update_elem in kernel/bpf/cpumap.c. */
const longestQueue = 16_384;

/**
 * An array of processors, to which XDP programs redirect packets (`bpf_redirect_map`): the kernel's stack, and the program of
 * the entry, then works on them there. Least kernel: 4.15; with programs 5.9.
 *
 * @example
 * ```js
 * const processors = ebpf.map('processors', CpuMap);
 * processors.set(1, { queueSize: 192, program: ebpf.program('at_processor', Xdp) });
 * ```
 */
export class CpuMap extends BpfMap {
  readonly #store: EntryStore<number, CpuEntry, number, never>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#store = new EntryStore(this, { defaultKey: () => u32, wholeValue: (_, map) => cpuCodec(map) });
  }

  /** `map` as an array of processors. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): CpuMap {
    if (map instanceof CpuMap) return map;
    throw wrongKind(map, 'CpuMap');
  }

  /**
   * Makes an array of processors without an object. `maxEntries` is at most the number of processors that the kernel was built
   * for.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const processors = await CpuMap.create({ name: 'processors', maxEntries: availableParallelism() });
   * ```
   */
  static async create(options: NewMapOptions): Promise<CpuMap> {
    return CpuMap.from(await createMap({ type: MapType.CPUMAP, key: u32, value: bytes(8) }, options));
  }

  /** How many processors there is room for. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * Makes a queue and a kernel thread for a processor, in place of what is there.
   *
   * @throws {@link UsageError} when `cpu` is past the end or is no processor of this machine, or the program is none of
   * section `xdp/cpumap`.
   */
  set(cpu: number, value: CpuValue): void {
    const key = slotKey(this, cpu);
    const { queueSize, program } = requireObject(value);
    const number = requireNumber('value.queueSize', queueSize, 1, longestQueue);
    storeNetworkValue(this, key, { number, program }, (errnoName) => {
      if (errnoName === 'ENODEV') return `this machine has no processor ${cpu}`;
      // __cpu_map_entry_alloc in kernel/bpf/cpumap.c says nothing of why it failed; too little memory is the rarer reason.
      const refused = program !== undefined && (errnoName === 'ENOMEM' || errnoName === 'EINVAL');
      return refused ? programRefusal('xdp/cpumap') : undefined;
    });
  }

  /** What there is for a processor, with the id of its program; undefined when there is nothing. */
  get(cpu: number): CpuEntry | undefined {
    return this.#store.get(cpu);
  }

  /** Whether there is something for a processor. */
  has(cpu: number): boolean {
    return this.#store.has(cpu);
  }

  /** Ends the queue of a processor; one that has none stays without. */
  delete(cpu: number): void {
    this.raw.delete(slotKey(this, cpu));
  }

  /** The processors that have queues, each with what there is for it. */
  entries(): IterableIterator<[number, CpuEntry]> {
    return this.#store.entries();
  }

  /** The same as {@link CpuMap.entries}. */
  [Symbol.iterator](): IterableIterator<[number, CpuEntry]> {
    return this.entries();
  }
}

function cpuCodec({ valueSize }: MapDetails): EntryCodec<CpuEntry, never> {
  return {
    typeName: 'struct bpf_cpumap_val',
    size: valueSize,
    decode(view, offset) {
      const [queueSize, programId] = readNetworkValue(view, offset, valueSize);
      return programId === undefined ? { queueSize } : { queueSize, programId };
    },
    // Values hold descriptors, which are not put into them in JavaScript.
    encode: () => undefined,
  };
}
