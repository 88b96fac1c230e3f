import { CallSource, Instruction, INSTRUCTION_SIZE, Opcode } from '../../asm/index.js';
import { SectionFlag, SymbolBinding, SymbolType, SymbolVisibility } from '../../elf/index.js';
import { quote, UnsupportedError, UsageError } from '../../errors/index.js';
import { ARENA_SECTION } from '../arena.js';
import type { FunctionSpec } from '../function-spec.js';
import type { ObjectSpec } from '../object-spec.js';
import type { Reference } from '../reference.js';
import { JumpTableSection } from './jump-table-section.js';
import { RelocationType, type ObjectWriter } from './object-writer.js';
import { sectionNameFor } from './section-name.js';

/** A function where it will lie in the file. */
export interface PlacedFunction {
  readonly spec: FunctionSpec;
  readonly section: string;
  /** In bytes, from the start of the section. */
  readonly offset: number;
}

/** A function that has its symbol. */
export interface PlacedSymbol extends PlacedFunction {
  readonly symbol: number;
}

/** A section of code, its functions ascending by offset. */
export interface PlacedSection {
  readonly name: string;
  readonly functions: readonly PlacedFunction[];
  /** In bytes. */
  readonly size: number;
}

/**
 * Every function with its place: the one it was read from while that is free, else behind the function before it. Code
 * that was taken out leaves a hole, so that what stays keeps its place.
 */
export function placeFunctions(spec: ObjectSpec): PlacedSection[] {
  const bySection = new Map<string, FunctionSpec[]>();
  const seen = new Set<string>();
  const put = (section: string, one: FunctionSpec): void => {
    if (seen.has(one.key)) return;
    seen.add(one.key);
    const functions = bySection.get(section);
    if (functions === undefined) bySection.set(section, [one]);
    else functions.push(one);
  };
  const names = new Map([...spec.programs.values()].map((program) => [program.function.key, sectionNameFor(program)]));
  for (const one of spec.functions.values()) if (!names.has(one.key)) put(one.section, one);
  for (const program of spec.programs.values()) put(sectionNameFor(program), program.function);
  return [...bySection].map(([name, functions]) => placeSection(name, functions));
}

function placeSection(name: string, functions: readonly FunctionSpec[]): PlacedSection {
  const placed: PlacedFunction[] = [];
  let end = 0;
  for (const spec of [...functions].sort((a, b) => a.sectionOffset - b.sectionOffset)) {
    const previous = placed.at(-1);
    if (previous !== undefined && sharesCode(previous.spec, spec)) {
      placed.push({ spec, section: name, offset: previous.offset });
      continue;
    }
    const offset = spec.section === name ? Math.max(spec.sectionOffset, end) : end;
    placed.push({ spec, section: name, offset });
    end = offset + spec.code.byteLength;
  }
  return { name, functions: placed, size: end };
}

/** Two names of one function. */
function sharesCode(a: FunctionSpec, b: FunctionSpec): boolean {
  return (
    a.section === b.section &&
    a.sectionOffset === b.sectionOffset &&
    a.code.buffer === b.code.buffer &&
    a.code.byteOffset === b.code.byteOffset &&
    a.code.byteLength === b.code.byteLength
  );
}

/** Writes the sections of code with a symbol for each function. Relocations come later: they need all other symbols. */
export class CodeSections {
  readonly placed: readonly PlacedSection[];
  readonly #writer: ObjectWriter;
  readonly #code = new Map<string, Uint8Array>();
  readonly #byKey = new Map<string, PlacedSymbol>();
  readonly #jumpTables: JumpTableSection;

  constructor(writer: ObjectWriter) {
    this.#writer = writer;
    this.placed = placeFunctions(writer.spec);
    this.#jumpTables = new JumpTableSection(writer, this.placed);
    for (const { name, functions, size } of this.placed) {
      const bytes = new Uint8Array(size);
      for (const { spec, offset } of functions) bytes.set(spec.code, offset);
      this.#code.set(name, bytes);
      const flags = SectionFlag.ALLOC | SectionFlag.EXECINSTR;
      writer.section({ name, bytes, flags, alignment: INSTRUCTION_SIZE });
      for (const one of functions) this.#byKey.set(one.spec.key, { ...one, symbol: this.#symbol(one) });
    }
  }

  /** Where a program of that name is, for maps that hold it. */
  program(name: string): PlacedSymbol | undefined {
    const program = this.#writer.spec.programs.get(name);
    return program === undefined ? undefined : this.#byKey.get(program.function.key);
  }

  /** Writes what the code refers to: into the code where clang does so, else as relocations. */
  relocate(mapSymbol: (name: string) => number | undefined): void {
    for (const { functions } of this.placed) {
      let previous: PlacedFunction | undefined;
      for (const one of functions) {
        // Two names of one function have one code.
        if (previous?.offset !== one.offset)
          for (const reference of one.spec.references) this.#refer(one, reference, mapSymbol);
        previous = one;
      }
    }
  }

