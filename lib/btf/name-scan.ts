import { canBeName, essentialLength, type StringTable } from './name-index.js';
import type { TypeTable } from './type-table.js';

/** Ids of the types that go by a name, ascending. */
export interface NamedTypes {
  /** Those of exactly this name. */
  readonly exact: readonly number[];
  /** Those whose name without its flavour it is. */
  readonly essential: readonly number[];
}

interface Found {
  readonly exact: number[];
  readonly essential: number[];
}

/** A name that more strings end in is for the index: `x`, where `file` has two thousand in a kernel. */
const mostHits = 4_096;
const filterSize = 65_536;

/**
 * Finds a few names without an index: the strings are searched for each, then all types are looked at once. An index takes
 * as long as ten such searches.
 */
export class NameScan {
  readonly #table: TypeTable;
  readonly #strings: StringTable;
  readonly #found = new Map<string, Found>();
  /** By name offset: the lists that a type of that name belongs to. */
  readonly #lists = new Map<number, number[][]>();

  constructor(table: TypeTable, strings: StringTable) {
    this.#table = table;
    this.#strings = strings;
  }

  /** Looks for one name in the strings; false when it is one for the index. */
  search(name: string): boolean {
    const found: Found = { exact: [], essential: [] };
    if (canBeName(name)) {
      const exact = this.#offsets(`${name}\0`);
      const flavoured = this.#offsets(`${name}___`);
      if (exact === undefined || flavoured === undefined) return false;
      const { length } = Buffer.from(name, 'utf8');
      // When the name itself carries a flavour, the essential name of its types is a shorter one.
      const own = exact.filter(({ table, at }) => essentialLength(table.bytes, at) === 0);
      const others = flavoured.filter(({ table, at }) => essentialLength(table.bytes, at) === length);
      for (const { offset } of exact) this.#listed(offset).push(found.exact);
      for (const { offset } of [...own, ...others]) this.#listed(offset).push(found.essential);
    }
    this.#found.set(name, found);
    return true;
  }

  /** Looks through the types; gives every name that was searched for. */
  finish(): ReadonlyMap<string, NamedTypes> {
    if (this.#lists.size > 0) collect(this.#table, this.#lists);
    return this.#found;
  }

  /** Every place where the strings hold `text`, in the middle of one too: a name may be the end of a longer string. */
  #offsets(text: string): { table: StringTable; at: number; offset: number }[] | undefined {
    const hits = [];
    for (let table: StringTable | undefined = this.#strings; table !== undefined; table = table.base) {
      const places = placesOf(table, text);
      if (places === undefined) return undefined;
      for (const at of places) hits.push({ table, at, offset: table.start + at });
    }
    return hits;
  }

  #listed(offset: number): number[][] {
    const known = this.#lists.get(offset);
    if (known !== undefined) return known;
    const lists: number[][] = [];
    this.#lists.set(offset, lists);
    return lists;
  }
}

type Places = readonly number[] | undefined;

/** A hundred modules continue the kernel's BTF: its strings are searched once for all of them. */
const remembered = new WeakMap<StringTable, Map<string, Places>>();
const mostRemembered = 1_024;

function placesOf(table: StringTable, text: string): Places {
  let places = remembered.get(table);
  if (places === undefined || places.size >= mostRemembered) {
    places = new Map<string, Places>();
    remembered.set(table, places);
  }
  if (!places.has(text)) places.set(text, search(table.bytes, text));
  return places.get(text);
}

function search({ buffer, byteOffset, byteLength }: Uint8Array, text: string): Places {
  const bytes = Buffer.from(buffer, byteOffset, byteLength);
  const wanted = Buffer.from(text, 'utf8');
  const places = [];
  for (let at = bytes.indexOf(wanted); at >= 0; at = bytes.indexOf(wanted, at + 1)) {
    if (places.length === mostHits) return undefined;
    places.push(at);
  }
  return places;
}

function collect({ words, offsets, count, startId }: TypeTable, lists: ReadonlyMap<number, readonly number[][]>): void {
  const filter = new Uint8Array(filterSize);
  for (const offset of lists.keys()) filter[offset % filterSize] = 1;
  for (let index = 0; index < count; index++) {
    const nameOffset = words[offsets[index] ?? 0] ?? 0;
    if (filter[nameOffset % filterSize] === 0) continue;
    for (const list of lists.get(nameOffset) ?? []) list.push(startId + index);
  }
}
