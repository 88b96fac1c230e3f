import { INSTRUCTION_SIZE } from '../asm/index.js';
import { SectionFlag, SectionType, SymbolType, type ElfFile, type ElfSection, type ElfSymbol } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';

/** Where a function lies. */
export interface FunctionRange {
  /** Its key in `ObjectSpec.functions`. */
  readonly key: string;
  readonly symbol: ElfSymbol;
  readonly section: ElfSection;
  /** In bytes, from the start of the section. */
  readonly offset: number;
  readonly size: number;
}

/** The functions of one section of code, ascending by offset. They do not overlap, but several names may be for one. */
export interface CodeSection {
  readonly section: ElfSection;
  /** Functions here are called by programs; elsewhere they are programs. */
  readonly isText: boolean;
  readonly ranges: readonly FunctionRange[];
}

/** Finds functions by where they are. */
export class FunctionRanges {
  readonly sections: readonly CodeSection[];
  readonly #bySection = new Map<number, Map<number, FunctionRange>>();
  readonly #bySymbol = new Map<number, FunctionRange>();

  constructor(sections: readonly CodeSection[]) {
    this.sections = sections;
    for (const { section, ranges } of sections) {
      const byOffset = new Map<number, FunctionRange>();
      this.#bySection.set(section.index, byOffset);
      for (const range of ranges) {
        if (!byOffset.has(range.offset)) byOffset.set(range.offset, range);
        this.#bySymbol.set(range.symbol.index, range);
      }
    }
  }

  /** Whether functions can lie in that section. */
  isCode(section: ElfSection): boolean {
    return this.#bySection.has(section.index);
  }

  /** The function that begins at `offset`; of several names the one that `symbol` is. */
  at(section: ElfSection, offset: number, symbol?: ElfSymbol): FunctionRange | undefined {
    const named = symbol === undefined ? undefined : this.#bySymbol.get(symbol.index);
    return named?.offset === offset ? named : this.#bySection.get(section.index)?.get(offset);
  }
}

/**
 * Every function of the object: what a symbol of type FUNC in a section of code says is one, or of no type where there are
 * no others. Code without a symbol, as a linker leaves behind of weak functions that were overridden, is nobody's.
 *
 * @throws ObjectFormatError when a function does not lie in its section or overlaps another.
 */
export function readFunctionRanges(elf: ElfFile): FunctionRanges {
  const bySection = new Map<ElfSection, ElfSymbol[]>();
  const uses = new Map<string, number>();
  for (const section of elf.sections) {
    if (!isCodeSection(section)) continue;
    // BTF.ext and programs know a section by its name.
    if (elf.section(section.name) !== section) {
      throw new ObjectFormatError('a second section of that name', { object: elf.name, section: section.name });
    }
    bySection.set(section, []);
  }
  const [code] = bySection.keys();
  if (code !== undefined && elf.symbols.length === 0) {
    throw new ObjectFormatError('there is code but no symbol table: the file was stripped', {
      object: elf.name,
      section: code.name,
    });
  }
  const inCode = elf.symbols.filter(({ section }) => section !== undefined && bySection.has(section));
  const typed = inCode.filter(({ type }) => type === SymbolType.FUNC);
  for (const symbol of typed.length > 0 ? typed : untypedFunctions(inCode)) {
    if (symbol.section === undefined) continue;
    bySection.get(symbol.section)?.push(symbol);
    uses.set(symbol.name, (uses.get(symbol.name) ?? 0) + 1);
  }
  const sections: CodeSection[] = [];
  for (const [section, symbols] of bySection) {
    symbols.sort((a, b) => a.value - b.value || a.index - b.index);
    const ranges: FunctionRange[] = [];
    for (const symbol of symbols) {
      checkRange(elf, section, symbol, ranges.at(-1));
      const { name, value: offset, size } = symbol;
      // Static functions of different source files may share a name.
      const key = uses.get(name) === 1 ? name : placedName(name, section.name, offset);
      ranges.push({ key, symbol, section, offset, size });
    }
    sections.push({ section, isText: isText(section.name), ranges });
  }
  return new FunctionRanges(sections);
}

/** What LLVM calls the places that code jumps to. */
const LABEL = /^(LBB\d+_\d+$|\.L)/;

/** LLVM before 8 gave functions neither type nor size: each ends where the next one begins. */
function untypedFunctions(symbols: readonly ElfSymbol[]): ElfSymbol[] {
  const functions = symbols.filter(({ type, name }) => type === SymbolType.NOTYPE && name !== '' && !LABEL.test(name));
  functions.sort((a, b) => (a.section?.index ?? 0) - (b.section?.index ?? 0) || a.value - b.value || a.index - b.index);
  const sized: ElfSymbol[] = [];
  let next: ElfSymbol | undefined;
  let end = 0;
  for (const symbol of functions.reverse()) {
    if (next?.section !== symbol.section) end = symbol.section?.size ?? 0;
    // Several names of one function have one end.
    else if (next?.value !== symbol.value) end = next?.value ?? 0;
    sized.push({ ...symbol, size: end - symbol.value });
    next = symbol;
  }
  return sized;
}

/** A name made unique by where what it names lies. */
export function placedName(name: string, section: string, offset: number): string {
  return `${name} (${section}+0x${offset.toString(16)})`;
}

function isCodeSection(section: ElfSection): boolean {
  return section.type === SectionType.PROGBITS && (section.flags & SectionFlag.EXECINSTR) !== 0 && section.size > 0;
}

/** `.text`, and the sections of `-ffunction-sections` and of rustc. */
function isText(name: string): boolean {
  return name === '.text' || name.startsWith('.text.');
}

function checkRange(elf: ElfFile, section: ElfSection, symbol: ElfSymbol, previous: FunctionRange | undefined): void {
  const fail = (problem: string): ObjectFormatError =>
    new ObjectFormatError(`function ${quote(symbol.name)} ${problem}`, {
      object: elf.name,
      section: section.name,
      offset: symbol.value,
    });
  if (symbol.name === '') throw fail('has no name');
  if (symbol.size === 0) throw fail('has no code');
  if (symbol.value % INSTRUCTION_SIZE !== 0 || symbol.size % INSTRUCTION_SIZE !== 0) {
    throw fail(`of ${symbol.size} bytes does not begin and end between instructions of ${INSTRUCTION_SIZE} bytes`);
  }
  if (symbol.value + symbol.size > section.size) {
    throw fail(`of ${symbol.size} bytes exceeds the section's ${section.size}`);
  }
  if (previous === undefined || symbol.value >= previous.offset + previous.size) return;
  if (symbol.value === previous.offset && symbol.size === previous.size) return;
  throw fail(`overlaps function ${quote(previous.symbol.name)}`);
}
