/**
 * What a place in a function's code refers to: what an ELF relocation says, with names in place of symbols and
 * section-relative arithmetic done.
 *
 * - `map`: an ldimm64 that takes the map's descriptor.
 * - `data`: an ldimm64 that takes the address `offsetInMap` bytes into the only value of the data map `map`. The
 *   compiler may fold an index into it, so that it is negative or past the end until other code corrects it.
 * - `call`: a BPF-to-BPF call of the function with that key in `ObjectSpec.functions`.
 * - `function-address`: an ldimm64 that takes that function's address (a callback).
 * - `extern`: a call of a kernel function, or an ldimm64 that takes a kernel symbol's or a kconfig value's address, by
 *   its name in `ObjectSpec.externs`; or, in inline assembly, an instruction that computes with the number that a symbol
 *   of no BTF stands for: a tool of its own has to write it.
 * - `jump-table`: an ldimm64 that takes the address `offsetInTable` bytes into the table where an indirect jump finds its
 *   `targets`, in bytes from the start of this function.
 * - `section`: an ldimm64 that takes an address in a section that is none of these. What cannot be loaded says so by this
 *   name.
 */
export type Target =
  | { readonly kind: 'map'; readonly map: string }
  | { readonly kind: 'data'; readonly map: string; readonly offsetInMap: number }
  | { readonly kind: 'call'; readonly function: string }
  | { readonly kind: 'function-address'; readonly function: string }
  | { readonly kind: 'extern'; readonly name: string }
  | {
      readonly kind: 'jump-table';
      readonly table: string;
      readonly targets: readonly number[];
      readonly offsetInTable: number;
    }
  | { readonly kind: 'section'; readonly section: string; readonly offsetInSection: number; readonly symbol: string };

/** A place in a function's code that takes something else's address. */
export type Reference = Target & {
  /** Byte offset, in the function, of the instruction. */
  readonly offset: number;
};
