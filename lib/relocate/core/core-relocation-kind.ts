import { CoreRelocationKind } from '../../abi/index.js';

export { CoreRelocationKind };

const kinds = new Set<number>(Object.values(CoreRelocationKind));

export function isCoreRelocationKind(kind: number): kind is CoreRelocationKind {
  return kinds.has(kind);
}

export function isFieldKind(kind: CoreRelocationKind): boolean {
  return kind <= CoreRelocationKind.FIELD_RSHIFT_U64;
}

export function isEnumValueKind(kind: CoreRelocationKind): boolean {
  return kind === CoreRelocationKind.ENUMVAL_EXISTS || kind === CoreRelocationKind.ENUMVAL_VALUE;
}

/** Those whose answer for a missing type, field or value is 0; for the others there is no answer. */
export function isZeroWhenMissing(kind: CoreRelocationKind): boolean {
  switch (kind) {
    case CoreRelocationKind.FIELD_EXISTS:
    case CoreRelocationKind.TYPE_ID_LOCAL:
    case CoreRelocationKind.TYPE_ID_TARGET:
    case CoreRelocationKind.TYPE_EXISTS:
    case CoreRelocationKind.TYPE_SIZE:
    case CoreRelocationKind.TYPE_MATCHES:
    case CoreRelocationKind.ENUMVAL_EXISTS:
      return true;
    case CoreRelocationKind.FIELD_BYTE_OFFSET:
    case CoreRelocationKind.FIELD_BYTE_SIZE:
    case CoreRelocationKind.FIELD_SIGNED:
    case CoreRelocationKind.FIELD_LSHIFT_U64:
    case CoreRelocationKind.FIELD_RSHIFT_U64:
    case CoreRelocationKind.ENUMVAL_VALUE:
      return false;
  }
}
