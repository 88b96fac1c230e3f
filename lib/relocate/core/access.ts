import { type Btf, BtfKind, type BtfType, typeName } from '../../btf/index.js';
import { escapeControl, quote } from '../../errors/index.js';
import { CoreProblem } from './core-problem.js';
import { type CoreRelocationKind, isEnumValueKind, isFieldKind } from './core-relocation-kind.js';

/** One step of an access: into a member, to an element, or the choice of an enumerator. */
export interface AccessStep {
  /** The struct, union or enum of a named step; the element's type of an index. */
  readonly type: number;
  /** Of the member, enumerator or element. */
  readonly index: number;
  /** Undefined for an index. */
  readonly name: string | undefined;
}

/**
 * What a CO-RE relocation refers to in one BTF: a type, an enumerator, or a field reached from a type by indexes and
 * members. Anonymous structs and unions on the way leave no step.
 */
export interface Access {
  readonly btf: Btf;
  readonly rootType: number;
  /** Empty when the access is the type itself. */
  readonly steps: readonly AccessStep[];
  /** Of the field, from the root's start. */
  readonly bitOffset: number;
}

/** libbpf's limit (BPF_CORE_SPEC_MAX_LEN): no compiler writes more. */
const MOST_STEPS = 64;
/** Of an access in messages, in characters. */
const LONGEST = 512;

/**
 * Reads an access string (`0:1:2`) against the object's own BTF.
 *
 * @throws {CoreProblem} when it does not fit the type.
 */
export function parseAccess(btf: Btf, rootType: number, accessString: string, kind: CoreRelocationKind): Access {
  const indexes = parseIndexes(accessString);
  if (isFieldKind(kind)) return parseField(btf, rootType, indexes);
  if (!isEnumValueKind(kind)) {
    if (accessString !== '0') throw malformed(accessString, 'a relocation of a type takes "0"');
    return { btf, rootType, steps: [], bitOffset: 0 };
  }
  const type = btf.type(btf.skipModifiers(rootType));
  const [index] = indexes;
  const value = isEnum(type) && index !== undefined ? type.values[index] : undefined;
  if (value === undefined || indexes.length > 1) throw malformed(accessString, 'it chooses no value of an enum');
  return { btf, rootType, steps: [{ type: type.id, index: index ?? 0, name: value.name }], bitOffset: 0 };
}

function parseIndexes(accessString: string): number[] {
  if (!/^\d{1,10}(?::\d{1,10})*$/.test(accessString)) throw malformed(accessString, 'it is not numbers between colons');
  const indexes = accessString.split(':').map(Number);
  if (indexes.length > MOST_STEPS) throw malformed(accessString, `it has more than ${MOST_STEPS} steps`);
  return indexes;
}

function parseField(btf: Btf, rootType: number, indexes: readonly number[]): Access {
  const first = indexes[0] ?? 0;
  let id = btf.skipModifiers(rootType);
  const steps: AccessStep[] = [{ type: id, index: first, name: undefined }];
  let bitOffset = first * sizeOf(btf, id) * 8;
  // A cold load spends much of its time here: no objects are made of the members.
  for (let position = 1; position < indexes.length; position++) {
    const index = indexes[position] ?? 0;
    const members = btf.members(id);
    if (members !== undefined) {
      if (index >= members.count) throw new CoreProblem(`${typeName(btf, id)} has no member number ${index}`);
      bitOffset += members.bitOffset(index);
      const name = btf.string(members.name(index));
      if (name !== '') steps.push({ type: id, index, name });
      id = btf.skipModifiers(members.type(index));
      continue;
    }
    const type = btf.type(id);
    if (type.kind !== BtfKind.ARRAY) {
      throw new CoreProblem(`the access goes into ${typeName(btf, id)}, which has no members`);
    }
    if (index >= type.length && !isFlexible(btf, steps.at(-1), type.length)) {
      throw new CoreProblem(`element ${index} is outside an array of ${type.length}`);
    }
    id = btf.skipModifiers(type.elementType);
    steps.push({ type: id, index, name: undefined });
    bitOffset += index * sizeOf(btf, id) * 8;
  }
  return { btf, rootType, steps, bitOffset };
}

/** An array without a length, last in its struct, has as many elements as its memory holds. */
export function isFlexible(btf: Btf, parent: AccessStep | undefined, length: number): boolean {
  if (length > 0 || parent?.name === undefined) return false;
  return parent.index + 1 === btf.members(parent.type)?.count;
}

/** The access as C spells it: `task_struct.real_parent`, `sk_buff.cb[3]`, `bpf_func_id.BPF_FUNC_x`, `struct file`. */
export function describeAccess(access: Access): string {
  const { btf, rootType, steps } = access;
  if (steps.length === 0) return escapeControl(typeName(btf, rootType));
  const name = btf.nameOf(rootType);
  let text = name === '' ? typeName(btf, rootType) : cut(name);
  for (const [position, step] of steps.entries()) {
    if (step.name !== undefined) text += `.${cut(step.name)}`;
    else if (position > 0 || step.index > 0) text += `[${step.index}]`;
  }
  return escapeControl(cut(text));
}

/** Names may have any length, and a file can ask for one again and again. */
function cut(text: string): string {
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

export function isComposite(type: BtfType): type is Extract<BtfType, { members: unknown }> {
  return isCompositeKind(type.kind);
}

export function isCompositeKind(kind: BtfKind): boolean {
  return kind === BtfKind.STRUCT || kind === BtfKind.UNION;
}

export function isEnum(type: BtfType): type is Extract<BtfType, { values: unknown }> {
  return type.kind === BtfKind.ENUM || type.kind === BtfKind.ENUM64;
}

/** Equal kinds, a 64-bit enum counting as any other. */
export function isSameKind(a: BtfKind, b: BtfKind): boolean {
  return a === b || (isEnumKind(a) && isEnumKind(b));
}

function isEnumKind(kind: BtfKind): boolean {
  return kind === BtfKind.ENUM || kind === BtfKind.ENUM64;
}

/** Bytes of a value; a type that has none cannot be relocated. */
export function sizeOf(btf: Btf, id: number): number {
  try {
    return btf.sizeOf(id);
  } catch (cause) {
    throw new CoreProblem(`${typeName(btf, id)} has no size`, { cause });
  }
}

function malformed(accessString: string, why: string): CoreProblem {
  return new CoreProblem(`the access string ${quote(accessString)} is malformed: ${why}`);
}
