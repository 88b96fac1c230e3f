import { BtfKind, kindName, typeHeaderWords } from './btf-kind.js';
import { BtfLinkage } from './btf-type.js';
import type { Btf } from './btf.js';
import { infoFlag, infoVlen } from './type-table.js';
import { sizeOfType } from './type-size.js';

/** Checks each type by itself, then that none contains itself. Reads words only, so that hostile counts cost no memory. */
export function validateTypes(btf: Btf): void {
  for (let id = btf.startId; id < btf.endId; id++) checkName(btf, id, btf.word(id, 0));
  for (let id = btf.startId; id < btf.endId; id++) checkType(btf, id);
  refuseCycles(btf, containedType, (id) => btf.error(`type ${id} contains itself`, id));
  refuseCycles(btf, referencedType, (id) => btf.error(`type ${id} refers to nothing but itself`, id));
}

function checkName(btf: Btf, id: number, offset: number): void {
  if (offset >= btf.stringsEnd) {
    throw btf.error(`type ${id} has a name at string offset ${offset}; the strings end at ${btf.stringsEnd}`, id);
  }
}

function checkReference(btf: Btf, id: number, reference: number): void {
  if (reference >= btf.endId) {
    throw btf.error(`type ${id} refers to type ${reference}; the ids end at ${btf.endId - 1}`, id);
  }
}

function checkSize(btf: Btf, id: number, allowed: readonly number[]): void {
  const size = btf.word(id, 2);
  if (!allowed.includes(size)) throw btf.error(`type ${id} (${kindName(btf.kind(id))}) has ${size} bytes`, id);
}

function checkLinkage(btf: Btf, id: number, linkage: number): void {
  if (linkage > BtfLinkage.EXTERN) throw btf.error(`type ${id} has the unknown linkage ${linkage}`, id);
}

function checkType(btf: Btf, id: number): void {
  const kind = btf.kind(id);
  const count = infoVlen(btf.word(id, 1));
  const sizeOrType = btf.word(id, 2);
  switch (kind) {
    case BtfKind.VOID:
    case BtfKind.FWD:
      return;
    case BtfKind.INT: {
      checkSize(btf, id, [1, 2, 4, 8, 16]);
      const encoding = btf.word(id, typeHeaderWords);
      const bits = (encoding & 0xff) + ((encoding >>> 16) & 0xff);
      if (bits > sizeOrType * 8) throw btf.error(`type ${id} has ${bits} bits in ${sizeOrType} bytes`, id);
      return;
    }
    case BtfKind.PTR:
    case BtfKind.TYPEDEF:
    case BtfKind.VOLATILE:
    case BtfKind.CONST:
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
      checkReference(btf, id, sizeOrType);
      return;
    case BtfKind.ARRAY:
      checkReference(btf, id, btf.word(id, typeHeaderWords));
      checkReference(btf, id, btf.word(id, typeHeaderWords + 1));
      return;
    case BtfKind.STRUCT:
    case BtfKind.UNION:
      for (let index = 0; index < count; index++) checkMember(btf, id, index);
      return;
    case BtfKind.ENUM:
    case BtfKind.ENUM64: {
      checkSize(btf, id, [1, 2, 4, 8]);
      const words = kind === BtfKind.ENUM ? 2 : 3;
      for (let index = 0; index < count; index++) checkName(btf, id, btf.word(id, typeHeaderWords + index * words));
      return;
    }
    case BtfKind.FUNC:
      checkReference(btf, id, sizeOrType);
      checkLinkage(btf, id, count);
      if (btf.kind(sizeOrType) !== BtfKind.FUNC_PROTO) {
        throw btf.error(`type ${id} is a function of type ${sizeOrType}, which is no FUNC_PROTO`, id);
      }
      return;
    case BtfKind.FUNC_PROTO:
      checkReference(btf, id, sizeOrType);
      for (let index = 0; index < count; index++) {
        const type = btf.word(id, typeHeaderWords + index * 2 + 1);
        checkName(btf, id, btf.word(id, typeHeaderWords + index * 2));
        checkReference(btf, id, type);
        if (type === 0 && index !== count - 1) throw btf.error(`type ${id} has a parameter of type void`, id);
      }
      return;
    case BtfKind.VAR:
      checkReference(btf, id, sizeOrType);
      checkLinkage(btf, id, btf.word(id, typeHeaderWords));
      return;
    case BtfKind.DATASEC:
      for (let index = 0; index < count; index++) checkEntry(btf, id, index);
      return;
    case BtfKind.FLOAT:
      checkSize(btf, id, [2, 4, 8, 12, 16]);
      return;
    case BtfKind.DECL_TAG: {
      checkReference(btf, id, sizeOrType);
      const component = btf.word(id, typeHeaderWords) | 0;
      if (component < -1) throw btf.error(`type ${id} tags component ${component}`, id);
      return;
    }
  }
}

