import { essentialName } from './essential-name.js';

/** A crafted file can have every type named by a suffix of one long string: a longer one has no flavour. */
const longestFlavoured = 1_024;

/** Strings that name offsets point into. */
export interface StringTable {
  readonly bytes: Uint8Array;
  /** The offset of the first byte: above 0 for split BTF. */
  readonly start: number;
  /** Where the strings before `start` are. */
  readonly base: StringTable | undefined;
}

/** Ids of the types that go by a name, ascending. */
export interface NamedTypes {
  /** Those of exactly this name. */
  readonly exact: readonly number[];
  /** Those whose name without its flavour it is. */
  readonly essential: readonly number[];
}

/** The table that holds `offset`; undefined when none does. */
export function tableHolding(strings: StringTable, offset: number): StringTable | undefined {
  let table: StringTable | undefined = strings;
  while (table !== undefined && offset < table.start) table = table.base;
  return table !== undefined && offset - table.start < table.bytes.byteLength ? table : undefined;
}

/** Anonymous types are not indexed; and no string holds a NUL: comparing would run on into the next one. */
export function canBeName(name: string): boolean {
  return name !== '' && !name.includes('\0');
}

/** Bytes of the name at `from` before its flavour; 0 when it has none. */
export function essentialLength(bytes: Uint8Array, from: number): number {
  const end = bytes.subarray(from, from + longestFlavoured).indexOf(0);
  if (end < 0) return 0;
  const name = Buffer.from(bytes.buffer, bytes.byteOffset + from, end).toString('latin1');
  const { length } = essentialName(name);
  return length === end ? 0 : length;
}
