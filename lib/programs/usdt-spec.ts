import { hostIsLittleEndian as littleEndian } from '../binary/index.js';
import type { UsdtArgument } from '../user-space/index.js';

// `struct __bpf_usdt_spec` of libbpf's usdt.bpf.h, the same in libbpf 0.8 to 1.8 but for what ARG_SIB (1.7) has in bytes that
// were zero before.
const ARGUMENT_BYTES = 16;
const MOST_ARGUMENTS = 12;
const COOKIE = MOST_ARGUMENTS * ARGUMENT_BYTES;
const COUNT = COOKIE + 8;

/** In bytes. */
export const usdtSpecSize: number = COUNT + 8;

/** `enum __bpf_usdt_arg_type` */
const ArgumentType = { CONST: 0, REG: 1, REG_DEREF: 2, SIB: 3 } as const;

/** A type that no version knows: `bpf_usdt_arg` gives EINVAL for it, and for that argument alone. */
const UNREADABLE = 0xff;

/** How a program finds the arguments of a probe at one place, as its part of libbpf's USDT support reads it. */
export function encodeUsdtSpec(given: readonly UsdtArgument[], cookie: bigint): Uint8Array {
  const bytes = new Uint8Array(usdtSpecSize);
  const view = new DataView(bytes.buffer);
  const known = given.slice(0, MOST_ARGUMENTS);
  for (const [index, argument] of known.entries()) writeArgument(view, index * ARGUMENT_BYTES, argument);
  view.setBigUint64(COOKIE, BigInt.asUintN(64, cookie), littleEndian);
  view.setInt16(COUNT, known.length, littleEndian);
  return bytes;
}

function writeArgument(view: DataView, at: number, { location, size, signed }: UsdtArgument): void {
  const offset = location === undefined ? 0n : valueOf(location);
  view.setBigUint64(at, BigInt.asUintN(64, offset), littleEndian);
  view.setUint32(at + 8, typeBits(location), littleEndian);
  if (location !== undefined && location.kind !== 'constant') view.setInt16(at + 12, location.register, littleEndian);
  view.setUint8(at + 14, signed ? 1 : 0);
  view.setUint8(at + 15, size > 0 && size <= 8 ? 64 - size * 8 : 0);
}

function valueOf(location: NonNullable<UsdtArgument['location']>): bigint {
  if (location.kind === 'constant') return location.value;
  return location.kind === 'register' ? 0n : location.offset;
}

/** Four bit-fields, which C counts from the lowest bit on little-endian machines, from the highest on big-endian ones. */
function typeBits(location: UsdtArgument['location']): number {
  switch (location?.kind) {
    case undefined:
      return UNREADABLE;
    case 'constant':
      return ArgumentType.CONST;
    case 'register':
      return ArgumentType.REG;
    case 'memory':
      return ArgumentType.REG_DEREF;
    case 'indexed': {
      const shift = Math.log2(location.scale);
      return littleEndian
        ? ArgumentType.SIB | (location.index << 8) | (shift << 20)
        : ArgumentType.SIB | (shift << 8) | (location.index << 12);
    }
  }
}
