import { startsWith, tableHolding, type StringTable } from './name-index.js';
import type { TypeTable } from './type-table.js';

/** Where the flavours of one string table stand; few kernels have any, so this is found by searching for `___`. */
interface Separators {
  /** Offset of the character before the three underscores, ascending. */
  readonly at: Uint32Array;
  /** The first byte of the string that each stands in. */
  readonly stringStart: Uint32Array;
  /** The last separator of that same string. */
  readonly last: Uint32Array;
}

/**
 * The types whose names carry a flavour, by essential name. A BTF without any costs one search through its strings.
 */
export class FlavourIndex {
  readonly #table: TypeTable;
  readonly #strings: StringTable;
  readonly #separators = new Map<StringTable, Separators>();
  readonly #anywhere: boolean;
  /** Essential names' lengths of the flavoured types, by type id, ascending. */
  readonly #lengths = new Map<number, number>();
  #done = 0;

  constructor(table: TypeTable, strings: StringTable) {
    this.#table = table;
    this.#strings = strings;
    let anywhere = false;
    for (let part: StringTable | undefined = strings; part !== undefined; part = part.base) {
      const separators = findSeparators(part.bytes);
      this.#separators.set(part, separators);
      anywhere ||= separators.at.length > 0;
    }
    this.#anywhere = anywhere;
  }

  /** Looks at up to `limit` types; true when all are done. */
  build(limit: number): boolean {
    const { words, offsets, count, startId } = this.#table;
    if (!this.#anywhere) return true;
    const own = this.#separators.get(this.#strings);
    const stop = Math.min(count, this.#done + limit);
    for (let index = this.#done; index < stop; index++) {
      const nameOffset = words[offsets[index] ?? 0] ?? 0;
      let length = 0;
      if (nameOffset >= this.#strings.start && own !== undefined) {
        length = essentialLength(own, nameOffset - this.#strings.start);
      } else {
        const holder = tableHolding(this.#strings, nameOffset);
        const separators = holder === undefined ? undefined : this.#separators.get(holder);
        if (holder !== undefined && separators !== undefined) {
          length = essentialLength(separators, nameOffset - holder.start);
        }
      }
      if (length > 0) this.#lengths.set(startId + index, length);
    }
    this.#done = stop;
    return stop === count;
  }

  /** True when the type's name carries a flavour. */
  has(id: number): boolean {
    return this.#lengths.has(id);
  }

  /** Ids of the flavoured types with that essential name (UTF-8), ascending. The index must be complete. */
  find(name: Uint8Array): number[] {
    const { words, offsets, startId } = this.#table;
    const found: number[] = [];
    for (const [id, length] of this.#lengths) {
      if (length !== name.length) continue;
      const nameOffset = words[offsets[id - startId] ?? 0] ?? 0;
      const holder = tableHolding(this.#strings, nameOffset);
      if (holder !== undefined && startsWith(holder.bytes, nameOffset - holder.start, name)) found.push(id);
    }
    return found;
  }
}

/** Length of the essential name of the string at `start`; 0 when it has no flavour. */
function essentialLength(separators: Separators, start: number): number {
  const { at, stringStart, last } = separators;
  let low = 0;
  let high = at.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((at[middle] ?? 0) < start) low = middle + 1;
    else high = middle;
  }
  if (low === at.length || (stringStart[low] ?? 0) > start) return 0;
  return (last[low] ?? 0) + 1 - start;
}

function findSeparators(bytes: Uint8Array): Separators {
  const underscore = 0x5f;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at: number[] = [];
  const stringStart: number[] = [];
  let start = 0;
  for (let hit = buffer.indexOf('___', 1); hit >= 0;) {
    let end = hit + 3;
    while (bytes[end] === underscore) end++;
    const before = bytes[hit - 1];
    const after = bytes[end];
    // Four underscores and more are no separator, nor are three at the start or the end of a name.
    if (end === hit + 3 && before !== underscore && before !== 0 && after !== undefined && after !== 0) {
      const previous = at[at.length - 1] ?? 0;
      // The string begins after the last NUL, unless that was before the previous separator.
      const terminator = buffer.subarray(previous, hit).lastIndexOf(0);
      if (terminator >= 0) start = previous + terminator + 1;
      at.push(hit - 1);
      stringStart.push(start);
    }
    hit = buffer.indexOf('___', end);
  }
  const last = Uint32Array.from(at);
  for (let index = at.length - 2; index >= 0; index--) {
    if (stringStart[index] === stringStart[index + 1]) last[index] = last[index + 1] ?? 0;
  }
  return { at: Uint32Array.from(at), stringStart: Uint32Array.from(stringStart), last };
}
