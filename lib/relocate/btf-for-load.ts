import { Btf, BtfKind, BtfLinkage } from '../btf/index.js';
import type { ObjectSpec } from '../object/index.js';

const LINKAGE_BITS = 0xffff;

/**
 * The object's types as this load gives them to the kernel. Global functions that the source hides (`__hidden`) become
 * static: the kernel then checks them where they are called, with what it knows there, and not for all arguments.
 */
export function btfForLoad(object: ObjectSpec): Uint8Array | undefined {
  const bytes = object.btfBytes;
  const hidden = [...object.functions.values()].filter(
    ({ hidden, linkage, btfTypeId }) => hidden && linkage !== 'static' && btfTypeId !== 0,
  );
  if (bytes === undefined || hidden.length === 0) return bytes;

  const copy = bytes.slice();
  const btf = Btf.parse(copy, { name: object.name });
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength);
  for (const { btfTypeId } of hidden) {
    const word = btf.table.offsets[btfTypeId - btf.startId];
    if (word === undefined || btf.kind(btfTypeId) !== BtfKind.FUNC) continue;
    // `info` follows the name in struct btf_type; a FUNC has its linkage where others count their members.
    const info = btf.header.typesOffset + word * 4 + 4;
    const others = view.getUint32(info, btf.littleEndian) & ~LINKAGE_BITS;
    view.setUint32(info, (others | BtfLinkage.STATIC) >>> 0, btf.littleEndian);
  }
  return copy;
}
