import { BtfKind, kindName, typeHeaderWords } from './btf-kind.js';
import type { Btf } from './btf.js';
import { infoFlag, infoVlen } from './type-table.js';

/** The deepest nesting of typedefs, qualifiers, arrays and structs followed; real kernels stay under 20. */
export const maximumDepth = 128;

const pointerSize = 8;
/** BPF sizes and offsets are 32 bits wide. */
const maximumSize = 0xffff_ffff;

export function tooDeep(btf: Btf, id: number): Error {
  return btf.error(`type ${id} contains itself, or is nested deeper than ${maximumDepth} types`, id);
}

/** Bytes that a value of the type takes. */
export function sizeOfType(btf: Btf, id: number): number {
  let elements = 1;
  let current = id;
  for (let depth = 0; depth < maximumDepth; depth++) {
    const kind = btf.kind(current);
    switch (kind) {
      case BtfKind.INT:
      case BtfKind.STRUCT:
      case BtfKind.UNION:
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
      case BtfKind.FLOAT:
      case BtfKind.DATASEC:
        return product(btf, id, elements, btf.word(current, 2));
      case BtfKind.PTR:
        return product(btf, id, elements, pointerSize);
      case BtfKind.TYPEDEF:
      case BtfKind.VOLATILE:
      case BtfKind.CONST:
      case BtfKind.RESTRICT:
      case BtfKind.TYPE_TAG:
      case BtfKind.VAR:
        current = btf.word(current, 2);
        break;
      case BtfKind.ARRAY:
        elements = product(btf, id, elements, btf.word(current, typeHeaderWords + 2));
        current = btf.word(current, typeHeaderWords);
        break;
      case BtfKind.VOID:
      case BtfKind.FWD:
      case BtfKind.FUNC:
      case BtfKind.FUNC_PROTO:
      case BtfKind.DECL_TAG:
        throw btf.error(`type ${id} has no size: ${leadsTo(id, current, kind)}`, id);
    }
  }
  throw tooDeep(btf, id);
}

function leadsTo(id: number, reached: number, kind: BtfKind): string {
  return reached === id ? `it is ${kindName(kind)}` : `it leads to ${kindName(kind)} (type ${reached})`;
}

function product(btf: Btf, id: number, a: number, b: number): number {
  const result = a * b;
  if (result > maximumSize) throw btf.error(`type ${id} is larger than 4 GiB`, id);
  return result;
}

/**
 * Bytes that a value's address is a multiple of, 1 for packed structs. `known` remembers what was found, since nested
 * structs would else be visited once per path; 0 marks those being worked on.
 */
export function alignmentOfType(btf: Btf, id: number, known: Map<number, number>, depth = 0): number {
  const found = known.get(id);
  if (found === 0 || depth > maximumDepth) throw tooDeep(btf, id);
  if (found !== undefined) return found;
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
  const kind = btf.kind(id);
  switch (kind) {
    case BtfKind.INT:
    case BtfKind.ENUM:
    case BtfKind.ENUM64:
    case BtfKind.FLOAT: {
      // The largest power of two in the size, as sizes such as 12 (long double) exist.
      const size = btf.word(id, 2);
      return Math.max(1, Math.min(pointerSize, size & -size));
    }
    case BtfKind.PTR:
      return pointerSize;
    case BtfKind.TYPEDEF:
    case BtfKind.VOLATILE:
    case BtfKind.CONST:
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
    case BtfKind.VAR:
      return alignmentOfType(btf, btf.word(id, 2), known, depth + 1);
    case BtfKind.ARRAY:
      return alignmentOfType(btf, btf.word(id, typeHeaderWords), known, depth + 1);
    case BtfKind.STRUCT:
    case BtfKind.UNION: {
      const info = btf.word(id, 1);
      const flag = infoFlag(info);
      let largest = 1;
      let packed = false;
      for (let member = 0; member < infoVlen(info); member++) {
        const at = typeHeaderWords + member * 3;
        const alignment = alignmentOfType(btf, btf.word(id, at + 1), known, depth + 1);
        const offset = btf.word(id, at + 2);
        largest = Math.max(largest, alignment);
        // A member that is not where its own type would put it: the struct is packed. Bit-fields tell nothing.
        const bitField = flag && offset >>> 24 !== 0;
        if (!bitField && (flag ? offset & 0xff_ffff : offset) % (8 * alignment) !== 0) packed = true;
      }
      return packed || btf.word(id, 2) % largest !== 0 ? 1 : largest;
    }
    case BtfKind.DATASEC:
      return pointerSize;
    case BtfKind.VOID:
    case BtfKind.FWD:
    case BtfKind.FUNC:
    case BtfKind.FUNC_PROTO:
    case BtfKind.DECL_TAG:
      throw btf.error(`type ${id} has no alignment: it is ${kindName(kind)}`, id);
  }
}
