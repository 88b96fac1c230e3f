import { type Btf, BtfKind, essentialName, kindName, typeName } from '../../btf/index.js';
import { quote } from '../../errors/index.js';
import { type Access, type AccessStep, isCompositeKind, isEnum, isFlexible, isSameKind, sizeOf } from './access.js';
import { type Budget, CoreProblem } from './core-problem.js';
import { CoreRelocationKind, isEnumValueKind, isFieldKind } from './core-relocation-kind.js';
import { typesAreCompatible } from './types-are-compatible.js';
import { typesMatch } from './types-match.js';

/** Of anonymous structs and unions in each other; the kernel's own stay under five. */
const DEEPEST = 32;

/** A step into a member. */
type NamedStep = AccessStep & { readonly name: string };

function isNamed(step: AccessStep): step is NamedStep {
  return step.name !== undefined;
}

/** The same access in another BTF, or why there is none. */
export type Match = { readonly access: Access } | { readonly mismatch: string };

/** Looks for the object's access in a candidate type of the kernel. */
export function matchAccess(
  local: Access,
  kind: CoreRelocationKind,
  target: Btf,
  targetRoot: number,
  budget: Budget,
): Match {
  if (isFieldKind(kind)) return new FieldMatcher(local, target, targetRoot, budget).match();
  if (isEnumValueKind(kind)) return matchEnumerator(local, target, targetRoot);
  const fits =
    kind === CoreRelocationKind.TYPE_MATCHES
      ? typesMatch(local.btf, local.rootType, target, targetRoot, budget)
      : typesAreCompatible(local.btf, local.rootType, target, targetRoot, budget);
  return fits
    ? { access: { btf: target, rootType: targetRoot, steps: [], bitOffset: 0 } }
    : { mismatch: `the kernel's ${shown(target, targetRoot)} is not like the object's` };
}

function matchEnumerator(local: Access, target: Btf, targetRoot: number): Match {
  const type = target.type(target.skipModifiers(targetRoot));
  const wanted = essentialName(local.steps[0]?.name ?? '');
  if (isEnum(type)) {
    const index = type.values.findIndex((value) => essentialName(value.name) === wanted);
    const value = type.values[index];
    if (value !== undefined) {
      const steps = [{ type: type.id, index, name: value.name }];
      return { access: { btf: target, rootType: targetRoot, steps, bitOffset: 0 } };
    }
  }
  return { mismatch: `the kernel's ${shown(target, targetRoot)} has no value ${quote(wanted)}` };
}

/** Walks the object's steps through the kernel's types; members are found by name, wherever they are now. */
class FieldMatcher {
  readonly #local: Access;
  readonly #target: Btf;
  readonly #root: number;
  readonly #budget: Budget;
  readonly #steps: AccessStep[] = [];
  #bitOffset = 0;
  /** The kernel's type that the steps so far have led to. */
  #type: number;
  #mismatch = '';

  constructor(local: Access, target: Btf, root: number, budget: Budget) {
    this.#local = local;
    this.#budget = budget;
    this.#target = target;
    this.#root = root;
    this.#type = target.skipModifiers(root);
  }

