import { Instruction, INSTRUCTION_SIZE, Opcode } from '../asm/index.js';
import { SymbolType, type ElfFile } from '../elf/index.js';
import type { FunctionRanges } from './function-ranges.js';

/**
 * Whether relocated immediates count from the start of the symbol's section, as GNU as up to 2.40 leaves them, and not from
 * the symbol: a call of a function at 80 has 79 there, where others have -1. Told by what the relocations of the object
 * have in common, since nothing in it says what version of the assembler made it.
 */
export function countsFromSections(elf: ElfFile, { sections }: FunctionRanges): boolean {
  if (!madeByGcc(elf)) return false;
  let found = false;
  for (const { section } of sections) {
    // Functions are whole instructions; what a damaged section has behind them need not be.
    const whole = section.size - (section.size % INSTRUCTION_SIZE);
    const instruction = new Instruction(section.bytes.subarray(0, whole), elf.littleEndian);
    for (const { offset, symbolIndex } of elf.relocations(section)) {
      const symbol = elf.symbols[symbolIndex];
      const isTold = symbol?.section !== undefined && symbol.type !== SymbolType.SECTION && symbol.value > 0;
      if (!isTold || offset % INSTRUCTION_SIZE !== 0 || offset >= whole) continue;
      const { opcode, immediate } = instruction.at(offset / INSTRUCTION_SIZE);
      if (opcode === Opcode.CALL ? immediate !== symbol.value - 1 : immediate < symbol.value) return false;
      found = true;
    }
  }
  return found;
}

function madeByGcc(elf: ElfFile): boolean {
  const comment = elf.section('.comment');
  return comment !== undefined && Buffer.from(comment.bytes.subarray(0, 256)).includes('GCC: ');
}
