import { BtfKind, kindName } from './btf-kind.js';
import type { Btf } from './btf.js';

/** The deepest nesting of typedefs, qualifiers, arrays and structs followed; real kernels stay under 20. */
export const maximumDepth = 128;

const pointerSize = 8;
/** BPF sizes and offsets are 32 bits wide. */
const maximumSize = 0xffff_ffff;

/** Bytes that a value of the type takes. */
export function sizeOfType(btf: Btf, id: number): number {
  let elements = 1;
  let current = id;
  for (let depth = 0; depth < maximumDepth; depth++) {
    const type = btf.type(current);
    switch (type.kind) {
      case BtfKind.INT:
      case BtfKind.STRUCT:
      case BtfKind.UNION:
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
      case BtfKind.FLOAT:
      case BtfKind.DATASEC:
        return product(btf, id, elements, type.size);
      case BtfKind.PTR:
        return product(btf, id, elements, pointerSize);
      case BtfKind.TYPEDEF:
      case BtfKind.VOLATILE:
      case BtfKind.CONST:
      case BtfKind.RESTRICT:
      case BtfKind.TYPE_TAG:
      case BtfKind.VAR:
        current = type.type;
        break;
      case BtfKind.ARRAY:
        elements = product(btf, id, elements, type.length);
        current = type.elementType;
        break;
      case BtfKind.VOID:
      case BtfKind.FWD:
      case BtfKind.FUNC:
      case BtfKind.FUNC_PROTO:
      case BtfKind.DECL_TAG:
        throw btf.error(`type ${id} has no size: it leads to ${kindName(type.kind)} (type ${type.id})`, id);
    }
  }
  throw tooDeep(btf, id);
}

function product(btf: Btf, id: number, a: number, b: number): number {
  const result = a * b;
  if (result > maximumSize) throw btf.error(`type ${id} is larger than 4 GiB`, id);
  return result;
}

export function tooDeep(btf: Btf, id: number): Error {
  return btf.error(`type ${id} refers to itself, or is nested deeper than ${maximumDepth} types`, id);
}

/**
 * Bytes that a value's address is a multiple of, 1 for packed structs. `known` remembers what was found, since nested
 * structs would else be visited once per path.
 */
export function alignmentOfType(btf: Btf, id: number, known: Map<number, number>, depth = 0): number {
  if (depth > maximumDepth) throw tooDeep(btf, id);
  const found = known.get(id);
  if (found !== undefined) {
    if (found === 0) throw tooDeep(btf, id);
    return found;
  }
  known.set(id, 0);
  try {
    const alignment = computeAlignment(btf, id, known, depth);
    known.set(id, alignment);
    return alignment;
  } finally {
    if (known.get(id) === 0) known.delete(id);
  }
}

function computeAlignment(btf: Btf, id: number, known: Map<number, number>, depth: number): number {
  const type = btf.type(id);
  switch (type.kind) {
    case BtfKind.INT:
    case BtfKind.ENUM:
    case BtfKind.ENUM64:
    case BtfKind.FLOAT:
      // The largest power of two in the size, as sizes such as 12 (long double) exist.
      return Math.max(1, Math.min(pointerSize, type.size & -type.size));
    case BtfKind.PTR:
      return pointerSize;
    case BtfKind.TYPEDEF:
    case BtfKind.VOLATILE:
    case BtfKind.CONST:
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
    case BtfKind.VAR:
      return alignmentOfType(btf, type.type, known, depth + 1);
    case BtfKind.ARRAY:
      return alignmentOfType(btf, type.elementType, known, depth + 1);
    case BtfKind.STRUCT:
    case BtfKind.UNION: {
      let largest = 1;
      let packed = false;
      for (const member of type.members) {
        const alignment = alignmentOfType(btf, member.type, known, depth + 1);
        largest = Math.max(largest, alignment);
        // A member that is not where its own type would put it: the struct is packed.
        if (member.bitSize === 0 && member.bitOffset % (8 * alignment) !== 0) packed = true;
      }
      return packed || type.size % largest !== 0 ? 1 : largest;
    }
    case BtfKind.DATASEC:
      return pointerSize;
    case BtfKind.VOID:
    case BtfKind.FWD:
    case BtfKind.FUNC:
    case BtfKind.FUNC_PROTO:
    case BtfKind.DECL_TAG:
      throw btf.error(`type ${id} has no alignment: it is ${kindName(type.kind)}`, id);
  }
}
