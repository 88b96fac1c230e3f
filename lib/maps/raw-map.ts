import { KernelError, UsageError, quote } from '../errors/index.js';
import { mapDelete, mapLookup, mapNextKey, mapShape, mapUpdate, type Handle } from '../sys/index.js';

const ENOENT = -2;
const E2BIG = -7;
const EEXIST = -17;

/** The part of a map that raw access needs. @internal */
export interface RawMapDetails {
  readonly handle: Handle;
  readonly name: string;
  readonly keySize: number;
  readonly maxEntries: number;
}

/**
 * A map's entries as bytes in the caller's `Uint8Array`s. Nothing is allocated, converted or decoded. Buffers must have the
 * kernel's sizes: of per-CPU maps a value is the value size rounded up to 8 bytes, times the possible CPUs. Flags are
 * the kernel's numbers ({@link MapUpdateFlag}).
 */
export class RawMap {
  readonly #map: RawMapDetails;

  /** @internal */
  constructor(map: RawMapDetails) {
    this.#map = map;
  }

  /**
   * Reads the value of `key` into `value`; false when there is no such key.
   *
   * @throws {@link UsageError} when a buffer has the wrong length; {@link KernelError} otherwise.
   */
  get(key: Uint8Array, value: Uint8Array, flags: number = 0): boolean {
    const result = mapLookup(this.#map.handle, key, value, flags);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('look up a key in', 'BPF_MAP_LOOKUP_ELEM', result, key, value);
  }

  /**
   * Stores `value` under `key`; false when `flags` forbid it: `MapUpdateFlag.NOEXIST` and the key is there, or
   * `EXIST` and it is not.
   *
   * @throws {@link KernelError} E2BIG when the map is full.
   */
  set(key: Uint8Array, value: Uint8Array, flags: number = 0): boolean {
    const result = mapUpdate(this.#map.handle, key, value, flags);
    if (result === 0) return true;
    if (result === EEXIST || result === ENOENT) return false;
    throw this.#failed('update', 'BPF_MAP_UPDATE_ELEM', result, key, value);
  }

  /** Removes `key`; false when it was not there. */
  delete(key: Uint8Array): boolean {
    const result = mapDelete(this.#map.handle, key);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('delete a key of', 'BPF_MAP_DELETE_ELEM', result, key);
  }

  /** Writes the key after `key` (`null`: the first) into `next`; false at the end. The first again when `key` is gone. */
  nextKey(key: Uint8Array | null, next: Uint8Array): boolean {
    const result = mapNextKey(this.#map.handle, key, next);
    if (result === 0) return true;
    if (result === ENOENT) return false;
    throw this.#failed('walk', 'BPF_MAP_GET_NEXT_KEY', result, next);
  }

  #failed(what: string, command: string, errno: number, key: Uint8Array, value?: Uint8Array): Error {
    const { name, handle, keySize, maxEntries } = this.#map;
    if (handle.closed) return UsageError.closed(`map ${quote(name)}`);
    if (key.length !== keySize) {
      return UsageError.invalidValue('key', `it has ${key.length} bytes; keys of map ${quote(name)} have ${keySize}`);
    }
    const { valueBytes } = mapShape(handle);
    if (value !== undefined && value.length < valueBytes) {
      const problem = `it has ${value.length} bytes; values of map ${quote(name)} have ${valueBytes}`;
      return UsageError.invalidValue('value', problem);
    }
    return new KernelError(
      `${what} map ${quote(name)}`,
      `bpf(${command})`,
      errno,
      errno === E2BIG
        ? { advice: `the map is full: it holds ${maxEntries} entries; load it with a larger maxEntries` }
        : {},
    );
  }
}
