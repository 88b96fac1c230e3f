import { BtfKind, type Btf } from '../btf/index.js';
import { escapeControl } from '../errors/index.js';

const MOST_STEPS = 32;

/** How C spells the type, for messages: `struct event`, `const char *`, `char[4][16]`. */
export function cTypeName(btf: Btf, typeId: number): string {
  return escapeControl(spelled(btf, typeId, MOST_STEPS));
}

function spelled(btf: Btf, typeId: number, steps: number): string {
  if (steps === 0) return '…';
  const type = btf.type(typeId);
  const name = type.name === '' ? '(anonymous)' : type.name;
  switch (type.kind) {
    case BtfKind.VOID:
      return 'void';
    case BtfKind.STRUCT:
      return `struct ${name}`;
    case BtfKind.UNION:
      return `union ${name}`;
    case BtfKind.FWD:
      return `${type.union ? 'union' : 'struct'} ${name}`;
    case BtfKind.ENUM:
    case BtfKind.ENUM64:
      return `enum ${name}`;
    case BtfKind.PTR: {
      const target = spelled(btf, type.type, steps - 1);
      return target.endsWith('*') ? `${target}*` : `${target} *`;
    }
    case BtfKind.CONST:
      return `const ${spelled(btf, type.type, steps - 1)}`;
    case BtfKind.VOLATILE:
      return `volatile ${spelled(btf, type.type, steps - 1)}`;
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
      return spelled(btf, type.type, steps - 1);
    case BtfKind.ARRAY: {
      let lengths = '';
      let element = typeId;
      for (let step = 0; step < steps; step++) {
        const inner = btf.type(element);
        if (inner.kind !== BtfKind.ARRAY) break;
        lengths += `[${inner.length}]`;
        element = inner.elementType;
      }
      return `${spelled(btf, element, steps - 1)}${lengths}`;
    }
    case BtfKind.FUNC_PROTO:
      return 'function';
    case BtfKind.FUNC:
      return `function ${name}`;
    default:
      return name;
  }
}
