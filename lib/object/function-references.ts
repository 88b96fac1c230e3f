import { CallSource, Instruction, InstructionClass, INSTRUCTION_SIZE, Opcode, OperandSource } from '../asm/index.js';
import {
  SectionIndex,
  SymbolBinding,
  SymbolType,
  type ElfFile,
  type ElfRelocation,
  type ElfSection,
  type ElfSymbol,
} from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { CodeSection, FunctionRange, FunctionRanges } from './function-ranges.js';
import type { JumpTables } from './jump-tables.js';
import type { Reference, Target } from './reference.js';

/** What sections hold that code can refer to. */
export interface ReferenceTargets {
  readonly functions: FunctionRanges;
  /** Names of maps by section index and offset. */
  readonly maps: ReadonlyMap<number, ReadonlyMap<number, string>>;
  /** Section indices of data maps, with the map's name. */
  readonly dataMaps: ReadonlyMap<number, string>;
  readonly jumpTables: JumpTables;
  /** Whether immediates count from the start of a symbol's section although the symbol lies behind it. */
  readonly countsFromSections: boolean;
}

/**
 * What each function of a section refers to, from its relocations and from the calls between functions of one section
 * that clang resolves itself.
 *
 * @throws ObjectFormatError when a relocation does not fit the instruction or its symbol cannot be referred to.
 */
export function readReferences(
  elf: ElfFile,
  code: CodeSection,
  targets: ReferenceTargets,
): ReadonlyMap<FunctionRange, readonly Reference[]> {
  const reader = new ReferenceReader(elf, code.section, targets);
  const references = new Map<FunctionRange, readonly Reference[]>();
  let previous: FunctionRange | undefined;
  for (const range of code.ranges) {
    // Two names of one function share what it refers to.
    const shared = previous?.offset === range.offset ? references.get(previous) : undefined;
    references.set(range, shared ?? reader.read(range));
    previous = range;
  }
  return references;
}

class ReferenceReader {
  readonly #elf: ElfFile;
  readonly #section: ElfSection;
  readonly #targets: ReferenceTargets;
  readonly #relocations: readonly ElfRelocation[];
  /** The first relocation not yet passed: functions are read in ascending order. */
  #next = 0;

  constructor(elf: ElfFile, section: ElfSection, targets: ReferenceTargets) {
    this.#elf = elf;
    this.#section = section;
    this.#targets = targets;
    this.#relocations = [...elf.relocations(section)].sort((a, b) => a.offset - b.offset);
    for (const { offset, addend } of this.#relocations) {
      if (addend !== undefined) throw this.#error('relocations with addends (SHT_RELA) are not BPF', offset);
      if (offset % INSTRUCTION_SIZE !== 0) throw this.#error('a relocation between two instructions', offset);
      if (offset >= section.size) throw this.#error('a relocation beyond the end of the code', offset);
    }
  }

