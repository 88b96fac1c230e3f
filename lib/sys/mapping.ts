import { KernelError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { Handle } from './handle.js';
import { trace, tracing } from './trace.js';

const ERANGE = -34;

/**
 * Memory that a map shares with this process. It is copied in and out: no view of it reaches JavaScript. Every aligned
 * value of 1, 2, 4 or 8 bytes in what is copied is read and written by one load or store, so never seen half written.
 * What is read is ordered before later reads and writes, what is written after earlier ones (acquire and release).
 */
export class Mapping {
  /** Bytes that can be read. */
  readonly length: number;
  readonly writable: boolean;
  readonly #handle: Handle;

  private constructor(handle: Handle, length: number, writable: boolean) {
    this.#handle = handle;
    this.length = length;
    this.writable = writable;
  }

  /**
   * Maps the first `length` bytes of `map`, at `address` when one is given. Throws KernelError: ENOTSUPP or EINVAL for a
   * map without MapFlag.MMAPABLE, EEXIST when something else is at that address.
   */
  static create(
    map: Handle,
    length: number,
    options: { readonly writable: boolean; readonly address?: number | undefined },
  ): Mapping {
    const token = trace(
      `mmap(${map.describe()}, ${length})`,
      addon().mappingOpen(map.token, 0, length, options.writable, options.address ?? 0),
    );
    if (token < 0) throw new KernelError(`map ${map.describe()} into memory`, 'mmap', token);
    return new Mapping(new Handle('mapping', token, map.name), length, options.writable);
  }

  get closed(): boolean {
    return this.#handle.closed;
  }

  /** Fills `destination` from `offset`, a whole number, on. UsageError when that leaves the mapping. */
  read(offset: number, destination: Uint8Array): void {
    const result = addon().mappingRead(this.#handle.token, offset, destination);
    if (tracing) trace(`read of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(result, offset, destination.byteLength);
  }

  /** Writes `source` from `offset` on. UsageError when that leaves the mapping or it is not writable. */
  write(offset: number, source: Uint8Array): void {
    if (!this.writable) throw UsageError.invalidValue('source', 'this mapping is read-only');
    const result = addon().mappingWrite(this.#handle.token, offset, source);
    if (tracing) trace(`write of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(result, offset, source.byteLength);
  }

  /** As {@link read}, of up to 8 bytes to the beginning of `word`. */
  load(offset: number, size: number): void {
    const result = addon().mappingLoad(this.#handle.token, offset, size);
    if (tracing) trace(`read of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(result, offset, size);
  }

  /** As {@link write}, of up to 8 bytes from the beginning of `word`. */
  store(offset: number, size: number): void {
    if (!this.writable) throw UsageError.invalidValue('value', 'this mapping is read-only');
    const result = addon().mappingStore(this.#handle.token, offset, size);
    if (tracing) trace(`write of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(result, offset, size);
  }

  close(): void {
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Where an arena is in this process: what its pointers begin at. UsageError for other memory. */
  arenaAddress(): bigint {
    const address = addon().arenaAddress(this.#handle.token);
    if (address >= 0) return BigInt(address);
    if (this.closed) throw UsageError.closed(this.#handle.describe());
    throw UsageError.invalidValue(this.#handle.describe(), 'it is not the memory of an arena');
  }

  #refused(errno: number, offset: number, length: number): UsageError | KernelError {
    if (this.closed) return UsageError.closed(this.#handle.describe());
    if (errno !== ERANGE) {
      return new KernelError(
        `copy ${length} bytes at ${offset} of ${this.#handle.describe()}`,
        'process_vm_readv',
        errno,
        {
          advice:
            'the map has MapFlag.SEGV_ON_FAULT: only what a program has allocated (bpf_arena_alloc_pages) is there',
        },
      );
    }
    return UsageError.invalidValue('offset', `${length} bytes at ${offset} leave the ${this.length} bytes mapped`);
  }
}
