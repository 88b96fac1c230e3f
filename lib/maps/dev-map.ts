import { MapType } from '../abi/index.js';
import { bytes, u32 } from '../codec/index.js';

import { wrongKind, type BpfMap } from './bpf-map.js';
import { createMap, type NewMapOptions } from './create-map.js';
import { DeviceMap, type DeviceValue, type SetDeviceOptions } from './device-map.js';
import { slotKey } from './slots.js';

/**
 * An array of network interfaces, to which XDP programs redirect packets (`bpf_redirect_map`). An interface that goes away
 * leaves it. Least kernel: 4.14; with programs 5.8.
 *
 * @example
 * ```js
 * const [veth] = (await listInterfaces()).filter(({ name }) => name === 'veth0');
 * ebpf.map('devices', DevMap).set(1, { ifindex: veth.index, program: ebpf.program('at_device', Xdp) });
 * ```
 */
export class DevMap extends DeviceMap {
  /** `map` as an array of interfaces. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): DevMap {
    if (map instanceof DevMap) return map;
    throw wrongKind(map, 'DevMap');
  }

  /**
   * Makes an array of interfaces without an object.
   *
   * @throws {@link PermissionError}; {@link UsageError} for options that do not fit; {@link KernelError}.
   *
   * @example
   * ```js
   * const devices = await DevMap.create({ name: 'devices', maxEntries: 64 });
   * ```
   */
  static async create(options: NewMapOptions): Promise<DevMap> {
    return DevMap.from(await createMap({ type: MapType.DEVMAP, key: u32, value: bytes(8) }, options));
  }

  /** How many places there are. */
  get length(): number {
    return this.maxEntries;
  }

  /**
   * Puts an interface into a place, in place of what is there.
   *
   * @throws {@link UsageError} when `index` is past the end, there is no such interface, or the program is none of section
   * `xdp/devmap`.
   */
  set(index: number, value: DeviceValue, options?: SetDeviceOptions): void {
    this.put(slotKey(this, index), value, options, false);
  }

  /** Empties a place; one that is empty stays so. */
  delete(index: number): void {
    this.raw.delete(slotKey(this, index));
  }
}
