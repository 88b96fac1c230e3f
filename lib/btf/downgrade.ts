import { BtfBuilder } from './btf-builder.js';
import { BtfKind, typeHeaderWords } from './btf-kind.js';
import { Btf } from './btf.js';
import { newerKindsIn } from './newer-kinds.js';
import { infoVlen } from './type-table.js';

const flagBit = 0x8000_0000;
const kindShift = 24;

/**
 * A copy of `btf.bytes` for a kernel that of the newer kinds takes only `kinds`. Each other type becomes an older one of
 * the same size, under the same id, so that whatever refers to it still does: the kernel checks sizes and names, and the
 * meaning stays known in the BTF that this was made from.
 *
 * | kind | becomes |
 * | --- | --- |
 * | `FLOAT` | a struct without members |
 * | `DECL_TAG` | an integer that nothing refers to |
 * | `TYPE_TAG` | `const` |
 * | `ENUM64` | a union of bytes with the enumerators' names |
 * | signed `ENUM` | unsigned |
 */
export function withOlderKinds(btf: Btf, kinds: ReadonlySet<BtfKind>): Uint8Array {
  const missing = new Set([...newerKindsIn(btf)].filter((kind) => !kinds.has(kind)));
  if (missing.size === 0) return btf.bytes;
  const { from, byte } = withByteType(btf, missing.has(BtfKind.ENUM64));
  const copy = new Uint8Array(from.bytes);
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength);
  for (let id = from.startId; id < from.endId; id++) {
    const record = from.table.offsets[id - from.startId] ?? 0;
    const put = (word: number, value: number): void => {
      view.setUint32(from.header.typesOffset + (record + word) * 4, value >>> 0, from.littleEndian);
    };
    const kind = from.kind(id);
    const info = from.word(id, 1);
    if (kind === BtfKind.ENUM && missing.has(BtfKind.ENUM64)) put(1, info & ~flagBit);
    if (!missing.has(kind)) continue;
    switch (kind) {
      case BtfKind.FLOAT:
        put(0, 0);
        put(1, BtfKind.STRUCT << kindShift);
        break;
      case BtfKind.DECL_TAG:
        put(0, 0);
        put(1, BtfKind.INT << kindShift);
        put(2, 1);
        put(3, 8);
        break;
      case BtfKind.TYPE_TAG:
        put(0, 0);
        put(1, BtfKind.CONST << kindShift);
        break;
      case BtfKind.ENUM64:
        put(1, (BtfKind.UNION << kindShift) | infoVlen(info));
        // Name, low and high half of the value become name, type and offset.
        for (let word = typeHeaderWords; word < typeHeaderWords + infoVlen(info) * 3; word += 3) {
          put(word + 1, byte);
          put(word + 2, 0);
        }
        break;
      default:
    }
  }
  return copy;
}

/** With a type of one byte at its end, when one is needed: it fits in an enumeration of any size. */
function withByteType(btf: Btf, needed: boolean): { readonly from: Btf; readonly byte: number } {
  if (!needed) return { from: btf, byte: 0 };
  const builder = BtfBuilder.from(btf);
  const byte = builder.addInt('unsigned char', { size: 1 });
  return { from: Btf.parse(builder.encode(), { name: btf.name, ...(btf.base && { base: btf.base }) }), byte };
}
