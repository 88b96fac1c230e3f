import { BtfKind } from './btf-kind.js';
import type { BtfType } from './btf-type.js';

/** The type with every id that it refers to replaced; its own stays. */
export function withTypeIds(type: BtfType, replace: (id: number) => number): BtfType {
  switch (type.kind) {
    case BtfKind.VOID:
    case BtfKind.INT:
    case BtfKind.ENUM:
    case BtfKind.ENUM64:
    case BtfKind.FWD:
    case BtfKind.FLOAT:
      return type;
    case BtfKind.PTR:
    case BtfKind.TYPEDEF:
    case BtfKind.VOLATILE:
    case BtfKind.CONST:
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
    case BtfKind.FUNC:
    case BtfKind.VAR:
    case BtfKind.DECL_TAG:
      return { ...type, type: replace(type.type) };
    case BtfKind.ARRAY:
      return { ...type, elementType: replace(type.elementType), indexType: replace(type.indexType) };
    case BtfKind.STRUCT:
    case BtfKind.UNION:
      return { ...type, members: type.members.map((member) => ({ ...member, type: replace(member.type) })) };
    case BtfKind.FUNC_PROTO: {
      const parameters = type.parameters.map(({ name, type: id }) => ({ name, type: replace(id) }));
      return { ...type, returnType: replace(type.returnType), parameters };
    }
    case BtfKind.DATASEC:
      return { ...type, entries: type.entries.map((entry) => ({ ...entry, type: replace(entry.type) })) };
  }
}
