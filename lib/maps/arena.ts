import { inspect } from 'node:util';

import { MapFlag, MapType } from '../abi/index.js';
import { bytes } from '../codec/index.js';
import { EbpfError, UsageError, quote } from '../errors/index.js';
import { pageSize } from '../kernel/index.js';
import { Mapping } from '../sys/index.js';

import { BpfMap, wrongKind } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { MappedMemory } from './mapped-memory.js';

/** An arena that is made without an object. `maxEntries` are its pages. */
export interface NewArenaOptions extends NewMapOptions {
  /**
   * Where this process, and any other that opens the arena, is to have it: a multiple of the page size. Default: the kernel
   * chooses a place in this process, and no other process can map it.
   */
  readonly address?: bigint | undefined;
}

/** An arena has at most as many bytes as 32 bits count, and must not cross a multiple of that (arena_map_alloc). */
const mostBytes = 2 ** 32;

/**
 * Memory of up to 4 GiB that programs and this process share, pointers included: a pointer in it means the same to both.
 * Programs allocate its pages (`bpf_arena_alloc_pages`); a page that this process touches first is allocated then, unless
 * the arena has `MapFlag.SEGV_ON_FAULT`: then it is refused with EFAULT. Least kernel: 6.9, with a JIT.
 *
 * @example
 * ```js
 * const arena = ebpf.map('memory', Arena);
 * const Node = struct('node', { next: pointer, value: u64 });
 * for (let at = ebpf.variables.head; at !== 0n; ) {
 *   const { next, value } = arena.memory.get(arena.offsetOf(at), Node);
 *   console.log(value);
 *   at = next;
 * }
 * ```
 */
export class Arena extends BpfMap {
  #memory: MappedMemory | undefined;
  #mapping: Mapping | undefined;

  /**
   * Makes an arena without an object, to give to {@link Ebpf.load} in place of the object's.
   *
   * @throws {@link UnsupportedError} before Linux 6.9; {@link UsageError}; {@link KernelError} EEXIST when something else is
   * at `address`.
   *
   * @example
   * ```js
   * const arena = await Arena.create({ name: 'memory', maxEntries: 256, address: 1n << 44n });
   * ```
   */
  static async create(options: NewArenaOptions): Promise<Arena> {
    const { address = 0n, ...rest } = options;
    requirePlace(address, rest.maxEntries);
    const flags = MapFlag.MMAPABLE;
    const fixed = { type: MapType.ARENA, key: 'none', value: bytes(0), flags, mapExtra: Number(address) } as const;
    const arena = Arena.from(await createMap(fixed, rest));
    try {
      // A program can be loaded only once the arena has its place.
      arena.#map(address);
    } catch (error) {
      arena.close();
      throw error;
    }
    return arena;
  }

  /** `map` as an arena. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): Arena {
    if (map instanceof Arena) return map;
    throw wrongKind(map, 'Arena');
  }

  /** How many pages it has at most. */
  get pages(): number {
    return this.maxEntries;
  }

  /** How many bytes it has at most. */
  get size(): number {
    return this.maxEntries * pageSize();
  }

  /**
   * Its memory, to read and write. It is mapped at the first use, in one place for all threads of this process, and closed
   * with the arena.
   *
   * @throws {@link UsageError} `ERR_EBPF_CLOSED`; when the arena was made by another process without an address, or opened
   * with less than full `access`.
   */
  get memory(): MappedMemory {
    this.#memory ??= new MappedMemory(this.mapping);
    return this.#memory;
  }

  /** Where it is: what pointers in it begin at. */
  get address(): bigint {
    return this.mapping.arenaAddress();
  }

  /**
   * How far into the arena a pointer of it points, for {@link memory}.
   *
   * @throws {@link UsageError} when it points somewhere else.
   */
  offsetOf(pointer: bigint): number {
    const offset = pointer - this.address;
    if (offset >= 0n && offset < BigInt(this.size)) return Number(offset);
    const where = `0x${this.address.toString(16)} to 0x${(this.address + BigInt(this.size)).toString(16)}`;
    throw UsageError.invalidValue(
      'pointer',
      `0x${pointer.toString(16)} is not in arena ${quote(this.name)}, which is from ${where}`,
    );
  }

  /** Lets go of the arena and its memory. */
  override close(): void {
    this.details.mapping?.close();
    this.#mapping?.close();
    super.close();
  }

  /** @internal */
  get mapping(): Mapping {
    this.requireOpen();
    return this.details.mapping ?? this.#mapping ?? this.#map(this.info().mapExtra);
  }

  #map(address: bigint): Mapping {
    try {
      this.#mapping = Mapping.create(this.handle, this.size, { writable: true, address: Number(address) });
      return this.#mapping;
    } catch (error) {
      if (!EbpfError.is(error)) throw error;
      const problem = obstacle(error.errnoName);
      if (problem === undefined) throw error;
      throw UsageError.invalidValue(`arena ${quote(this.name)}`, problem, { cause: error });
    }
  }
}

/** What it means when an arena that exists cannot be mapped (arena_get_unmapped_area and arena_map_mmap). */
function obstacle(errnoName: string | undefined): string | undefined {
  if (errnoName === 'EINVAL' || errnoName === 'EBUSY') {
    return 'another process has it at an address of its own; make it with an address that both have free';
  }
  if (errnoName === 'EEXIST') return 'something else is at its address in this process';
  if (errnoName === 'EACCES') return 'the kernel maps arenas to read and write; open it without access';
  return undefined;
}

function requirePlace(address: unknown, pages: number): void {
  const page = BigInt(pageSize());
  if (typeof address !== 'bigint' || address < 0n || address >= 1n << 47n || address % page !== 0n) {
    throw UsageError.invalidValue(
      'address',
      `must be a bigint below 2^47, a multiple of ${page}, not ${inspect(address)}`,
    );
  }
  const size = pages * pageSize();
  if (size > mostBytes) {
    throw UsageError.invalidValue('maxEntries', `${pages} pages have ${size} bytes, more than ${mostBytes}`);
  }
  if (Number(address % BigInt(mostBytes)) + size > mostBytes) {
    throw UsageError.invalidValue('address', `the arena must not cross a multiple of 4 GiB`);
  }
}
