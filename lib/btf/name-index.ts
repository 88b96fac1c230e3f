import { essentialName } from './essential-name.js';
import { canBeName, essentialLength, tableHolding, type NamedTypes, type StringTable } from './names.js';
import type { TypeTable } from './type-table.js';

/**
 * Longer names share a bucket by their first bytes: a crafted file can have every type named by a suffix of one long
 * string. The kernel takes names up to 511 bytes (KSYM_NAME_LEN).
 */
const hashedLength = 256;
/** Types indexed before there must be room for more suspects. */
const itemsAtOnce = 1_024;

/** FNV-1a starts here; written as an int32 so that the loop below stays in integers. */
const hashStart = 0x811c9dc5 | 0;
const threeUnderscores = 0x5f5f5f;

/**
 * The hash of the name at `from`, shifted left by one; bit 0 is set when the name may carry a flavour. A function of its
 * own since V8 compiles one that is called 100,000 times sooner than a loop that runs once.
 */
function hashName(bytes: Uint8Array, from: number): number {
  const end = Math.min(bytes.length, from + hashedLength);
  let hash = hashStart;
  let recent = 0;
  let suspect = 0;
  let at = from;
  for (; at < end; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0) break;
    hash = Math.imul(hash ^ byte, 0x01000193);
    // Flavours are rare: what may be one is looked at closely afterwards.
    recent = ((recent << 8) | byte) & 0xff_ffff;
    if (recent === threeUnderscores) suspect = 1;
  }
  if (at - from === hashedLength) suspect = 1;
  // The low bits choose the bucket: fold the better mixed high ones in.
  return ((hash ^ (hash >>> 15)) << 1) | suspect;
}

function bucketCount(entries: number): number {
  let count = 16;
  while (count < entries) count *= 2;
  return count;
}

/**
 * Which types have a name: buckets of chains in typed arrays, each chain in ascending order of ids, and a list of the
 * few names that carry a flavour. Nothing here depends on the names being sane; a name offset outside the strings is no
 * name. Built in steps when a caller must not block.
 */
export class NameIndex {
  readonly #table: TypeTable;
  readonly #strings: StringTable;
  /** One past the index of the bucket's first type; 0 when the bucket is empty. */
  readonly #heads: Uint32Array;
  /** The same for the type after this one in its bucket. */
  readonly #next: Uint32Array;
  /** Indexes, descending, of the first `#suspectCount` types whose name may carry a flavour. */
  #suspects = new Uint32Array(itemsAtOnce);
  #suspectCount = 0;
  /** Which of them do, ascending, and the length of the name without it. Made at the first query. */
  #flavoured: readonly { readonly index: number; readonly length: number }[] | undefined;
  #left: number;

  constructor(table: TypeTable, strings: StringTable) {
    this.#table = table;
    this.#strings = strings;
    this.#heads = new Uint32Array(bucketCount(table.count));
    this.#next = new Uint32Array(table.count);
    this.#left = table.count;
  }

  /** Indexes up to `limit` types, last ones first; true when all are done. */
  build(limit: number): boolean {
    const stop = Math.max(0, this.#left - limit);
    while (this.#left > stop) this.#buildSome(Math.max(stop, this.#left - itemsAtOnce));
    return stop === 0;
  }

  /** At most `itemsAtOnce` types, down to index `stop`. */
  #buildSome(stop: number): void {
    const { words, offsets } = this.#table;
    const heads = this.#heads;
    const next = this.#next;
    const mask = heads.length - 1;
    if (this.#suspects.length < this.#suspectCount + itemsAtOnce) {
      const larger = new Uint32Array(this.#suspects.length * 2);
      larger.set(this.#suspects);
      this.#suspects = larger;
    }
    const suspects = this.#suspects;
    let suspectCount = this.#suspectCount;
    let { bytes, start } = this.#strings;
    for (let index = this.#left - 1; index >= stop; index--) {
      const nameOffset = words[offsets[index] ?? 0] ?? 0;
      if (nameOffset === 0) continue;
      if (nameOffset < start || nameOffset - start >= bytes.length) {
        const holder = tableHolding(this.#strings, nameOffset);
        if (holder === undefined) continue;
        ({ bytes, start } = holder);
      }
      const hash = hashName(bytes, nameOffset - start);
      const bucket = (hash >>> 1) & mask;
      next[index] = heads[bucket] ?? 0;
      heads[bucket] = index + 1;
      // No branch for the few suspects: one that is first taken now would throw the compiled code away.
      suspects[suspectCount] = index;
      suspectCount += hash & 1;
    }
    this.#suspectCount = suspectCount;
    this.#left = stop;
  }

  /** The types that go by a name. The index must be complete. */
  find(name: string): NamedTypes {
    return { exact: [...this.#findExact(name)], essential: this.#findEssential(name) };
  }

  *#findExact(name: string): Generator<number, void, undefined> {
    if (!canBeName(name)) return;
    const wanted = Buffer.from(name, 'utf8');
    const { words, offsets, startId } = this.#table;
    const bucket = (hashName(wanted, 0) >>> 1) & (this.#heads.length - 1);
    for (let link = this.#heads[bucket] ?? 0; link !== 0; link = this.#next[link - 1] ?? 0) {
      if (this.#startsWith(words[offsets[link - 1] ?? 0] ?? 0, wanted, true)) yield startId + link - 1;
    }
  }

  /** Those whose name without its flavour is `name`. */
  #findEssential(name: string): number[] {
    if (!canBeName(name)) return [];
    const wanted = Buffer.from(name, 'utf8');
    const { words, offsets, startId } = this.#table;
    // When `name` itself carries a flavour, a type of just that name has a shorter essential name.
    const found = essentialName(name) === name ? [...this.#findExact(name)] : [];
    const plain = found.length;
    for (const { index, length } of this.#withFlavour()) {
      if (length !== wanted.length) continue;
      if (this.#startsWith(words[offsets[index] ?? 0] ?? 0, wanted, false)) found.push(startId + index);
    }
    return found.length === plain ? found : found.sort((a, b) => a - b);
  }

  #withFlavour(): readonly { readonly index: number; readonly length: number }[] {
    if (this.#flavoured !== undefined) return this.#flavoured;
    const { words, offsets } = this.#table;
    const found: { index: number; length: number }[] = [];
    for (const index of this.#suspects.subarray(0, this.#suspectCount)) {
      const nameOffset = words[offsets[index] ?? 0] ?? 0;
      const holder = tableHolding(this.#strings, nameOffset);
      const length = holder === undefined ? 0 : essentialLength(holder.bytes, nameOffset - holder.start);
      if (length > 0) found.push({ index, length });
    }
    this.#flavoured = found.reverse();
    return this.#flavoured;
  }

  #startsWith(nameOffset: number, wanted: Uint8Array, whole: boolean): boolean {
    const holder = tableHolding(this.#strings, nameOffset);
    if (holder === undefined) return false;
    const at = nameOffset - holder.start;
    for (let index = 0; index < wanted.length; index++) {
      if (holder.bytes[at + index] !== wanted[index]) return false;
    }
    return !whole || holder.bytes[at + wanted.length] === 0;
  }
}
