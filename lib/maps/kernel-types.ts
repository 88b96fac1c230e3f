import { Btf } from '../btf/index.js';
import { EbpfError } from '../errors/index.js';
import { explainPermission } from '../kernel/index.js';
import { objectInfo, openById, readBtf, type MapInfo } from '../sys/index.js';

import type { DecodeOptions, ValueTypes } from './value-types.js';

/** The types of a map's keys and values as the kernel keeps them, read when they are needed. @internal */
export class KernelTypes implements ValueTypes {
  readonly keyType: number;
  readonly valueType: number;
  readonly decode: DecodeOptions;
  readonly #id: number;
  #btf: Btf | undefined;
  #read = false;

  constructor(info: MapInfo, decode: DecodeOptions) {
    this.#id = info.btfId;
    this.keyType = info.btfKeyTypeId;
    this.valueType = info.btfValueTypeId;
    this.decode = decode;
  }

  get btf(): Btf | undefined {
    if (!this.#read) {
      this.#btf = this.#id === 0 ? undefined : readKernelBtf(this.#id);
      this.#read = true;
    }
    return this.#btf;
  }
}

function readKernelBtf(id: number): Btf | undefined {
  try {
    const handle = openById('btf', id);
    try {
      // The kernel's own, or a module's, is no map's: it has no types of keys and values.
      if (objectInfo(handle, 'btf').kernel) return undefined;
      return Btf.parse(readBtf(handle), { name: `BTF ${id}` });
    } finally {
      handle.close();
    }
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'EPERM') throw error;
    throw explainPermission(error, {
      what: `read the types of a map (BTF ${id}); without them, declare types with of()`,
      capabilities: ['CAP_SYS_ADMIN'],
    });
  }
}