  match(): Match {
    const { steps } = this.#local;
    for (let position = 0; position < steps.length; position++) {
      const step = steps[position];
      if (step === undefined) break;
      const found = isNamed(step)
        ? this.#member(step, Buffer.from(step.name, 'utf8'), this.#type, 0)
        : position === 0
          ? this.#index(step.index)
          : this.#element(step.index);
      if (!found) return { mismatch: this.#explain(step) };
    }
    return {
      access: { btf: this.#target, rootType: this.#root, steps: this.#steps, bitOffset: this.#bitOffset },
    };
  }

  /** The leading index of an access: `pointer[index]`. */
  #index(index: number): boolean {
    this.#steps.push({ type: this.#type, index, name: undefined });
    this.#bitOffset += index * sizeOf(this.#target, this.#type) * 8;
    return true;
  }

  #element(index: number): boolean {
    const type = this.#target.type(this.#type);
    if (type.kind !== BtfKind.ARRAY) return false;
    if (index >= type.length && !isFlexible(this.#target, this.#steps.at(-1), type.length)) {
      this.#mismatch = `the kernel's array has ${type.length} elements`;
      return false;
    }
    this.#type = this.#target.skipModifiers(type.elementType);
    return this.#index(index);
  }

  /** Looks in `typeId`, then within its anonymous members; a member of that name but of another kind ends the search. */
  #member(step: NamedStep, wanted: Uint8Array, typeId: number, depth: number): boolean {
    const { name } = step;
    if (depth > DEEPEST) throw new CoreProblem(`anonymous structs are nested deeper than ${DEEPEST} levels`);
    const members = this.#target.members(typeId);
    if (members === undefined) return false;
    const { strings } = this.#target;
    for (let from = 0; ;) {
      const index = members.ofNameLength(wanted.length, strings, from);
      this.#budget.spend(index + 1 - from);
      if (index === members.count) return false;
      from = index + 1;
      const isNamed = this.#target.isString(members.name(index), wanted);
      if (isNamed === false) continue;
      const before = this.#bitOffset;
      this.#bitOffset += members.bitOffset(index);
      if (isNamed === true) {
        this.#steps.push({ type: typeId, index, name });
        this.#type = this.#target.skipModifiers(members.type(index));
        return this.#isCompatibleMember(step, name);
      }
      // It has no name: its members are this type's.
      if (this.#member(step, wanted, this.#target.skipModifiers(members.type(index)), depth + 1)) return true;
      if (this.#mismatch !== '') return false;
      this.#bitOffset = before;
    }
  }

  #isCompatibleMember(step: AccessStep, name: string): boolean {
    const localType = this.#local.btf.members(step.type)?.type(step.index) ?? 0;
    if (fieldsAreCompatible(this.#local.btf, localType, this.#target, this.#type, this.#budget)) return true;
    const ours = shown(this.#local.btf, localType);
    this.#mismatch = `${quote(name)} is ${shown(this.#target, this.#type)} in the kernel and ${ours} in the object`;
    return false;
  }

  #explain(step: AccessStep): string {
    if (this.#mismatch !== '') return this.#mismatch;
    const where = `the kernel's ${shown(this.#target, this.#steps.length <= 1 ? this.#root : this.#type)}`;
    return step.name === undefined ? `${where} is no array` : `${where} has no member ${quote(step.name)}`;
  }
}

/**
 * Whether reading the object's field makes sense where the kernel has the other: structs and unions stand for each
 * other, integers may differ in size and sign, pointers always fit.
 */
function fieldsAreCompatible(
  local: Btf,
  localField: number,
  target: Btf,
  targetField: number,
  budget: Budget,
): boolean {
  for (let ours = localField, theirs = targetField; ;) {
    budget.spend();
    const localId = local.skipModifiers(ours);
    const targetId = target.skipModifiers(theirs);
    const kind = local.kind(localId);
    if (isCompositeKind(kind) && isCompositeKind(target.kind(targetId))) return true;
    if (!isSameKind(kind, target.kind(targetId))) return false;
    if (kind === BtfKind.PTR || kind === BtfKind.FLOAT) return true;
    const localType = local.type(localId);
    const targetType = target.type(targetId);
    switch (localType.kind) {
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
      case BtfKind.FWD: {
        const name = essentialName(localType.name);
        const other = essentialName(targetType.name);
        return name === '' || other === '' || name === other;
      }
      case BtfKind.INT:
        return localType.bitOffset === 0 && targetType.kind === BtfKind.INT && targetType.bitOffset === 0;
      case BtfKind.ARRAY:
        if (targetType.kind !== BtfKind.ARRAY) return false;
        ours = localType.elementType;
        theirs = targetType.elementType;
        break;
      default:
        return false;
    }
  }
}

function shown(btf: Btf, id: number): string {
  const name = typeName(btf, id);
  return name === '' ? kindName(btf.kind(id)) : quote(name);
}
