import type { ElfSection } from './elf-section.js';

/** One entry of the symbol table. */
export interface ElfSymbol {
  readonly index: number;
  /** Empty for section symbols. */
  readonly name: string;
  /** In a relocatable file, the offset in its section. */
  readonly value: number;
  readonly size: number;
  /** One of `SymbolType`. */
  readonly type: number;
  /** One of `SymbolBinding`. */
  readonly binding: number;
  /** One of `SymbolVisibility`. */
  readonly visibility: number;
  /** A section's index, resolved when extended, or one of `SectionIndex`. */
  readonly sectionIndex: number;
  /** The section it lies in; undefined for undefined, absolute and common symbols. */
  readonly section: ElfSection | undefined;
}
