import { BtfKind } from './btf-kind.js';
import { BtfLinkage } from './btf-type.js';
import type { Btf } from './btf.js';
import { infoVlen } from './type-table.js';

/**
 * A copy of `btf.bytes` in which the given functions are static. The kernel checks a static function where it is called,
 * with what it knows there, and a global one for all arguments.
 *
 * @throws {ObjectFormatError} when one of the ids is no function of this BTF.
 */
export function withStaticFunctions(btf: Btf, ids: Iterable<number>): Uint8Array {
  // Not slice(): that of a Buffer is a view.
  const copy = new Uint8Array(btf.bytes);
  const view = new DataView(copy.buffer, copy.byteOffset, copy.byteLength);
  for (const id of ids) {
    const record = btf.table.offsets[id - btf.startId];
    if (record === undefined || btf.kind(id) !== BtfKind.FUNC) throw btf.error(`type ${id} is no function`, id);
    // A FUNC has its linkage where other kinds count their items.
    const info = btf.word(id, 1);
    const at = btf.header.typesOffset + (record + 1) * 4;
    view.setUint32(at, info - infoVlen(info) + BtfLinkage.STATIC, btf.littleEndian);
  }
  return copy;
}
