import { hostIsLittleEndian, u32, type EntryCodec } from '../codec/index.js';

import { BpfMap, wrongKind, type MapDetails } from './bpf-map.js';
import { EntryStore } from './entry-store.js';

/** Where an instruction is: `struct bpf_insn_array_value` of include/uapi/linux/bpf.h. */
export interface InsnPlace {
  /** Its index in the program that was loaded. */
  readonly orig_off: number;
  /** Its index in the program that the verifier made of it; undefined when the verifier removed it. */
  readonly xlated_off: number | undefined;
  /** Bytes from the beginning of the compiled program. */
  readonly jitted_off: number;
}

/** What the kernel says of an instruction that is no longer there (INSN_DELETED in kernel/bpf/bpf_insn_array.c). */
const deleted = 0xffff_ffff;

/** The kernel's value; what it has of padding is left out. */
const placeCodec: EntryCodec<unknown> = {
  typeName: 'struct bpf_insn_array_value',
  size: 16,
  decode(view, offset): InsnPlace {
    const xlated = view.getUint32(offset + 4, hostIsLittleEndian);
    return {
      orig_off: view.getUint32(offset, hostIsLittleEndian),
      xlated_off: xlated === deleted ? undefined : xlated,
      jitted_off: view.getUint32(offset + 8, hostIsLittleEndian),
    };
  },
  encode() {
    throw new Error('the places of instructions are read only');
  },
};

/**
 * An array of places in one program, to which it jumps indirectly: a jump table. It is filled and made read-only before the
 * program is loaded; from here it tells what became of each instruction. Least kernel: 6.19.
 *
 * @example
 * ```js
 * for (const { orig_off, jitted_off } of ebpf.map('table', InsnArray)) console.log(orig_off, jitted_off);
 * ```
 */
export class InsnArray extends BpfMap {
  readonly #places: EntryStore<number, InsnPlace, number, never>;

  /** @internal */
  constructor(details: MapDetails) {
    super(details);
    this.#places = new EntryStore(this, { defaultKey: () => u32, wholeValue: () => placeCodec });
  }

  /** `map` as an array of instructions. Throws {@link UsageError} `ERR_EBPF_INVALID_VALUE` when it is of another type. */
  static override from(map: BpfMap): InsnArray {
    if (map instanceof InsnArray) return map;
    throw wrongKind(map, 'InsnArray');
  }

  /** How many places there are. */
  get length(): number {
    return this.maxEntries;
  }

  /** The place at `index`, or undefined when it is past the end. */
  get(index: number): InsnPlace | undefined {
    return this.#places.get(index);
  }

  /** Each index with its place, in order. */
  entries(): IterableIterator<[number, InsnPlace]> {
    return this.#places.entries();
  }

  /** The places in order. */
  values(): IterableIterator<InsnPlace> {
    return this.#places.values();
  }

  /** The places in order. */
  [Symbol.iterator](): IterableIterator<InsnPlace> {
    return this.values();
  }
}
