import { ElfWriter, SectionFlag, SectionType, SymbolBinding, SymbolType } from '../../lib/elf/index.js';

/** Assembles small ELF64 files, well-formed or not, in either byte order. */
export class ElfBuilder extends ElfWriter {
  constructor(options: { littleEndian?: boolean } = {}) {
    super({ littleEndian: options.littleEndian ?? true });
  }

  /** A section of code. */
  code(name: string, bytes: Uint8Array): number {
    return this.section({ name, bytes, flags: SectionFlag.ALLOC | SectionFlag.EXECINSTR, alignment: 8 });
  }

  /** A section of global variables; zeros when `bytes` is a number. */
  data(name: string, bytes: Uint8Array | number): number {
    return typeof bytes === 'number'
      ? this.section({ name, type: SectionType.NOBITS, size: bytes, flags: SectionFlag.ALLOC | SectionFlag.WRITE })
      : this.section({ name, bytes, flags: SectionFlag.ALLOC | SectionFlag.WRITE });
  }

  /** A global function of that section. */
  function(name: string, section: number, value: number, size: number, binding: number = SymbolBinding.GLOBAL): number {
    return this.symbol({ name, section, value, size, type: SymbolType.FUNC, binding });
  }
}
