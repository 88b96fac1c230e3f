import { MapUpdateFlag } from '../abi/index.js';
import { u32, type EntryCodec } from '../codec/index.js';
import { networkNamespaceWords, type NetworkNamespaceSource } from '../kernel/index.js';
import type { HeldObject } from '../sys/index.js';

import { BpfMap, type MapDetails } from './bpf-map.js';
import { EntryStore } from './entry-store.js';
import { programRefusal, readNetworkValue, requireNumber, requireObject, storeNetworkValue } from './network-value.js';

/** A network interface that packets are redirected to. */
export interface DeviceValue {
  /** The interface's index: {@link listInterfaces}. */
  readonly ifindex: number;
  /** A program of section `xdp/devmap` that runs on each packet before it goes out. Least kernel: 5.8. */
  readonly program?: HeldObject | undefined;
}

/** What a map of devices says of one. */
export interface DeviceEntry {
  /** The interface's index. */
  readonly ifindex: number;
  /** The id of the program that runs on packets for it; absent where there is none. */
  readonly programId?: number;
}

/** Where {@link DevMap.set} finds the interface. */
export interface SetDeviceOptions {
  /** The network namespace that has the interface; default: the process's own. */
  readonly netns?: NetworkNamespaceSource | undefined;
}

/** What maps of network interfaces have in common: {@link DevMap} and {@link DevMapHash}. */
export abstract class DeviceMap extends BpfMap {
  /** @internal */
  protected readonly store: EntryStore<number, DeviceEntry, number, never>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.store = new EntryStore(this, { defaultKey: () => u32, wholeValue: (_, map) => deviceCodec(map) });
  }

  /** The interface of a key, with the id of its program; undefined when there is none. */
  get(key: number): DeviceEntry | undefined {
    return this.store.get(key);
  }

  /** Whether a key has an interface. */
  has(key: number): boolean {
    return this.store.has(key);
  }

  /** The keys that have interfaces, each with its interface. */
  entries(): IterableIterator<[number, DeviceEntry]> {
    return this.store.entries();
  }

  /** The same as {@link DeviceMap.entries}. */
  [Symbol.iterator](): IterableIterator<[number, DeviceEntry]> {
    return this.entries();
  }

  /** @internal */
  protected put(key: Uint8Array, value: DeviceValue, options: SetDeviceOptions | undefined, absent: boolean): boolean {
    const { ifindex, program } = requireObject(value);
    const number = requireNumber('value.ifindex', ifindex, 1, 0x7fff_ffff);
    const netns = options?.netns;
    const flags = absent ? MapUpdateFlag.NOEXIST : MapUpdateFlag.ANY;
    return storeNetworkValue(this, key, { number, program, netns, flags }, (errnoName) => {
      // __dev_map_alloc_node in kernel/bpf/devmap.c: EINVAL is also its word for no such interface.
      if (errnoName !== 'EINVAL') return undefined;
      const where = netns === undefined ? '' : ` in ${networkNamespaceWords(netns)}`;
      const noInterface = `no network interface${where} has the index ${number}`;
      return program === undefined ? noInterface : `${noInterface}, or ${programRefusal('xdp/devmap')}`;
    });
  }
}

function deviceCodec({ valueSize }: MapDetails): EntryCodec<DeviceEntry, never> {
  return {
    typeName: 'struct bpf_devmap_val',
    size: valueSize,
    decode(view, offset) {
      const [ifindex, programId] = readNetworkValue(view, offset, valueSize);
      return programId === undefined ? { ifindex } : { ifindex, programId };
    },
    // Values hold descriptors, which are not put into them in JavaScript.
    encode: () => undefined,
  };
}
