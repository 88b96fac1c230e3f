import { MapType } from '../abi/index.js';
import { bytes, u32 } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { DeviceMap, type DeviceValue, type SetDeviceOptions } from './device-map.js';
import { requireNumber } from './network-value.js';

/** How {@link DevMapHash.set} stores. */
export interface SetHashedDeviceOptions extends SetDeviceOptions {
  /** Store only when the key is not there. */
  readonly ifAbsent?: boolean | undefined;
}

/**
 * Network interfaces by numbers of 32 bits, often their own indexes: a {@link DevMap} without room for those that are not
 * there. Least kernel: 5.4; with programs 5.8.
 *
 * @example
 * ```js
 * const devices = ebpf.map('devices', DevMapHash);
 * for (const { index } of await listInterfaces()) devices.set(index, { ifindex: index });
 * ```
 */
export class DevMapHash extends DeviceMap {
  /** `map` as interfaces by number. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): DevMapHash {
    if (map instanceof DevMapHash) return map;
    throw wrongKind(map, 'DevMapHash');
  }

  /**
   * Makes a map of interfaces without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const devices = await DevMapHash.create({ name: 'devices', maxEntries: 64 });
   * ```
   */
  static async create(options: NewMapOptions): Promise<DevMapHash> {
    return DevMapHash.from(await createMap({ type: MapType.DEVMAP_HASH, key: u32, value: bytes(8) }, options));
  }

  /**
   * Stores an interface under `key`; true when it was stored, false when `ifAbsent` forbade it.
   *
   * @throws {@link UsageError} when there is no such interface, or the program is none of section `xdp/devmap`;
   * {@link KernelError} E2BIG when the map is full.
   */
  set(key: number, value: DeviceValue, options?: SetHashedDeviceOptions): boolean {
    const number = requireNumber('key', key, 0, 0xffff_ffff);
    return this.put(new Uint8Array(Uint32Array.of(number).buffer), value, options, options?.ifAbsent === true);
  }

  /** Removes `key`; false when it was not there. */
  delete(key: number): boolean {
    return this.store.delete(key);
  }

  /** The keys, in no order. */
  keys(): IterableIterator<number> {
    return this.store.keys();
  }

  /** How many keys there are, found by walking the map. */
  count(): number {
    return this.store.count();
  }

  /** Removes every key that is there now. */
  clear(): void {
    this.store.clear();
  }
}