function checkMember(btf: Btf, id: number, index: number): void {
  const at = typeHeaderWords + index * 3;
  const type = btf.word(id, at + 1);
  checkName(btf, id, btf.word(id, at));
  checkReference(btf, id, type);
  const offset = btf.word(id, at + 2);
  const flag = infoFlag(btf.word(id, 1));
  const bitOffset = flag ? offset & 0xff_ffff : offset;
  const bits = (flag ? offset >>> 24 : 0) || valueBits(btf, type);
  const size = btf.word(id, 2);
  if (bitOffset + bits > size * 8) {
    throw btf.error(
      `member ${index} of type ${id} takes bits ${bitOffset} to ${bitOffset + bits}, the type has ${size} bytes`,
      id,
    );
  }
}

function valueBits(btf: Btf, type: number): number {
  const target = btf.skipModifiers(type);
  if (btf.kind(target) === BtfKind.INT) {
    // Bit-fields as compilers before 2018 wrote them: the INT itself is narrower than its bytes.
    const encoding = btf.word(target, typeHeaderWords);
    return (encoding & 0xff) + ((encoding >>> 16) & 0xff);
  }
  return sizeOfType(btf, target) * 8;
}

function checkEntry(btf: Btf, id: number, index: number): void {
  const at = typeHeaderWords + index * 3;
  const variable = btf.word(id, at);
  checkReference(btf, id, variable);
  const kind = btf.kind(variable);
  if (kind !== BtfKind.VAR && kind !== BtfKind.FUNC) {
    throw btf.error(`entry ${index} of the section that is type ${id} is ${kindName(kind)}, not a variable`, id);
  }
  const end = btf.word(id, at + 1) + btf.word(id, at + 2);
  const size = btf.word(id, 2);
  // clang leaves size 0 for the loader to fill in.
  if (size !== 0 && end > size) {
    throw btf.error(`entry ${index} of the section that is type ${id} ends at ${end}, the section at ${size}`, id);
  }
}

/** The `index`-th type whose value lies inside a value of type `id`. */
function containedType(btf: Btf, id: number, index: number): number | undefined {
  switch (btf.kind(id)) {
    case BtfKind.TYPEDEF:
    case BtfKind.VOLATILE:
    case BtfKind.CONST:
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
    case BtfKind.VAR:
      return index === 0 ? btf.word(id, 2) : undefined;
    case BtfKind.ARRAY:
      return index < 2 ? btf.word(id, typeHeaderWords + index) : undefined;
    case BtfKind.STRUCT:
    case BtfKind.UNION:
      return index < infoVlen(btf.word(id, 1)) ? btf.word(id, typeHeaderWords + index * 3 + 1) : undefined;
    default:
      return undefined;
  }
}

/** The type that the C spelling of `id` needs: no struct is in the way, so no C program can lead back to `id`. */
function referencedType(btf: Btf, id: number, index: number): number | undefined {
  switch (btf.kind(id)) {
    case BtfKind.PTR:
    case BtfKind.TYPEDEF:
    case BtfKind.VOLATILE:
    case BtfKind.CONST:
    case BtfKind.RESTRICT:
    case BtfKind.TYPE_TAG:
    case BtfKind.VAR:
    case BtfKind.FUNC:
    case BtfKind.DECL_TAG:
      return index === 0 ? btf.word(id, 2) : undefined;
    case BtfKind.ARRAY:
      return index === 0 ? btf.word(id, typeHeaderWords) : undefined;
    default:
      return undefined;
  }
}

const visiting = 1;
const done = 2;

/** Depth first over `next`, without recursion as the depth is the file's to choose. */
function refuseCycles(
  btf: Btf,
  next: (btf: Btf, id: number, index: number) => number | undefined,
  error: (id: number) => Error,
): void {
  const { startId, endId } = btf;
  const state = new Uint8Array(endId - startId);
  const path: number[] = [];
  const indexes: number[] = [];
  for (let root = startId; root < endId; root++) {
    if (state[root - startId] !== 0) continue;
    path.push(root);
    indexes.push(0);
    state[root - startId] = visiting;
    while (path.length > 0) {
      const top = path.length - 1;
      const id = path[top] ?? 0;
      const index = indexes[top] ?? 0;
      const following = next(btf, id, index);
      if (following === undefined) {
        state[id - startId] = done;
        path.pop();
        indexes.pop();
        continue;
      }
      indexes[top] = index + 1;
      // The base's types cannot refer to ours.
      if (following < startId) continue;
      const seen = state[following - startId];
      if (seen === visiting) throw error(following);
      if (seen === done) continue;
      state[following - startId] = visiting;
      path.push(following);
      indexes.push(0);
    }
  }
}
