import { type Btf, type BtfEnum, type BtfEnum64, type BtfComposite, BtfKind, essentialName } from '../../btf/index.js';
import { isEnum } from './access.js';
import { type Budget, CoreProblem } from './core-problem.js';

/** libbpf's and the kernel's limit. */
const DEEPEST = 32;

/**
 * Whether the kernel's type has all that the object's has (`bpf_core_type_matches`): every member and enumerator by
 * name, integers of equal size and sign, arrays of equal length. Behind a pointer only name and kind count.
 */
export function typesMatch(local: Btf, localId: number, target: Btf, targetId: number, budget: Budget): boolean {
  return match({ local, target, budget }, localId, targetId, false, DEEPEST);
}

interface Comparison {
  readonly local: Btf;
  readonly target: Btf;
  readonly budget: Budget;
}

function match(
  comparison: Comparison,
  localId: number,
  targetId: number,
  behindPointer: boolean,
  depth: number,
): boolean {
  if (depth <= 0) throw new CoreProblem(`the types are nested deeper than ${DEEPEST} levels`);
  const { local, target, budget } = comparison;
  budget.spend();
  const ours = local.type(local.skipModifiers(localId));
  const theirs = target.type(target.skipModifiers(targetId));
  if (essentialName(ours.name) !== essentialName(theirs.name)) return false;

  switch (ours.kind) {
    case BtfKind.VOID:
      return theirs.kind === BtfKind.VOID;
    case BtfKind.FWD:
      if (theirs.kind === BtfKind.FWD) return ours.union === theirs.union;
      return behindPointer && theirs.kind === (ours.union ? BtfKind.UNION : BtfKind.STRUCT);
    case BtfKind.ENUM:
    case BtfKind.ENUM64:
      return isEnum(theirs) && enumMatches(ours, theirs);
    case BtfKind.STRUCT:
    case BtfKind.UNION:
      if (behindPointer && theirs.kind === BtfKind.FWD) return theirs.union === (ours.kind === BtfKind.UNION);
      if (theirs.kind !== ours.kind) return false;
      return behindPointer || membersMatch(comparison, ours, theirs, depth);
    case BtfKind.INT:
      return theirs.kind === BtfKind.INT && ours.size === theirs.size && ours.signed === theirs.signed;
    case BtfKind.PTR:
      return theirs.kind === BtfKind.PTR && match(comparison, ours.type, theirs.type, true, depth - 1);
    case BtfKind.ARRAY:
      return (
        theirs.kind === BtfKind.ARRAY &&
        ours.length === theirs.length &&
        match(comparison, ours.elementType, theirs.elementType, behindPointer, depth - 1)
      );
    case BtfKind.FUNC_PROTO:
      return (
        theirs.kind === BtfKind.FUNC_PROTO &&
        ours.parameters.length === theirs.parameters.length &&
        ours.parameters.every((parameter, index) =>
          match(comparison, parameter.type, theirs.parameters[index]?.type ?? 0, behindPointer, depth - 1),
        ) &&
        match(comparison, ours.returnType, theirs.returnType, behindPointer, depth - 1)
      );
    default:
      return false;
  }
}

/** Each of the object's members has one of its name and type in the kernel's, wherever that is. */
function membersMatch(comparison: Comparison, ours: BtfComposite, theirs: BtfComposite, depth: number): boolean {
  if (ours.members.length > theirs.members.length) return false;
  return ours.members.every((member) => {
    const name = essentialName(member.name);
    return theirs.members.some((other) => {
      comparison.budget.spend();
      return essentialName(other.name) === name && match(comparison, member.type, other.type, false, depth - 1);
    });
  });
}

/** Each of the object's enumerators is one of the kernel's; their values do not count. */
function enumMatches(ours: BtfEnum | BtfEnum64, theirs: BtfEnum | BtfEnum64): boolean {
  if (ours.size !== theirs.size || ours.values.length > theirs.values.length) return false;
  const names = new Set(theirs.values.map((value) => essentialName(value.name)));
  return ours.values.every((value) => names.has(essentialName(value.name)));
}
