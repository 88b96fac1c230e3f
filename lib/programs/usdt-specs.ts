import { constants } from 'node:os';

import { hostIsLittleEndian as littleEndian } from '../binary/index.js';
import { KernelError, UsageError, quote } from '../errors/index.js';
import { mapDelete, mapShape, mapUpdate, type Handle } from '../sys/index.js';

import { UsdtSpecFormat } from './usdt-spec.js';

/** The maps of libbpf's usdt.bpf.h. */
const SPECS = '__bpf_usdt_specs';
const ADDRESSES = '__bpf_usdt_ip_to_spec_id';

/** BPF_NOEXIST */
const onlyNew = 1;
const EEXIST = -constants.errno.EEXIST;

/** What one attachment has in the maps. */
export interface UsdtEntries {
  readonly ids: readonly number[];
  readonly addresses: readonly bigint[];
}

/** What the programs of one object know about the probes that they are attached to: shared by all of them. */
export class UsdtSpecs {
  /** How the object's version of usdt.bpf.h reads them. */
  readonly format: UsdtSpecFormat;
  readonly #specs: Handle;
  readonly #addresses: Handle;
  readonly #capacity: number;
  readonly #free: number[] = [];
  #next = 0;

  /** @throws {UsageError} for an object that was compiled without usdt.bpf.h, or with one that is not known. */
  constructor(maps: ReadonlyMap<string, Handle>, program: string) {
    const [specs, addresses] = [maps.get(SPECS), maps.get(ADDRESSES)];
    if (specs === undefined || addresses === undefined) {
      throw UsageError.invalidValue(
        `program ${quote(program)}`,
        `its object has no map ${quote(specs === undefined ? SPECS : ADDRESSES)}: include <bpf/usdt.bpf.h> in the C`,
      );
    }
    const { valueSize, maxEntries } = mapShape(specs);
    const format = UsdtSpecFormat.all.find(({ size }) => size === valueSize);
    if (format === undefined) {
      const known = UsdtSpecFormat.all.map(({ size }) => size).join(' or ');
      throw UsageError.invalidValue(
        `map ${quote(SPECS)}`,
        `its values have ${valueSize} bytes; those of the versions of libbpf's usdt.bpf.h that are known have ${known}`,
      );
    }
    this.format = format;
    this.#specs = specs;
    this.#addresses = addresses;
    this.#capacity = maxEntries;
  }

  /** Stores a spec; returns its number, by which a program finds it. */
  add(spec: Uint8Array): number {
    const id = this.#free.pop() ?? this.#next++;
    if (id >= this.#capacity) {
      this.#free.push(id);
      throw UsageError.invalidValue(
        `map ${quote(SPECS)}`,
        `its ${this.#capacity} entries are in use; define BPF_USDT_MAX_SPEC_CNT before including <bpf/usdt.bpf.h>`,
      );
    }
    const result = mapUpdate(this.#specs, number(id, 4), spec, 0);
    if (result < 0) {
      this.#free.push(id);
      throw new KernelError(`describe a probe in map ${quote(SPECS)}`, 'bpf(BPF_MAP_UPDATE_ELEM)', result);
    }
    return id;
  }

  /** For kernels without cookies: says which spec is of the probe at an address. */
  addAddress(address: bigint, id: number): void {
    const result = mapUpdate(this.#addresses, number(address, 8), number(id, 4), onlyNew);
    if (result === EEXIST) {
      throw UsageError.invalidValue(
        'probe',
        'a program of the object is attached to it already, and this kernel takes one',
      );
    }
    if (result < 0) {
      throw new KernelError(`describe a probe in map ${quote(ADDRESSES)}`, 'bpf(BPF_MAP_UPDATE_ELEM)', result);
    }
  }

  /** Takes back what an attachment had that is no more. */
  release({ ids, addresses }: UsdtEntries): void {
    this.#free.push(...ids);
    // When the object is closed, its maps go before links that outlive it.
    if (this.#addresses.closed) return;
    for (const address of addresses) mapDelete(this.#addresses, number(address, 8));
  }
}

function number(value: number | bigint, bytes: 4 | 8): Uint8Array {
  const view = new DataView(new ArrayBuffer(bytes));
  if (bytes === 8) view.setBigUint64(0, BigInt(value), littleEndian);
  else view.setUint32(0, Number(value), littleEndian);
  return new Uint8Array(view.buffer);
}
