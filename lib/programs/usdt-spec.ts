import { hostIsLittleEndian as littleEndian } from '../binary/index.js';
import type { UsdtArgument, UsdtLocation } from '../user-space/index.js';

/** Where `struct __bpf_usdt_arg_spec` of libbpf's usdt.bpf.h has its members, in bytes. The first, `val_off`, is at 0. */
interface ArgumentLayout {
  readonly size: number;
  readonly type: number;
  readonly register: number;
  readonly signed: number;
  readonly shift: number;
  /** 16 bits, 12 for the second register and 4 for what it is multiplied by; undefined where there is no such kind of argument. */
  readonly index: number | undefined;
}

/** Of libbpf 0.8 to 1.6: the type is an `enum`, of which one byte is not zero. */
const before17: ArgumentLayout = {
  ...{ size: 16, type: littleEndian ? 8 : 11, register: 12, signed: 14, shift: 15 },
  index: undefined,
};

/**
 * Of libbpf 1.7 and 1.8. Its bit-field of 12 bits is of a type of 16, so that it begins at a boundary of 16 bits: all members after it
 * are elsewhere than before, though the comment of the header means to keep them.
 */
const since17: ArgumentLayout = {
  ...{ size: 24, type: littleEndian ? 8 : 12, register: 14, signed: 16, shift: 17 },
  index: 10,
};

const MOST_ARGUMENTS = 12;

/** `enum __bpf_usdt_arg_type` */
const ArgumentType = { CONST: 0, REG: 1, REG_DEREF: 2, SIB: 3 } as const;

/** A type that no version knows: `bpf_usdt_arg` gives EINVAL for it, and for that argument alone. */
const UNREADABLE = 0xff;

/** `struct __bpf_usdt_spec` of one version of usdt.bpf.h: how a program finds the arguments of a probe at one place. */
export class UsdtSpecFormat {
  readonly #argument: ArgumentLayout;

  private constructor(argument: ArgumentLayout) {
    this.#argument = argument;
  }

  /** Those of all versions, told apart by their size. */
  static readonly all: readonly UsdtSpecFormat[] = [new UsdtSpecFormat(before17), new UsdtSpecFormat(since17)];

  /** In bytes. */
  get size(): number {
    return this.#cookieAt + 16;
  }

  encode(given: readonly UsdtArgument[], cookie: bigint): Uint8Array {
    const view = new DataView(new ArrayBuffer(this.size));
    const known = given.slice(0, MOST_ARGUMENTS);
    for (const [index, argument] of known.entries()) this.#write(view, index * this.#argument.size, argument);
    view.setBigUint64(this.#cookieAt, BigInt.asUintN(64, cookie), littleEndian);
    view.setInt16(this.#cookieAt + 8, known.length, littleEndian);
    return new Uint8Array(view.buffer);
  }

  get #cookieAt(): number {
    return MOST_ARGUMENTS * this.#argument.size;
  }

  #write(view: DataView, at: number, { location, size, signed }: UsdtArgument): void {
    const places = this.#argument;
    view.setUint8(at + places.type, this.#typeOf(location));
    view.setUint8(at + places.signed, signed ? 1 : 0);
    view.setUint8(at + places.shift, size > 0 && size <= 8 ? 64 - size * 8 : 0);
    if (location === undefined) return;
    view.setBigUint64(at, BigInt.asUintN(64, valueOf(location)), littleEndian);
    if (location.kind === 'constant') return;
    view.setInt16(at + places.register, location.register, littleEndian);
    if (location.kind === 'indexed' && places.index !== undefined) {
      view.setUint16(at + places.index, indexBits(location.index, Math.log2(location.scale)), littleEndian);
    }
  }

  #typeOf(location: UsdtLocation | undefined): number {
    switch (location?.kind) {
      case undefined:
        return UNREADABLE;
      case 'constant':
        return ArgumentType.CONST;
      case 'register':
        return ArgumentType.REG;
      case 'memory':
        return ArgumentType.REG_DEREF;
      case 'indexed':
        return this.#argument.index === undefined ? UNREADABLE : ArgumentType.SIB;
    }
  }
}

function valueOf(location: UsdtLocation): bigint {
  if (location.kind === 'constant') return location.value;
  return location.kind === 'register' ? 0n : location.offset;
}

/** C counts bit-fields from the lowest bit on little-endian machines, from the highest on big-endian ones. */
function indexBits(register: number, shift: number): number {
  return littleEndian ? register | (shift << 12) : (register << 4) | shift;
}
