import { kindLayouts, typeHeaderWords } from './btf-kind.js';
import { bucketsFor, type NameTable } from './name-index.js';

/** The number of a kind has seven bits. */
const kinds = 128;
/** Of a kernel's BTF, strings included, by type: it has 40 and more. With smaller types there is no room for their index. */
const leastBytesPerType = 28;
/** The addon asks for huge pages, of which there are none in what is smaller, and at the ends of what is not aligned. */
const hugePage = 2 << 20;

/** What one pass over all types finds: where each starts, in words, and who goes by a name. */
export interface IndexedTypes extends NameTable {
  readonly count: number;
  readonly offsets: Uint32Array;
}

/** Where the addon reads a BTF to, and what it finds in it. */
export interface BtfRoom {
  readonly bytes: Uint8Array;
  readonly index: Uint32Array;
}

/**
 * Room for a BTF of up to `byteLength` bytes and for the addon to index its types in (native/type_index.cc), which it does while
 * this thread does something else. The index is, in words: by kind the bytes of a record and of each of its items, the heads
 * of the buckets, for each type where it starts, and the type before it in its bucket. Kind 0, which no type has, has the
 * number of types, 0 until all are found, and that of buckets.
 */
export function allocateBtf(byteLength: number): BtfRoom {
  const types = Math.ceil(byteLength / leastBytesPerType);
  const buckets = bucketsFor(types / 2);
  const words = 2 * kinds + buckets + 2 * types;
  const margin = byteLength < hugePage ? 0 : hugePage;
  const indexAt = margin + Math.ceil(byteLength / 4) * 4;
  const buffer = new ArrayBuffer(indexAt + words * 4 + margin);
  const index = new Uint32Array(buffer, indexAt, words);
  for (const [kind, { fixed, perItem }] of kindLayouts.entries()) {
    index[2 * kind] = (typeHeaderWords + fixed) * 4;
    index[2 * kind + 1] = perItem * 4;
  }
  index[0] = 0;
  index[1] = buckets;
  return { bytes: new Uint8Array(buffer, margin, byteLength), index };
}

/** What was found; undefined when nothing was: TypeScript then does it, and says what is wrong. */
export function typesInIndex(index: Uint32Array): IndexedTypes | undefined {
  const [count = 0, buckets = 0] = index;
  if (count === 0) return undefined;
  const offsetsAt = 2 * kinds + buckets;
  const nextAt = offsetsAt + (index.length - offsetsAt) / 2;
  return {
    count,
    heads: index.subarray(2 * kinds, offsetsAt),
    offsets: index.subarray(offsetsAt, offsetsAt + count),
    next: index.subarray(nextAt, nextAt + count),
  };
}
