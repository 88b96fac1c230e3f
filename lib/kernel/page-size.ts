import { readFileSync } from 'node:fs';

import { hostIsLittleEndian } from '../binary/index.js';

/** AT_PAGESZ of include/uapi/linux/auxvec.h. */
const pageSizeTag = 6n;
const usualPageSize = 4096;

let known: number | undefined;

/** Bytes of a memory page, from what the kernel told this process at its start. */
export function pageSize(): number {
  known ??= findPageSize(readFileSync('/proc/self/auxv'), hostIsLittleEndian);
  return known;
}

/** The page size in an auxiliary vector: pairs of a tag and a value, eight bytes each. */
export function findPageSize(vector: Uint8Array, littleEndian: boolean): number {
  const view = new DataView(vector.buffer, vector.byteOffset, vector.byteLength);
  for (let offset = 0; offset + 16 <= view.byteLength; offset += 16) {
    if (view.getBigUint64(offset, littleEndian) === pageSizeTag) {
      return Number(view.getBigUint64(offset + 8, littleEndian));
    }
  }
  return usualPageSize;
}
