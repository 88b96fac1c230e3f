import { BtfKind } from './btf-kind.js';
import type { Btf } from './btf.js';
import { infoFlag } from './type-table.js';

/** Kinds that not every kernel takes which this library supports. */
const newerKinds: ReadonlySet<number> = new Set<number>([
  BtfKind.FLOAT,
  BtfKind.DECL_TAG,
  BtfKind.TYPE_TAG,
  BtfKind.ENUM64,
]);

/**
 * What a kernel must know to take this BTF, beyond what every kernel does. Signed 32-bit enumerations count as `ENUM64`:
 * their flag came with the same kernel (6089fb325cf7 "bpf: Add btf enum64 support").
 */
export function newerKindsIn(btf: Btf): ReadonlySet<BtfKind> {
  const found = new Set<BtfKind>();
  for (let id = btf.startId; id < btf.endId; id++) {
    const kind = btf.kind(id);
    if (newerKinds.has(kind)) found.add(kind);
    else if (kind === BtfKind.ENUM && infoFlag(btf.word(id, 1))) found.add(BtfKind.ENUM64);
  }
  return found;
}
