import { BpfCommand, MapUpdateFlag } from '../abi/index.js';
import { storageDelete, storageLookup, storageUpdate, type StorageOwner } from '../sys/index.js';

import { BpfMap, type MapDetails } from './bpf-map.js';
import { callFailure } from './call-failure.js';
import type { NewMapOptions, NewValues } from './create-map.js';
import { encode } from './entry-store.js';
import { EEXIST, ENOENT } from './errno.js';
import { MapTypes, type EntryCodecs } from './map-types.js';
import { updateFlag, type SetOptions } from './set-options.js';

/** What is said of a local storage that is made without an object. */
export type NewStorageOptions<Value, ValueInput> = Omit<NewMapOptions, 'maxEntries'> & NewValues<Value, ValueInput>;

/** An owner for the time of one call. @internal */
export interface OpenOwner {
  readonly key: StorageOwner;
  /** Of what was opened for the call. */
  readonly close?: (() => void) | undefined;
}

/**
 * What local storages have in common: values that belong to something of the kernel's, a socket, file, task or cgroup, and are
 * gone with it. The kernel finds the owner by a descriptor, which is needed for the call only, and does not tell which
 * owners have a value.
 */
export abstract class LocalStorage<Owner, Value, ValueInput = Value> extends BpfMap {
  /** @internal */
  protected readonly types: MapTypes;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.types = new MapTypes(details);
  }

  /**
   * The owner's value, or undefined.
   *
   * @throws {@link UsageError} when there is no such owner.
   */
  get(owner: Owner): Value | undefined {
    const value = new Uint8Array(this.details.valueBytes);
    const errno = this.#withOwner(owner, (key) => storageLookup(this.handle, key, value, this.#lockFlag()));
    if (errno === ENOENT) return undefined;
    if (errno < 0) throw this.#failed(owner, 'look up an owner in', BpfCommand.MAP_LOOKUP_ELEM, errno);
    return this.types.value.decode(new DataView(value.buffer), 0) as Value;
  }

  /** Whether the owner has a value. */
  has(owner: Owner): boolean {
    return this.get(owner) !== undefined;
  }

  /**
   * Stores the owner's value; true when it was stored, false when a condition of `options` forbade it. Programs find it with
   * the helpers of this map's type.
   *
   * @throws {@link UsageError} when there is no such owner, or with the field's path when `value` is not of its type.
   */
  set(owner: Owner, value: ValueInput, options?: SetOptions): boolean {
    const bytes = new Uint8Array(this.details.valueBytes);
    encode(this.types.value, value, new DataView(bytes.buffer), 0, 'value');
    const flags = updateFlag(options);
    const errno = this.#withOwner(owner, (key) => storageUpdate(this.handle, key, bytes, flags | this.#lockFlag()));
    if (errno === 0) return true;
    if (flags !== MapUpdateFlag.ANY && (errno === EEXIST || errno === ENOENT)) return false;
    throw this.#failed(owner, 'update', BpfCommand.MAP_UPDATE_ELEM, errno);
  }

  /** Removes the owner's value; false when it had none. */
  delete(owner: Owner): boolean {
    const errno = this.#withOwner(owner, (key) => storageDelete(this.handle, key));
    if (errno === 0) return true;
    if (errno === ENOENT) return false;
    throw this.#failed(owner, 'delete an owner of', BpfCommand.MAP_DELETE_ELEM, errno);
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return this.types.declared;
  }

  /** The owner for one call. Throws when it cannot be one. @internal */
  protected abstract openOwner(owner: Owner): OpenOwner;

  /** What the kernel's refusal says about the owner; `failure` when it says nothing. @internal */
  protected abstract ownerFailure(owner: Owner, failure: Error): unknown;

  #withOwner(owner: Owner, call: (key: StorageOwner) => number): number {
    this.requireOpen();
    const { key, close } = this.openOwner(owner);
    try {
      return call(key);
    } finally {
      close?.();
    }
  }

  #failed(owner: Owner, what: string, command: BpfCommand, errno: number): unknown {
    return this.ownerFailure(owner, callFailure(this.details, what, command, errno));
  }

  #lockFlag(): number {
    return this.types.locked ? MapUpdateFlag.F_LOCK : 0;
  }
}

/** One of Node's own descriptors as a key. @internal */
export function descriptorKey(descriptor: number): Uint8Array {
  return new Uint8Array(Int32Array.of(descriptor).buffer);
}
