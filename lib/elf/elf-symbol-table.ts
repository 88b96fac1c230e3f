import { setImmediate as nextTurn } from 'node:timers/promises';

import { lowerBound, type ByteReader } from '../binary/index.js';
import { SectionIndex, SymbolBinding, SymbolType } from './elf-constants.js';
import { addressAt } from './elf-headers.js';
import { readWord, type ElfLayout } from './elf-layout.js';
import { HIDDEN_VERSION } from './elf-versions.js';

/** A symbol that a file defines. */
export interface DefinedSymbol {
  /** Without its version. */
  readonly name: string;
  /** `GLIBC_2.14` of `memcpy@@GLIBC_2.14`. */
  readonly version: string | undefined;
  /** False of a version that another one replaced for programs that are linked today: `memcpy@GLIBC_2.2.5`. */
  readonly isDefault: boolean;
  /** As the file was linked: see `ElfImage.fileOffset`. */
  readonly address: number;
  /** In bytes; 0 when the file does not say. */
  readonly size: number;
  /** One of `SymbolType`. */
  readonly type: number;
  /** One of `SymbolBinding`. */
  readonly binding: number;
}

/** The versions of a table of dynamic symbols. */
export interface SymbolVersions {
  /** Section `.gnu.version`: 16 bits for each symbol. */
  readonly indices: ByteReader;
  readonly names: ReadonlyMap<number, string>;
}

/** How long the event loop waits for its turn, and how many symbols are looked at between two looks at the clock. */
const MILLISECONDS_PER_TURN = 5;
const SYMBOLS_PER_LOOK = 1024;

/** Symbols of which no name is read, between two turns of the event loop: a few milliseconds. */
const SYMBOLS_PER_TURN = 20_000;

/** How many symbols before an address may be too short to hold it while an earlier one is long enough. */
const NESTED_SYMBOLS = 16;

/**
 * The symbols that one table of a file defines. Nothing is made of a symbol until it is asked for: large programs have
 * a million of them.
 */
export class ElfSymbolTable {
  /** Entries of the table, those of other files included. */
  readonly length: number;
  readonly #table: ByteReader;
  readonly #strings: ByteReader;
  readonly #layout: ElfLayout;
  readonly #versions: SymbolVersions | undefined;
  #sorted: Float64Array | undefined;
  #order: Uint32Array | undefined;

  /** Of the table's bytes, those of its strings and, for dynamic symbols, their versions. */
  constructor(table: ByteReader, strings: ByteReader, layout: ElfLayout, versions?: SymbolVersions) {
    this.length = Math.floor(table.length / layout.symbol.bytes);
    this.#table = table;
    this.#strings = strings;
    this.#layout = layout;
    this.#versions = versions;
  }

