import type { Btf } from './btf.js';

export function validateTypes(btf: Btf): void {
  for (let id = btf.startId; id < btf.endId; id++) btf.nameOf(id);
}
