import type { TypeTable } from './type-table.js';

/** Longer names are told apart by comparing, so that a crafted string shared by many types costs no time. */
const hashedLength = 256;

/** FNV-1a over the string at `start`, up to its NUL or `end`. */
function hashOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  const stop = Math.min(end, start + hashedLength);
  for (let at = start; at < stop; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === 0) break;
    hash = Math.imul(hash ^ byte, 0x01000193);
  }
  // The low bits choose the bucket: fold the better mixed high ones in.
  return (hash ^ (hash >>> 15)) >>> 0;
}

function bucketCount(entries: number): number {
  let count = 16;
  while (count < entries) count *= 2;
  return count;
}

/** The strings that a table's name offsets point into; `start` is the offset of the first byte, above 0 for split BTF. */
export interface StringTable {
  readonly bytes: Uint8Array;
  readonly start: number;
  /** Where strings before `start` are. */
  readonly base: StringTable | undefined;
}

/** The table that holds `offset`; undefined when none does. */
export function tableHolding(strings: StringTable, offset: number): StringTable | undefined {
  let table: StringTable | undefined = strings;
  while (table !== undefined && offset < table.start) table = table.base;
  return table !== undefined && offset - table.start < table.bytes.byteLength ? table : undefined;
}

/**
 * Which types have a name: buckets of chains in typed arrays, each chain in ascending order of ids. Nothing here depends
 * on the names being sane; a name offset outside the strings is no name.
 */
export class NameIndex {
  readonly #table: TypeTable;
  readonly #strings: StringTable;
  /** One past the index of the bucket's first type; 0 when the bucket is empty. */
  readonly #heads: Uint32Array;
  /** The same for the type after this one in its bucket. */
  readonly #next: Uint32Array;
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
    const { words, offsets } = this.#table;
    const { bytes, start } = this.#strings;
    const heads = this.#heads;
    const next = this.#next;
    const mask = heads.length - 1;
    const stop = Math.max(0, this.#left - limit);
    for (let index = this.#left - 1; index >= stop; index--) {
      const nameOffset = words[offsets[index] ?? 0] ?? 0;
      if (nameOffset === 0) continue;
      let bucket: number;
      if (nameOffset >= start) bucket = hashOf(bytes, nameOffset - start, bytes.length) & mask;
      else {
        const holder = tableHolding(this.#strings, nameOffset);
        if (holder === undefined) continue;
        bucket = hashOf(holder.bytes, nameOffset - holder.start, holder.bytes.length) & mask;
      }
      next[index] = heads[bucket] ?? 0;
      heads[bucket] = index + 1;
    }
    this.#left = stop;
    return stop === 0;
  }

  /** Ids of the types named `name` (UTF-8, not empty, no NUL), ascending. The index must be complete. */
  *find(name: Uint8Array): Generator<number, void, undefined> {
    const { words, offsets, startId } = this.#table;
    const bucket = hashOf(name, 0, name.length) & (this.#heads.length - 1);
    for (let link = this.#heads[bucket] ?? 0; link !== 0; link = this.#next[link - 1] ?? 0) {
      const nameOffset = words[offsets[link - 1] ?? 0] ?? 0;
      const holder = tableHolding(this.#strings, nameOffset);
      if (holder === undefined) continue;
      const at = nameOffset - holder.start;
      if (startsWith(holder.bytes, at, name) && holder.bytes[at + name.length] === 0) yield startId + link - 1;
    }
  }
}

export function startsWith(bytes: Uint8Array, at: number, prefix: Uint8Array): boolean {
  if (at + prefix.length > bytes.length) return false;
  for (let index = 0; index < prefix.length; index++) {
    if (bytes[at + index] !== prefix[index]) return false;
  }
  return true;
}
