import { BtfKind } from '../btf-kind.js';
import type { BtfComposite, BtfMember } from '../btf-type.js';
import type { Btf } from '../btf.js';
import { maximumDepth, tooDeep } from '../type-size.js';
import { isBaseType } from './c-names.js';

/** Bits that nothing uses: the width of an unnamed bit-field of an integer of `unit` bits, or an array of bytes. */
export type Padding = { readonly unit: 8 | 16 | 32 | 64; readonly bits: number } | { readonly bytes: number };

/** A member that C has a place for. */
export interface CMember extends BtfMember {
  /** Among the members of the BTF type. */
  readonly index: number;
}

/** What a C compiler has to be told so that a struct has the layout of BTF. */
export interface CLayout {
  readonly packed: boolean;
  /** Bytes; what C takes when it is told so. */
  readonly alignment: number;
  /** In order; a union's padding is a member beside the others. */
  readonly items: readonly (CMember | readonly Padding[])[];
}

const units = [8, 16, 32, 64] as const;
/** From here on, padding is one array: a page of it would be 512 bit-fields. */
const mostBitFields = 64;

/** Finds out how structs and unions are to be written. The layout rules are those of the System V ABI, which BPF has. */
export class CLayouts {
  readonly #btf: Btf;
  readonly #alignments = new Map<number, number>();
  readonly #layouts = new Map<number, CLayout | undefined>();

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** Undefined when no C struct has such members: they overlap, or leave no whole bytes. */
  layoutOf(type: BtfComposite): CLayout | undefined {
    if (this.#layouts.has(type.id)) return this.#layouts.get(type.id);
    const members = type.members.flatMap((member, index) => this.#expressible({ ...member, index }));
    const place = type.kind === BtfKind.STRUCT ? this.#placeStruct : this.#placeUnion;
    const layout = place.call(this, type.size, members, false) ?? place.call(this, type.size, members, true);
    this.#layouts.set(type.id, layout);
    return layout;
  }

  /** Bytes that the type, as it is written, is aligned to. */
  alignmentOf(id: number, depth = 0): number {
    const known = this.#alignments.get(id);
    if (known !== undefined) return known;
    if (depth > maximumDepth) throw tooDeep(this.#btf, id);
    // A struct that contains itself finds this instead of going round for ever; sizeOf() and the order refuse it.
    this.#alignments.set(id, 1);
    const alignment = this.#computeAlignment(id, depth);
    this.#alignments.set(id, alignment);
    return alignment;
  }

  #computeAlignment(id: number, depth: number): number {
    const type = this.#btf.type(id);
    switch (type.kind) {
      case BtfKind.INT:
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        return powerOfTwo(type.size);
      case BtfKind.FLOAT:
        return isBaseType(type) || type.size === 4 || type.size === 8 ? powerOfTwo(type.size) : 1;
      case BtfKind.PTR:
        return 8;
      case BtfKind.ARRAY:
        return this.alignmentOf(type.elementType, depth + 1);
      case BtfKind.TYPEDEF:
      case BtfKind.CONST:
      case BtfKind.VOLATILE:
      case BtfKind.RESTRICT:
      case BtfKind.TYPE_TAG:
      case BtfKind.VAR:
        return this.alignmentOf(type.type, depth + 1);
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        // Members are looked at first, so that no call nests deeper than is counted.
        for (const member of type.members) this.alignmentOf(member.type, depth + 1);
        return this.layoutOf(type)?.alignment ?? 1;
      default:
        return 1;
    }
  }

  /** Integers of fewer bits than their bytes, of compilers before 2018, are bit-fields; what C gives no name to is left out. */
  #expressible(member: CMember): CMember[] {
    const type = this.#btf.type(this.#btf.skipModifiers(member.type));
    if (member.name === '' && type.kind !== BtfKind.STRUCT && type.kind !== BtfKind.UNION) return [];
    if (type.kind !== BtfKind.INT || member.bitSize !== 0 || type.bits === type.size * 8 || type.bits === 0)
      return [member];
    return [{ ...member, bitOffset: member.bitOffset + type.bitOffset, bitSize: type.bits }];
  }

  #placeStruct(size: number, members: readonly CMember[], packed: boolean): CLayout | undefined {
    const items: (CMember | readonly Padding[])[] = [];
    let at = 0;
    let alignment = 1;
    for (const member of members) {
      const { bitOffset, bitSize } = member;
      const natural = packed ? 1 : this.alignmentOf(member.type);
      const memberBits = this.#btf.sizeOf(member.type) * 8;
      let following: number;
      if (bitSize === 0) {
        if (bitOffset % (natural * 8) !== 0) return undefined;
        following = alignUp(at, natural * 8);
      } else {
        if (bitSize > memberBits || (!packed && crosses(bitOffset, bitSize, memberBits))) return undefined;
        following = !packed && crosses(at, bitSize, memberBits) ? alignUp(at, natural * 8) : at;
      }
      if (bitOffset < at) return undefined;
      if (following !== bitOffset) items.push(padding(at, bitOffset));
      items.push(member);
      at = bitOffset + (bitSize === 0 ? memberBits : bitSize);
      alignment = Math.max(alignment, natural);
    }
    if (at > size * 8 || size % alignment !== 0) return undefined;
    if (alignUp(Math.ceil(at / 8), alignment) !== size) items.push(padding(at, size * 8));
    return { packed, alignment, items };
  }

  #placeUnion(size: number, members: readonly CMember[], packed: boolean): CLayout | undefined {
    let largest = 0;
    let alignment = 1;
    for (const { type, bitOffset, bitSize } of members) {
      const bits = this.#btf.sizeOf(type) * 8;
      if (bitOffset !== 0 || bitSize > bits) return undefined;
      largest = Math.max(largest, bitSize === 0 ? bits / 8 : Math.ceil(bitSize / 8));
      if (!packed) alignment = Math.max(alignment, this.alignmentOf(type));
    }
    if (largest > size || size % alignment !== 0) return undefined;
    const filled = alignUp(largest, alignment) === size;
    return { packed, alignment, items: filled ? members : [...members, padding(0, size * 8)] };
  }
}

/** Unnamed bit-fields, which lend a struct no alignment, from bit `from` to `to`: none crosses a unit of its type. */
function padding(from: number, to: number): Padding[] {
  const made: Padding[] = [];
  for (let at = from; at < to;) {
    const bytes = Math.floor((to - at) / 8);
    if (at % 8 === 0 && bytes > 8 * mostBitFields) {
      made.push({ bytes });
      at += bytes * 8;
      continue;
    }
    const unit = units.find((bits) => !crosses(at, to - at, bits)) ?? 64;
    const bits = Math.min(to - at, unit - (at % unit));
    made.push({ unit, bits });
    at += bits;
  }
  return made;
}

function crosses(at: number, bits: number, unit: number): boolean {
  return Math.floor(at / unit) !== Math.floor((at + bits - 1) / unit);
}

function alignUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** The largest power of two in the size, up to that of the widest integer. */
function powerOfTwo(size: number): number {
  return Math.max(1, Math.min(16, size & -size));
}