  #symbol({ spec, section, offset }: PlacedFunction): number {
    const binding = { static: SymbolBinding.LOCAL, global: SymbolBinding.GLOBAL, weak: SymbolBinding.WEAK };
    return this.#writer.symbol(section, {
      name: spec.name,
      value: offset,
      size: spec.code.byteLength,
      type: SymbolType.FUNC,
      binding: binding[spec.linkage],
      visibility: spec.hidden ? SymbolVisibility.HIDDEN : SymbolVisibility.DEFAULT,
    });
  }

  #refer(from: PlacedFunction, reference: Reference, mapSymbol: (name: string) => number | undefined): void {
    const at = from.offset + reference.offset;
    const code = this.#code.get(from.section) ?? new Uint8Array(0);
    const instruction = new Instruction(code, this.#writer.spec.littleEndian).at(at / INSTRUCTION_SIZE);
    const load = (symbol: number): void => {
      this.#writer.relocation(from.section, at, symbol, RelocationType.LOAD_64);
    };
    switch (reference.kind) {
      case 'call':
        this.#call(from, at, instruction, this.#target(from, reference.function));
        return;
      case 'function-address':
        load(this.#functionSymbol(instruction, this.#target(from, reference.function)));
        return;
      case 'map': {
        const symbol = mapSymbol(reference.map);
        if (symbol === undefined) throw missing(from, 'map', reference.map);
        instruction.immediate = 0;
        load(symbol);
        return;
      }
      case 'data':
        load(this.#dataSymbol(from, instruction, reference.map, reference.offsetInMap));
        return;
      case 'extern': {
        const symbol = this.#writer.externSymbol(reference.name);
        if (symbol === undefined) throw missing(from, 'extern', reference.name);
        this.#writer.relocation(from.section, at, symbol, externRelocation(instruction));
        return;
      }
      case 'jump-table':
        instruction.immediate = reference.offsetInTable;
        load(this.#jumpTables.symbol(reference.targets));
        return;
      case 'section':
        if (!this.#writer.has(reference.section)) {
          throw new UnsupportedError(
            `writing section ${quote(reference.section)}`,
            `function ${quote(from.spec.name)} refers to it, and what it holds is not kept when an object is read`,
          );
        }
        load(this.#symbolBefore(instruction, reference.section, reference.offsetInSection, Infinity));
        return;
    }
  }

  /** A call keeps its immediate where that leads to the callee by itself, or from the beginning of the callee's section. */
  #call(from: PlacedFunction, at: number, instruction: Instruction, to: PlacedSymbol): void {
    const distance = (instruction.immediate + 1) * INSTRUCTION_SIZE;
    instruction.source = CallSource.FUNCTION;
    if (from.section === to.section && at + distance === to.offset) return;
    let { symbol } = to;
    if (distance === to.offset && (distance !== 0 || to.spec.linkage === 'static')) {
      symbol = this.#writer.sectionSymbol(to.section);
    } else instruction.immediate = -1;
    this.#writer.relocation(from.section, at, symbol, RelocationType.CALL);
  }

  #functionSymbol(instruction: Instruction, to: PlacedSymbol): number {
    // libbpf takes the address of a static function only by its section.
    const isStatic = to.spec.linkage === 'static';
    if (isStatic || (instruction.immediate !== 0 && instruction.immediate === to.offset)) {
      instruction.immediate = to.offset;
      return this.#writer.sectionSymbol(to.section);
    }
    instruction.immediate = 0;
    return to.symbol;
  }

  #dataSymbol(from: PlacedFunction, instruction: Instruction, name: string, offset: number): number {
    const map = this.#writer.spec.maps.get(name);
    const section = map !== undefined && map.globalsSize > 0 ? ARENA_SECTION : name;
    if (map === undefined || !this.#writer.has(section)) throw missing(from, 'data section', name);
    return this.#symbolBefore(instruction, section, offset, map.initialSize);
  }

  /** The symbol from which the instruction's immediate leads to `offset` in the section. */
  #symbolBefore(instruction: Instruction, section: string, offset: number, end: number): number {
    const base = offset - instruction.immediate;
    if (base >= 0 && base < end) return this.#writer.symbolAt(section, base);
    instruction.immediate = offset;
    return this.#writer.sectionSymbol(section);
  }

  #target(from: PlacedFunction, key: string): PlacedSymbol {
    const found = this.#byKey.get(key);
    if (found === undefined) throw missing(from, 'function', key);
    return found;
  }
}

function missing(from: PlacedFunction, what: string, name: string): UsageError {
  const { section, spec } = from;
  return new UsageError(
    `function ${quote(spec.name)} of section ${quote(section)} refers to ${what} ${quote(name)}, which the object no longer has`,
    { code: 'ERR_EBPF_NOT_FOUND' },
  );
}

function externRelocation({ isWide, opcode }: Instruction): number {
  if (isWide) return RelocationType.LOAD_64;
  return opcode === Opcode.CALL ? RelocationType.CALL : RelocationType.ABSOLUTE_64;
}
