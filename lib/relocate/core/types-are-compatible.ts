import { type Btf, BtfKind } from '../../btf/index.js';
import { isSameKind } from './access.js';
import { type Budget, CoreProblem } from './core-problem.js';

/** libbpf's and the kernel's limit for following pointers, arrays and prototypes. */
const DEEPEST = 32;

/**
 * Whether the kernel's type may stand for the object's of the same name (`bpf_core_type_exists`): equal in kind, down
 * to what pointers, arrays and prototypes are made of; below the root names do not count.
 */
export function typesAreCompatible(
  local: Btf,
  localRoot: number,
  target: Btf,
  targetRoot: number,
  budget: Budget,
): boolean {
  // The roots themselves must be of one kind: a typedef only stands for a typedef.
  if (!isSameKind(local.kind(localRoot), target.kind(targetRoot))) return false;
  return compatible(local, localRoot, target, targetRoot, budget, DEEPEST);
}

function compatible(
  local: Btf,
  localRoot: number,
  target: Btf,
  targetRoot: number,
  budget: Budget,
  deepest: number,
): boolean {
  let localId = localRoot;
  let targetId = targetRoot;
  for (let depth = deepest; depth > 0; depth--) {
    budget.spend();
    const localType = local.type(local.skipModifiers(localId));
    const targetType = target.type(target.skipModifiers(targetId));
    if (!isSameKind(localType.kind, targetType.kind)) return false;
    switch (localType.kind) {
      case BtfKind.VOID:
      case BtfKind.STRUCT:
      case BtfKind.UNION:
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
      case BtfKind.FWD:
        return true;
      case BtfKind.INT:
        return localType.bitOffset === 0 && targetType.kind === BtfKind.INT && targetType.bitOffset === 0;
      case BtfKind.PTR:
        if (targetType.kind !== BtfKind.PTR) return false;
        localId = localType.type;
        targetId = targetType.type;
        break;
      case BtfKind.ARRAY:
        if (targetType.kind !== BtfKind.ARRAY) return false;
        localId = localType.elementType;
        targetId = targetType.elementType;
        break;
      case BtfKind.FUNC_PROTO: {
        if (targetType.kind !== BtfKind.FUNC_PROTO) return false;
        if (localType.parameters.length !== targetType.parameters.length) return false;
        for (const [index, parameter] of localType.parameters.entries()) {
          const other = targetType.parameters[index]?.type ?? 0;
          if (!compatible(local, parameter.type, target, other, budget, depth - 1)) return false;
        }
        localId = localType.returnType;
        targetId = targetType.returnType;
        break;
      }
      default:
        return false;
    }
  }
  throw new CoreProblem(`the types are nested deeper than ${DEEPEST} levels`);
}