  /**
   * The symbols of a name, of any version and type: `memcpy`; of one version: `memcpy@GLIBC_2.2.5`; of the one that is
   * linked today: `memcpy@@GLIBC_2.14`.
   */
  find(name: string): DefinedSymbol[] {
    const { base, version, onlyDefault } = wantedSymbol(name);
    const places = this.#placesOf(base);
    if (places.size === 0) return [];
    const found: DefinedSymbol[] = [];
    const { bytes, name: field } = this.#layout.symbol;
    for (let index = 0; index < this.length; index++) {
      if (!places.has(this.#table.u32(index * bytes + field)) || !this.#isDefined(index)) continue;
      const symbol = this.#symbol(index);
      if (version !== undefined && symbol.version !== version) continue;
      if (onlyDefault && !symbol.isDefault) continue;
      found.push(symbol);
    }
    return found;
  }

  /**
   * The functions whose names, without versions, pass a test; in the table's order. Gives the event loop its turns.
   *
   * @throws ObjectFormatError when a name lies outside the table of strings.
   */
  async functions(test: (name: string) => boolean, signal?: AbortSignal): Promise<DefinedSymbol[]> {
    const found: DefinedSymbol[] = [];
    // A hostile table of overlapping names could be its size squared.
    let budget = this.#strings.length * 16 + 65_536;
    let end = Date.now() + MILLISECONDS_PER_TURN;
    for (let index = 0; index < this.length; index++) {
      if (index % SYMBOLS_PER_LOOK === 0 && Date.now() >= end) {
        await nextTurn();
        signal?.throwIfAborted();
        end = Date.now() + MILLISECONDS_PER_TURN;
      }
      if (!isFunction(this.#typeOf(index)) || !this.#isDefined(index)) continue;
      const written = this.#nameOf(index);
      budget -= written.length;
      if (budget < 0) throw this.#strings.error('its strings overlap beyond what any compiler writes');
      if (test(withoutVersion(written))) found.push(this.#symbol(index));
    }
    return found;
  }

  /** The function that an address, as the file was linked, lies in. Of several names the most visible. */
  at(address: number): DefinedSymbol | undefined {
    this.#order ??= this.#sort(this.#addFunctions([], 0, this.length));
    const addresses = (this.#sorted ??= this.#addressesOf(this.#order));
    const after = lowerBound(addresses.length, (index) => (addresses[index] ?? 0) <= address);
    const next = addresses[after];
    let last = after - 1;
    for (let tries = NESTED_SYMBOLS; last >= 0 && tries > 0; tries--) {
      const start = addresses[last] ?? 0;
      let best: number | undefined;
      for (; last >= 0 && addresses[last] === start; last--) {
        const index = this.#order[last] ?? 0;
        const size = this.#sizeOf(index);
        // Without a size it ends where the next one begins, if there is none between it and the address.
        const holds = size > 0 ? address < start + size : tries === NESTED_SYMBOLS && next !== undefined;
        if (holds && (best === undefined || this.#rank(index) >= this.#rank(best))) best = index;
      }
      if (best !== undefined) return this.#symbol(best);
    }
    return undefined;
  }

  /** Puts the functions in order for {@link at}, and gives the event loop its turns, which that does not. */
  async prepare(): Promise<void> {
    const indices: number[] = [];
    for (let start = 0; start < this.length; start += SYMBOLS_PER_TURN) {
      if (start > 0) await nextTurn();
      this.#addFunctions(indices, start, start + SYMBOLS_PER_TURN);
    }
    await nextTurn();
    this.#order ??= this.#sort(indices);
    this.#sorted ??= this.#addressesOf(this.#order);
  }

  #symbol(index: number): DefinedSymbol {
    const { bytes, info, value } = this.#layout.symbol;
    const at = index * bytes;
    const kind = this.#table.u8(at + info);
    return {
      ...this.#versioned(index),
      address: addressAt(this.#table, this.#layout, at + value),
      size: this.#sizeOf(index),
      type: kind & 0xf,
      binding: kind >> 4,
    };
  }

  /** From the file's table of versions or, in tables that are not used at run time, from the name itself. */
  #versioned(index: number): Pick<DefinedSymbol, 'name' | 'version' | 'isDefault'> {
    const written = this.#nameOf(index);
    const versions = this.#versions;
    if (versions !== undefined) {
      if (index * 2 + 2 > versions.indices.length) return { name: written, version: undefined, isDefault: true };
      const number = versions.indices.u16(index * 2);
      const version = versions.names.get(number & ~HIDDEN_VERSION);
      return { name: written, version, isDefault: version === undefined || (number & HIDDEN_VERSION) === 0 };
    }
    const { base, version, onlyDefault } = wantedSymbol(written);
    return { name: base, version, isDefault: version === undefined || onlyDefault };
  }

  #nameOf(index: number): string {
    const { bytes, name } = this.#layout.symbol;
    return this.#strings.string(this.#table.u32(index * bytes + name));
  }

  #typeOf(index: number): number {
    const { bytes, info } = this.#layout.symbol;
    return this.#table.u8(index * bytes + info) & 0xf;
  }

  #sizeOf(index: number): number {
    const { bytes, size } = this.#layout.symbol;
    return readWord(this.#table, this.#layout, index * bytes + size);
  }

  #isDefined(index: number): boolean {
    const { bytes, section } = this.#layout.symbol;
    return this.#table.u16(index * bytes + section) !== SectionIndex.UNDEF;
  }

  #rank(index: number): number {
    const { bytes, info } = this.#layout.symbol;
    const binding = this.#table.u8(index * bytes + info) >> 4;
    return binding === SymbolBinding.GLOBAL ? 2 : binding === SymbolBinding.WEAK ? 1 : 0;
  }

  /** Where the name stands among the strings, also as the end of a longer one, alone or before a version. */
  #placesOf(name: string): Set<number> {
    const places = new Set<number>();
    if (name === '') return places;
    const { bytes } = this.#strings;
    const strings = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const end of ['\0', '@']) {
      const wanted = Buffer.from(name + end);
      for (let at = strings.indexOf(wanted); at >= 0; at = strings.indexOf(wanted, at + 1)) places.add(at);
    }
    return places;
  }

  /** Adds the indices of functions from `start` on, and before `end`. */
  #addFunctions(indices: number[], start: number, end: number): number[] {
    for (let index = start; index < end && index < this.length; index++) {
      if (isFunction(this.#typeOf(index)) && this.#isDefined(index)) indices.push(index);
    }
    return indices;
  }

  /** Indices of functions, by address. */
  #sort(indices: number[]): Uint32Array {
    const { bytes, value } = this.#layout.symbol;
    const addressOf = (index: number): number => addressAt(this.#table, this.#layout, index * bytes + value);
    const most = indices.reduce((largest, index) => Math.max(largest, addressOf(index)), 0);
    const { length } = this;
    if ((most + 1) * length > Number.MAX_SAFE_INTEGER) {
      return Uint32Array.from(indices.sort((a, b) => addressOf(a) - addressOf(b) || a - b));
    }
    // Address and index in one number: numbers are sorted twenty times faster than by a function.
    const keys = Float64Array.from(indices, (index) => addressOf(index) * length + index).sort();
    return Uint32Array.from(keys, (key) => key % length);
  }

  #addressesOf(order: Uint32Array): Float64Array {
    const { bytes, value } = this.#layout.symbol;
    return Float64Array.from(order, (index) => addressAt(this.#table, this.#layout, index * bytes + value));
  }
}

/** `name`, `name@VERSION` or `name@@VERSION` taken apart. */
export function wantedSymbol(text: string): { base: string; version: string | undefined; onlyDefault: boolean } {
  // A name may begin with @, a version may not.
  const at = text.indexOf('@', 1);
  if (at < 0) return { base: text, version: undefined, onlyDefault: false };
  const onlyDefault = text.charAt(at + 1) === '@';
  return { base: text.slice(0, at), version: text.slice(at + (onlyDefault ? 2 : 1)), onlyDefault };
}

function withoutVersion(name: string): string {
  const at = name.indexOf('@', 1);
  return at < 0 ? name : name.slice(0, at);
}

function isFunction(type: number): boolean {
  return type === SymbolType.FUNC || type === SymbolType.GNU_IFUNC;
}
