import { type Btf, BtfKind } from '../../btf/index.js';
import { type Access, isEnum, sizeOf } from './access.js';
import { CoreProblem } from './core-problem.js';
import { CoreRelocationKind } from './core-relocation-kind.js';

/** The answer to a relocation's question in one BTF. */
export interface AccessValue {
  /** Unsigned, as 64 bits. */
  readonly value: bigint;
  /** Bytes of the field that a load or store of it moves; 0 when the answer is no offset of a whole field. */
  readonly size: number;
  /** The field's type behind its modifiers, 0 when `size` is. */
  readonly type: number;
  /** Whether the compiler has put the answer for the object's own types into the instruction. */
  readonly isInInstruction: boolean;
}

/**
 * Answers `kind` for an access that exists.
 *
 * @throws {CoreProblem} when the question makes no sense for it.
 */
export function valueOf(access: Access, kind: CoreRelocationKind): AccessValue {
  switch (kind) {
    case CoreRelocationKind.FIELD_EXISTS:
    case CoreRelocationKind.TYPE_EXISTS:
    case CoreRelocationKind.TYPE_MATCHES:
    case CoreRelocationKind.ENUMVAL_EXISTS:
      return plain(1n);
    case CoreRelocationKind.TYPE_ID_LOCAL:
    case CoreRelocationKind.TYPE_ID_TARGET:
      // Linkers renumber types and leave the instruction alone.
      return { ...plain(BigInt(access.rootType)), isInInstruction: false };
    case CoreRelocationKind.TYPE_SIZE:
      return plain(BigInt(sizeOf(access.btf, access.rootType)));
    case CoreRelocationKind.ENUMVAL_VALUE:
      return plain(enumValue(access));
    case CoreRelocationKind.FIELD_BYTE_OFFSET:
    case CoreRelocationKind.FIELD_BYTE_SIZE:
    case CoreRelocationKind.FIELD_SIGNED:
    case CoreRelocationKind.FIELD_LSHIFT_U64:
    case CoreRelocationKind.FIELD_RSHIFT_U64:
      return fieldValue(access, kind);
  }
}

function plain(value: bigint): AccessValue {
  return { value, size: 0, type: 0, isInInstruction: true };
}

function enumValue(access: Access): bigint {
  const [step] = access.steps;
  const type = step === undefined ? undefined : access.btf.type(step.type);
  const value = type !== undefined && isEnum(type) ? type.values[step?.index ?? 0]?.value : undefined;
  if (value === undefined) throw new CoreProblem('the access is no value of an enum');
  return BigInt.asUintN(64, BigInt(value));
}

function fieldValue(access: Access, kind: CoreRelocationKind): AccessValue {
  const { btf, steps } = access;
  const last = steps.at(-1);
  if (last === undefined) throw new CoreProblem('the access names no field');
  const members = last.name === undefined ? undefined : btf.members(last.type);
  if (members === undefined) return elementValue(access, last.type, kind);

  const type = btf.skipModifiers(members.type(last.index));
  const bitSize = members.bitSize(last.index);
  const isBitField = bitSize > 0;
  const place = isBitField ? bitFieldPlace(access, type, bitSize) : wholePlace(access, type);
  switch (kind) {
    case CoreRelocationKind.FIELD_BYTE_OFFSET: {
      const value = BigInt(place.byteOffset);
      return isBitField
        ? { value, size: 0, type: 0, isInInstruction: false }
        : { value, size: place.byteSize, type, isInInstruction: true };
    }
    case CoreRelocationKind.FIELD_BYTE_SIZE:
      return { ...plain(BigInt(place.byteSize)), isInInstruction: !isBitField };
    case CoreRelocationKind.FIELD_SIGNED:
      return plain(isSigned(btf, type) ? 1n : 0n);
    case CoreRelocationKind.FIELD_LSHIFT_U64:
      return { ...plain(BigInt(place.leftShift)), isInInstruction: !isBitField };
    case CoreRelocationKind.FIELD_RSHIFT_U64:
      return plain(BigInt(64 - place.bitSize));
    default:
      throw new CoreProblem('this is no question about a field');
  }
}

/** An element of an array, or a whole struct reached through a pointer: it has an offset and a size and no more. */
function elementValue(access: Access, type: number, kind: CoreRelocationKind): AccessValue {
  const size = sizeOf(access.btf, type);
  if (kind === CoreRelocationKind.FIELD_BYTE_OFFSET) {
    return { value: BigInt(Math.floor(access.bitOffset / 8)), size, type, isInInstruction: true };
  }
  if (kind === CoreRelocationKind.FIELD_BYTE_SIZE) return plain(BigInt(size));
  throw new CoreProblem('only the offset and size of an array element can be asked for');
}

/** How to load a field, and how far to shift it in 64 bits so that nothing but the field is left. */
interface Place {
  readonly byteOffset: number;
  readonly byteSize: number;
  readonly bitSize: number;
  readonly leftShift: number;
}

function wholePlace(access: Access, type: number): Place {
  const byteSize = sizeOf(access.btf, type);
  const byteOffset = Math.floor(access.bitOffset / 8);
  return shifted(access, byteOffset, byteSize, byteSize * 8);
}

/** The smallest aligned load, no smaller than the declared type, that holds the whole bit-field. */
function bitFieldPlace(access: Access, type: number, bitSize: number): Place {
  const { bitOffset } = access;
  let byteSize = sizeOf(access.btf, type);
  if (byteSize === 0) throw new CoreProblem('the bit-field has a type of no size');
  for (;;) {
    const byteOffset = Math.floor(bitOffset / 8 / byteSize) * byteSize;
    if (bitOffset + bitSize <= (byteOffset + byteSize) * 8) return shifted(access, byteOffset, byteSize, bitSize);
    if (byteSize >= 8) throw new CoreProblem('the bit-field cannot be read with one aligned load of up to 8 bytes');
    byteSize *= 2;
  }
}

function shifted(access: Access, byteOffset: number, byteSize: number, bitSize: number): Place {
  const start = access.bitOffset - byteOffset * 8;
  // Bits are counted from the least significant one on little-endian machines, from the most significant on others.
  const leftShift = access.btf.littleEndian ? 64 - (start + bitSize) : (8 - byteSize) * 8 + start;
  return { byteOffset, byteSize, bitSize, leftShift };
}

function isSigned(btf: Btf, id: number): boolean {
  const type = btf.type(id);
  return (type.kind === BtfKind.INT || isEnum(type)) && type.signed;
}
