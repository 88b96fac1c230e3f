import {
  SectionIndex,
  SymbolBinding,
  type ElfFile,
  type ElfRelocation,
  type ElfSection,
  type ElfSymbol,
} from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import { INSTRUCTION_SIZE, type CodeSection, type FunctionRange, type FunctionRanges } from './function-ranges.js';
import type { Reference } from './reference.js';

// include/uapi/linux/bpf.h and bpf_common.h
const LOAD_IMMEDIATE_64 = 0x18;
const CALL = 0x85;
const PSEUDO_CALL = 1;

/** What sections hold that code can refer to. */
export interface ReferenceTargets {
  readonly functions: FunctionRanges;
  /** Names of maps by section index and offset. */
  readonly maps: ReadonlyMap<number, ReadonlyMap<number, string>>;
  /** Section indices of data maps, with the map's name. */
  readonly dataMaps: ReadonlyMap<number, string>;
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
  readonly #view: DataView;
  readonly #relocations: readonly ElfRelocation[];
  /** The first relocation not yet passed: functions are read in ascending order. */
  #next = 0;

  constructor(elf: ElfFile, section: ElfSection, targets: ReferenceTargets) {
    this.#elf = elf;
    this.#section = section;
    this.#targets = targets;
    const { bytes } = section;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#relocations = [...elf.relocations(section)].sort((a, b) => a.offset - b.offset);
    for (const { offset, addend } of this.#relocations) {
      if (addend !== undefined) throw this.#error('relocations with addends (SHT_RELA) are not BPF', offset);
      if (offset % INSTRUCTION_SIZE !== 0) throw this.#error('a relocation between two instructions', offset);
      if (offset >= bytes.byteLength) throw this.#error('a relocation beyond the end of the code', offset);
    }
  }

  read(range: FunctionRange): Reference[] {
    const references: Reference[] = [];
    const end = range.offset + range.size;
    let at = range.offset;
    while ((this.#relocations[this.#next]?.offset ?? at) < at) this.#next++;
    while (at < end) {
      const opcode = this.#view.getUint8(at);
      const size = opcode === LOAD_IMMEDIATE_64 ? 2 * INSTRUCTION_SIZE : INSTRUCTION_SIZE;
      if (at + size > end) throw this.#error('the last instruction is cut off', at);
      const relocation = this.#relocations[this.#next];
      if (relocation !== undefined && relocation.offset < at + size) {
        if (relocation.offset !== at) throw this.#error('a relocation of half an instruction', relocation.offset);
        this.#next++;
        if (this.#relocations[this.#next]?.offset === at) throw this.#error('two relocations of one instruction', at);
        references.push(this.#relocated(opcode, at, at - range.offset, relocation));
      } else if (opcode === CALL && this.#sourceRegister(at) === PSEUDO_CALL) {
        references.push(this.#call(this.#section, undefined, at + INSTRUCTION_SIZE, at, at - range.offset));
      }
      at += size;
    }
    return references;
  }

  #relocated(opcode: number, at: number, offset: number, relocation: ElfRelocation): Reference {
    const symbol = this.#elf.symbols[relocation.symbolIndex];
    if (symbol === undefined || symbol.index === 0) throw this.#error('a relocation without a symbol', at);
    if (opcode !== CALL && opcode !== LOAD_IMMEDIATE_64) {
      throw this.#error(`a relocation of an instruction that takes no address, opcode 0x${opcode.toString(16)}`, at);
    }
    const immediate = this.#view.getInt32(at + 4, this.#elf.littleEndian);
    const { section } = symbol;
    if (section === undefined) return this.#outside(symbol, opcode, immediate, at, offset);
    if (opcode === CALL) {
      if (this.#sourceRegister(at) !== PSEUDO_CALL) throw this.#error('a relocation of a helper call', at);
      return this.#call(section, symbol, symbol.value, at, offset);
    }
    const target = symbol.value + immediate;
    if (this.#targets.functions.isCode(section)) {
      const range = this.#targets.functions.at(section, target, symbol);
      if (range === undefined) throw this.#error(`${placed(section, target)} is not the start of a function`, at);
      return { offset, kind: 'function-address', function: range.key };
    }
    const maps = this.#targets.maps.get(section.index);
    if (maps !== undefined) {
      const map = maps.get(target);
      if (map === undefined) throw this.#error(`${placed(section, target)} is not the start of a map`, at);
      return { offset, kind: 'map', map };
    }
    const dataMap = this.#targets.dataMaps.get(section.index);
    if (dataMap !== undefined) return { offset, kind: 'data', map: dataMap, offsetInMap: target };
    return { offset, kind: 'section', section: section.name, offsetInSection: target, symbol: symbol.name };
  }

  /** A call to `base` plus the instruction's immediate: relative to the next instruction, or to a symbol less one. */
  #call(section: ElfSection, symbol: ElfSymbol | undefined, base: number, at: number, offset: number): Reference {
    const immediate = this.#view.getInt32(at + 4, this.#elf.littleEndian);
    // An immediate of -1 means the symbol itself: it counts from the instruction after the call.
    const target = base + (symbol === undefined ? immediate : immediate + 1) * INSTRUCTION_SIZE;
    const range = this.#targets.functions.at(section, target, symbol);
    if (range === undefined) {
      throw this.#error(`a call of ${placed(section, target)}, which is not the start of a function`, at);
    }
    return { offset, kind: 'call', function: range.key };
  }

  /** A symbol that lies in no section. */
  #outside(symbol: ElfSymbol, opcode: number, immediate: number, at: number, offset: number): Reference {
    const name = quote(symbol.name);
    if (symbol.sectionIndex === SectionIndex.COMMON) {
      throw this.#error(`variable ${name} is a common symbol: initialize it, or compile with -fno-common`, at);
    }
    const isExtern = symbol.sectionIndex === SectionIndex.UNDEF && symbol.binding !== SymbolBinding.LOCAL;
    if (!isExtern || symbol.name === '') {
      throw this.#error(`symbol ${name} has no place that code can refer to`, at);
    }
    if (opcode === LOAD_IMMEDIATE_64 && immediate !== 0) {
      throw this.#error(`an address ${immediate} bytes into extern ${name}, of which only the start is known`, at);
    }
    return { offset, kind: 'extern', name: symbol.name };
  }

  /** The registers' nibbles swap with the byte order (struct bpf_insn is a bit-field). */
  #sourceRegister(at: number): number {
    const registers = this.#view.getUint8(at + 1);
    return this.#elf.littleEndian ? registers >> 4 : registers & 0xf;
  }

  #error(problem: string, offset: number): ObjectFormatError {
    return new ObjectFormatError(problem, { object: this.#elf.name, section: this.#section.name, offset });
  }
}

function placed(section: ElfSection, offset: number): string {
  return `${quote(section.name)} offset ${offset}`;
}