  read(range: FunctionRange): Reference[] {
    const references: Reference[] = [];
    const code = this.#section.bytes.subarray(range.offset, range.offset + range.size);
    const instruction = new Instruction(code, this.#elf.littleEndian);
    while ((this.#relocations[this.#next]?.offset ?? range.offset) < range.offset) this.#next++;
    let size: number;
    for (let offset = 0; offset < code.byteLength; offset += size) {
      // Most instructions refer to nothing, and their bytes tell it sooner than the cursor does.
      const opcode = code[offset];
      const at = range.offset + offset;
      size = opcode === Opcode.LOAD_IMMEDIATE_64 ? 2 * INSTRUCTION_SIZE : INSTRUCTION_SIZE;
      if (offset + size > code.byteLength) throw this.#error('the last instruction is cut off', at);
      const relocation = this.#relocations[this.#next];
      if (relocation !== undefined && relocation.offset < at + size) {
        if (relocation.offset !== at) throw this.#error('a relocation of half an instruction', relocation.offset);
        this.#next++;
        if (this.#relocations[this.#next]?.offset === at) throw this.#error('two relocations of one instruction', at);
        instruction.at(offset / INSTRUCTION_SIZE);
        references.push({ offset, ...this.#relocated(instruction, range, relocation) });
      } else if (opcode === Opcode.CALL && instruction.at(offset / INSTRUCTION_SIZE).source === CallSource.FUNCTION) {
        references.push({ offset, ...this.#call(instruction, this.#section, undefined, at) });
      }
    }
    return references;
  }

  #relocated(instruction: Instruction, range: FunctionRange, relocation: ElfRelocation): Target {
    const at = relocation.offset;
    const { opcode } = instruction;
    const symbol = this.#elf.symbols[relocation.symbolIndex];
    if (symbol === undefined || symbol.index === 0) throw this.#error('a relocation without a symbol', at);
    const { section } = symbol;
    const takesAddress = opcode === Opcode.CALL || instruction.isWide;
    if (!takesAddress && (section !== undefined || !takesNumber(instruction))) {
      throw this.#error(`a relocation of an instruction that takes no address, opcode 0x${opcode.toString(16)}`, at);
    }
    if (section === undefined) return this.#outside(instruction, symbol, at);
    if (opcode === Opcode.CALL) {
      if (instruction.source !== CallSource.FUNCTION) throw this.#error('a relocation of a helper call', at);
      return this.#call(instruction, section, symbol, at);
    }
    const base = this.#baseOf(symbol);
    const target = base + instruction.immediate;
    if (this.#targets.functions.isCode(section)) {
      const range = this.#targets.functions.at(section, target, symbol);
      if (range === undefined) throw this.#error(`${placed(section, target)} is not the start of a function`, at);
      return { kind: 'function-address', function: range.key };
    }
    const maps = this.#targets.maps.get(section.index);
    if (maps !== undefined) {
      const map = maps.get(target);
      if (map === undefined) throw this.#error(`${placed(section, target)} is not the start of a map`, at);
      return { kind: 'map', map };
    }
    const dataMap = this.#targets.dataMaps.get(section.index);
    if (dataMap !== undefined) return { kind: 'data', map: dataMap, offsetInMap: target };
    if (this.#targets.jumpTables.has(section) && symbol.size > 0) {
      const targets = this.#targets.jumpTables.targets(symbol, range);
      return { kind: 'jump-table', table: symbol.name, targets, offsetInTable: target - symbol.value };
    }
    return { kind: 'section', section: section.name, offsetInSection: target, symbol: symbol.name };
  }

  /** A call whose immediate counts instructions from the one after the call, or from the one after the symbol. */
  #call(instruction: Instruction, section: ElfSection, symbol: ElfSymbol | undefined, at: number): Target {
    // What counts bytes from the start of the section leads to the symbol itself.
    const isWhole = symbol !== undefined && this.#baseOf(symbol) !== symbol.value;
    const distance = isWhole ? 0 : (instruction.immediate + 1) * INSTRUCTION_SIZE;
    const target = (symbol?.value ?? at) + distance;
    const range = this.#targets.functions.at(section, target, symbol);
    if (range === undefined) {
      throw this.#error(`a call of ${placed(section, target)}, which is not the start of a function`, at);
    }
    return { kind: 'call', function: range.key };
  }

  /** What the immediate of an instruction counts from. */
  #baseOf(symbol: ElfSymbol): number {
    return this.#targets.countsFromSections && symbol.type !== SymbolType.SECTION ? 0 : symbol.value;
  }

  /** A symbol that lies in no section. */
  #outside({ isWide, immediate }: Instruction, symbol: ElfSymbol, at: number): Target {
    const name = quote(symbol.name);
    if (symbol.sectionIndex === SectionIndex.COMMON) {
      throw this.#error(`variable ${name} is a common symbol: initialize it, or compile with -fno-common`, at);
    }
    const isExtern = symbol.sectionIndex === SectionIndex.UNDEF && symbol.binding !== SymbolBinding.LOCAL;
    if (!isExtern || symbol.name === '') {
      throw this.#error(`symbol ${name} has no place that code can refer to`, at);
    }
    if (isWide && immediate !== 0) {
      throw this.#error(`an address ${immediate} bytes into extern ${name}, of which only the start is known`, at);
    }
    return { kind: 'extern', name: symbol.name };
  }

  #error(problem: string, offset: number): ObjectFormatError {
    return new ObjectFormatError(problem, { object: this.#elf.name, section: this.#section.name, offset });
  }
}

/** Whether the instruction computes with its immediate: inline assembly may name a symbol there, as Cilium's does. */
function takesNumber({ class: kind, opcode }: Instruction): boolean {
  return (
    (kind === InstructionClass.ALU || kind === InstructionClass.ALU64) && (opcode & OperandSource.X) === OperandSource.K
  );
}

function placed(section: ElfSection, offset: number): string {
  return `${quote(section.name)} offset ${offset}`;
}
