import { essentialName } from './essential-name.js';
import { canBeName, essentialLength, tableHolding, type NamedTypes, type StringTable } from './names.js';
import type { TypeTable } from './type-table.js';

/** The golden ratio of 2^32 (Fibonacci hashing): near numbers get buckets far apart. */
const hashFactor = 0x9e3779b1 | 0;
/** More buckets than a kernel has beginnings of names. */
export const mostBucketBits = 16;
const underscore = 0x5f;

/** The first four bytes of a name as a little-endian number, those from its NUL on zero. */
function prefixAt(strings: DataView, at: number): number {
  const word = at + 4 <= strings.byteLength ? strings.getInt32(at, true) : lastWord(strings, at);
  // The highest bit of each byte that is zero; above the first such byte it may be set for others.
  const zeros = (word - 0x01010101) & ~word & 0x80808080;
  return zeros === 0 ? word : word & (((zeros & -zeros) >>> 7) - 1);
}

function lastWord(strings: DataView, at: number): number {
  let word = 0;
  for (let index = 0; at + index < strings.byteLength; index++) word |= strings.getUint8(at + index) << (8 * index);
  return word;
}

/** What scan.wat has to go through buckets with. */
export interface BucketSearch {
  /** In bytes. */
  readonly longestName: number;
  /** Types that were looked at, all together. */
  readonly steps: number;
  /**
   * The first link of a bucket, from `link` on, that leads to a type of the name of `length` bytes in `wanted`, or of one that
   * goes on with two underscores; 0 when there is none.
   */
  readonly find: (link: number, wanted: Uint8Array, length: number) => number;
}

const viewOf = ({ bytes }: StringTable): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Which types have a name, by its first four bytes: buckets of chains in typed arrays. Made in a third of the time that an
 * index of whole names takes, since most of a name is not looked at; a query goes through the types whose names begin
 * alike, some hundreds in a kernel. A flavoured name begins as its essential one, so flavours need nothing of their own.
 * Built in steps when a caller must not block.
 */
export class PrefixIndex {
  readonly #table: TypeTable;
  readonly #strings: StringTable;
  readonly #shift: number;
  /** One past the index of the bucket's last type; 0 when the bucket is empty. */
  readonly #heads: Uint32Array;
  /** The same for the type before this one in its bucket. */
  readonly #next: Uint32Array;
  readonly #search: BucketSearch | undefined;
  #done = 0;
  #steps = 0;

  /** With `made`, which scan.wat filled in, there is nothing left to build. */
  constructor(
    table: TypeTable,
    strings: StringTable,
    made?: { readonly heads: Uint32Array; readonly next: Uint32Array; readonly search?: BucketSearch },
  ) {
    this.#table = table;
    this.#strings = strings;
    this.#heads = made?.heads ?? new Uint32Array(1 << Math.min(mostBucketBits, 32 - Math.clz32(table.count | 1)));
    this.#next = made?.next ?? new Uint32Array(table.count);
    // A power of two: of the 32 bits of a hash as many are left as its number has zeros after the one.
    this.#shift = Math.clz32(this.#heads.length) + 1;
    if (made !== undefined) this.#done = table.count;
    this.#search = made?.search;
  }

  /** Types that queries have looked at, all together. */
  get steps(): number {
    return this.#steps + (this.#search?.steps ?? 0);
  }

  /** Indexes up to `limit` types; true when all are done. */
  build(limit: number): boolean {
    const { words, offsets, count } = this.#table;
    const heads = this.#heads;
    const next = this.#next;
    const shift = this.#shift;
    const stop = Math.min(count, this.#done + limit);
    let { start } = this.#strings;
    let view = viewOf(this.#strings);
    for (let index = this.#done; index < stop; index++) {
      const nameOffset = words[offsets[index] ?? 0] ?? 0;
      if (nameOffset === 0) continue;
      if (nameOffset < start || nameOffset - start >= view.byteLength) {
        const holder = tableHolding(this.#strings, nameOffset);
        if (holder === undefined) continue;
        start = holder.start;
        view = viewOf(holder);
      }
      const bucket = Math.imul(prefixAt(view, nameOffset - start), hashFactor) >>> shift;
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
    const wanted = Buffer.from(`${name}___`, 'utf8');
    const length = wanted.length - 3;
    const flavoured = this.#bucket(wanted);
    wanted.fill(0, length);
    const plain = this.#bucket(wanted);
    for (const bucket of plain === flavoured ? [plain] : [plain, flavoured]) {
      this.#collect(bucket, wanted, length, { exact, essential });
    }
    exact.sort((a, b) => a - b);
    // When the name itself carries a flavour, the essential name of its types is a shorter one.
    if (essentialName(name) === name) essential.push(...exact);
    return { exact, essential: essential.sort((a, b) => a - b) };
  }

  #bucket(name: Buffer): number {
    const view = new DataView(name.buffer, name.byteOffset, name.byteLength);
    return Math.imul(prefixAt(view, 0), hashFactor) >>> this.#shift;
  }

  /** Those of the name of `length` bytes into `exact`, those of its flavours into `essential`. */
  #collect(bucket: number, wanted: Buffer, length: number, found: { exact: number[]; essential: number[] }): void {
    const { words, offsets, startId } = this.#table;
    const next = this.#next;
    const search = length <= (this.#search?.longestName ?? 0) ? this.#search : undefined;
    let { bytes, start } = this.#strings;
    for (let link = this.#heads[bucket] ?? 0; link !== 0; link = next[link - 1] ?? 0) {
      if (search !== undefined) link = search.find(link, wanted, length);
      if (link === 0) return;
      this.#steps++;
      const nameOffset = words[offsets[link - 1] ?? 0] ?? 0;
      if (nameOffset < start || nameOffset - start >= bytes.byteLength) {
        const holder = tableHolding(this.#strings, nameOffset);
        if (holder === undefined) continue;
        ({ bytes, start } = holder);
      }
      const at = nameOffset - start;
      const after = bytes[at + length];
      // Most names are longer or shorter, which this byte tells.
      if (after !== 0 && (after !== underscore || bytes[at + length + 1] !== underscore)) continue;
      if (!startsWith(bytes, at, wanted, length)) continue;
      if (after === 0) found.exact.push(startId + link - 1);
      else if (essentialLength(bytes, at) === length) found.essential.push(startId + link - 1);
    }
  }
}

function startsWith(bytes: Uint8Array, at: number, wanted: Uint8Array, length: number): boolean {
  for (let index = 0; index < length; index++) if (bytes[at + index] !== wanted[index]) return false;
  return true;
}
