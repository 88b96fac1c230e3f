import { KernelError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { Handle } from './handle.js';
import { trace, tracing } from './trace.js';

/**
 * Memory that a map shares with this process. It is copied in and out: no view of it reaches JavaScript. Every aligned
 * value of 1, 2, 4 or 8 bytes in what is copied is read and written by one load or store, so never seen half written.
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

  /** Fills `destination` from `offset` on. UsageError when that leaves the mapping. */
  read(offset: number, destination: Uint8Array): void {
    const result = addon().mappingRead(this.#handle.token, offset, destination);
    if (tracing) trace(`read of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(offset, destination.byteLength);
  }

  /** Writes `source` from `offset` on. UsageError when that leaves the mapping or it is not writable. */
  write(offset: number, source: Uint8Array): void {
    if (!this.writable) throw UsageError.invalidValue('source', 'this mapping is read-only');
    const result = addon().mappingWrite(this.#handle.token, offset, source);
    if (tracing) trace(`write of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(offset, source.byteLength);
  }

  /** As {@link read}, of up to 8 bytes to the beginning of `word`. */
  load(offset: number, size: number): void {
    const result = addon().mappingLoad(this.#handle.token, offset, size);
    if (tracing) trace(`read of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(offset, size);
  }

  /** As {@link write}, of up to 8 bytes from the beginning of `word`. */
  store(offset: number, size: number): void {
    if (!this.writable) throw UsageError.invalidValue('value', 'this mapping is read-only');
    const result = addon().mappingStore(this.#handle.token, offset, size);
    if (tracing) trace(`write of mapped ${this.#handle.describe()}`, result);
    if (result < 0) throw this.#refused(offset, size);
  }

  close(): void {
    this.#handle.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #refused(offset: number, length: number): UsageError {
    if (this.closed) return UsageError.closed(this.#handle.describe());
    return UsageError.invalidValue('offset', `${length} bytes at ${offset} leave the ${this.length} bytes mapped`);
  }
}
