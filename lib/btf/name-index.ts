import { essentialName } from './essential-name.js';
import { hashedByAddon, hashName, mostHashed } from './name-hash.js';
import { canBeName, essentialLength, tableHolding, type NamedTypes, type StringTable } from './names.js';
import type { TypeTable } from './type-table.js';

/** A million buckets; of more types some share one. */
const mostBucketBits = 20;
const underscore = 0x5f;

/** Buckets of types by the hashes of their names. */
export interface NameTable {
  /** One past the index of the bucket's last type; 0 when the bucket is empty. A power of two of them. */
  readonly heads: Uint32Array;
  /** The same for the type before this one in its bucket. */
  readonly next: Uint32Array;
}

/** How many buckets to make for `types` types: at least two, and a power of two. */
export function bucketsFor(types: number): number {
  return 1 << Math.min(mostBucketBits, Math.max(1, 32 - Math.clz32(types)));
}

/**
 * Which types have a name: buckets of chains in typed arrays. A name and its flavours are in one bucket, so that one
 * search finds all that CO-RE takes for the same. Nothing here depends on the names being sane; a name offset
 * outside the strings is no name. Built in steps when a caller must not block.
 */
export class NameIndex {
  readonly #table: TypeTable;
  readonly #strings: StringTable;
  readonly #heads: Uint32Array;
  readonly #next: Uint32Array;
  /** Of the 32 bits of a hash it leaves the number of a bucket. */
  readonly #shift: number;
  /** Bytes of a name that its hash is made of. */
  readonly #hashed: number;
  #done = 0;

  /** With `made`, by the addon, there is nothing left to build. */
  constructor(table: TypeTable, strings: StringTable, made?: NameTable) {
    this.#table = table;
    this.#strings = strings;
    this.#heads = made?.heads ?? new Uint32Array(bucketsFor(table.count));
    this.#next = made?.next ?? new Uint32Array(table.count);
    this.#shift = Math.clz32(this.#heads.length) + 1;
    this.#hashed = made === undefined ? mostHashed : hashedByAddon;
    if (made !== undefined) this.#done = table.count;
  }

  /** Indexes up to `limit` types; true when all are done. */
  build(limit: number): boolean {
    const { words, offsets, count } = this.#table;
    const heads = this.#heads;
    const next = this.#next;
    const stop = Math.min(count, this.#done + limit);
    let { bytes, start } = this.#strings;
    let view = viewOf(bytes);
    for (let index = this.#done; index < stop; index++) {
      const nameOffset = words[offsets[index] ?? 0] ?? 0;
      if (nameOffset === 0) continue;
      if (nameOffset < start || nameOffset - start >= bytes.byteLength) {
        const holder = tableHolding(this.#strings, nameOffset);
        if (holder === undefined) continue;
        ({ bytes, start } = holder);
        view = viewOf(bytes);
      }
      const bucket = hashName(view, nameOffset - start, this.#hashed) >>> this.#shift;
      next[index] = heads[bucket] ?? 0;
      heads[bucket] = index + 1;
    }
    this.#done = stop;
    return stop === count;
  }

  /** The types that go by a name. The index must be complete. */
  find(name: string): NamedTypes {
    const exact: number[] = [];
    const essential: number[] = [];
    if (!canBeName(name)) return { exact, essential };
    const wanted = Buffer.from(`${name}\0`, 'utf8');
    const length = wanted.length - 1;
    const { words, offsets, startId } = this.#table;
    let { bytes, start } = this.#strings;
    let link = this.#heads[hashName(viewOf(wanted), 0, this.#hashed) >>> this.#shift] ?? 0;
    for (; link !== 0; link = this.#next[link - 1] ?? 0) {
      const nameOffset = words[offsets[link - 1] ?? 0] ?? 0;
      if (nameOffset < start || nameOffset - start >= bytes.byteLength) {
        const holder = tableHolding(this.#strings, nameOffset);
        if (holder === undefined) continue;
        ({ bytes, start } = holder);
      }
      const at = nameOffset - start;
      const after = bytes[at + length];
      // Most names are longer or shorter, which this byte tells.
      if ((after !== 0 && after !== underscore) || !startsWith(bytes, at, wanted, length)) continue;
      if (after === 0) exact.push(startId + link - 1);
      else if (essentialLength(bytes, at) === length) essential.push(startId + link - 1);
    }
    exact.reverse();
    // When the name itself carries a flavour, the essential name of its types is a shorter one.
    if (essentialName(name) === name) essential.push(...exact);
    return { exact, essential: essential.sort((a, b) => a - b) };
  }
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function startsWith(bytes: Uint8Array, at: number, wanted: Uint8Array, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[at + index] !== wanted[index]) return false;
  return true;
}
