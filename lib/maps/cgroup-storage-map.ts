import { struct, u32, u64, type EntryCodec } from '../codec/index.js';

import { BpfMap, type MapDetails } from './bpf-map.js';
import { EntryStore } from './entry-store.js';
import type { EntryCodecs, TypeAdapters } from './map-types.js';

/** `struct bpf_cgroup_storage_key` of include/uapi/linux/bpf.h, its padding left out. */
const StorageKey = struct('bpf_cgroup_storage_key', { cgroup_inode_id: u64, attach_type: u32 });

/** What the kernel takes for keys, where BTF does not say it: an id of a cgroup, with or without a place to attach to. */
function defaultKey({ types, keySize }: MapDetails): EntryCodec<unknown> | undefined {
  if (types.keyType !== 0) return undefined;
  return keySize === StorageKey.size ? StorageKey : u64;
}

/**
 * What both storages of cgroups have in common. The kernel makes a value for each cgroup that a program is attached to which
 * uses the map, and removes it with the cgroup; from here a value is read and changed. Its key is the cgroup's id
 * ({@link cgroupId}), alone or with the place that the program is attached to: `{ cgroup_inode_id, attach_type }`.
 */
export abstract class CgroupStorageMap<Key, Value, KeyInput = Key, ValueInput = Value> extends BpfMap {
  /** @internal */
  protected readonly store: EntryStore<Key, Value, KeyInput, ValueInput>;

  /** @internal */
  constructor(details: MapDetails, adapters: TypeAdapters = {}) {
    super(details);
    this.store = new EntryStore(this, { ...adapters, defaultKey });
  }

  /**
   * The value of a cgroup, or undefined when no program that uses the map was attached to it.
   *
   * @throws {@link UsageError} when `key` is not of the key's type.
   */
  get(key: KeyInput): Value | undefined {
    return this.store.get(key);
  }

  /** Whether a cgroup has a value. */
  has(key: KeyInput): boolean {
    return this.store.has(key);
  }

  /**
   * Changes the value of a cgroup; false when it has none.
   *
   * @throws {@link UsageError} with the field's path when key or value are not of their type, before anything is stored.
   */
  set(key: KeyInput, value: ValueInput): boolean {
    return this.store.set(key, value);
  }

  /** How many values there are, found by walking the map. */
  count(): number {
    return this.store.count();
  }

  /** Every key with its value. */
  entries(): IterableIterator<[Key, Value]> {
    return this.store.entries();
  }

  /** Every key. */
  keys(): IterableIterator<Key> {
    return this.store.keys();
  }

  /** Every value. */
  values(): IterableIterator<Value> {
    return this.store.values();
  }

  /** The same as {@link CgroupStorageMap.entries}. */
  [Symbol.iterator](): IterableIterator<[Key, Value]> {
    return this.entries();
  }

  /** @internal */
  protected override declaredCodecs(): EntryCodecs {
    return this.store.types.declared;
  }
}
