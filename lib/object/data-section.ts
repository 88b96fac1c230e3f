import { BtfKind, BtfLinkage, type Btf } from '../btf/index.js';
import {
  SymbolBinding,
  SymbolType,
  SymbolVisibility,
  type ElfFile,
  type ElfSection,
  type ElfSymbol,
} from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';

/** A variable where it lies in its section. */
export interface SectionVariable {
  readonly name: string;
  /** BTF id of its VAR. */
  readonly variableId: number;
  /** BTF id of its type. */
  readonly typeId: number;
  readonly static: boolean;
  /** Its symbol is hidden: only this object may name it. */
  readonly hidden: boolean;
  /** In bytes, from the start of the section. */
  readonly offset: number;
  readonly size: number;
}

/** A DATASEC of the object's BTF brought together with the ELF section it describes. */
export interface DataSection {
  readonly name: string;
  /** BTF id of the DATASEC. */
  readonly typeId: number;
  readonly section: ElfSection;
  readonly variables: readonly SectionVariable[];
}

/** DATASECs of externs: no section of the file belongs to them. */
export const externSections: readonly ('.kconfig' | '.ksyms')[] = ['.kconfig', '.ksyms'];

/**
 * Every DATASEC with its variables' real offsets. clang leaves sizes and the offsets of global variables 0 in BTF, with
 * relocations that nobody applies; symbols have them. Static variables' offsets are right in BTF, but not in GCC 12's.
 */
export function readDataSections(elf: ElfFile, btf: Btf): Map<string, DataSection> {
  const sections = new Map<string, DataSection>();
  const symbols = variableSymbols(elf);
  for (let id = btf.startId; id < btf.endId; id++) {
    if (btf.kind(id) !== BtfKind.DATASEC) continue;
    const name = btf.nameOf(id);
    if (externSections.some((extern) => extern === name)) continue;
    const section = elf.section(name);
    // The DATASEC of a section that a linker dropped says nothing about this file.
    if (section === undefined) continue;
    if (sections.has(name)) {
      throw new ObjectFormatError(`two DATASECs describe section ${quote(name)}`, {
        object: elf.name,
        section: '.BTF',
      });
    }
    sections.set(name, { name, typeId: id, section, variables: readVariables(elf, btf, id, section, symbols) });
  }
  return sections;
}

function readVariables(
  elf: ElfFile,
  btf: Btf,
  id: number,
  section: ElfSection,
  symbols: VariableSymbols,
): SectionVariable[] {
  const type = btf.type(id);
  if (type.kind !== BtfKind.DATASEC) return [];
  // What a linker wrote is complete: it sets the size.
  const complete = type.size !== 0;
  const variables: SectionVariable[] = [];
  for (const entry of type.entries) {
    const variable = btf.type(entry.type);
    if (variable.kind !== BtfKind.VAR) continue;
    const isStatic = variable.linkage === BtfLinkage.STATIC;
    const named = symbols.get(section.index)?.get(variable.name);
    // Static variables of functions may share a name.
    const symbol = isStatic ? (complete ? undefined : named?.onlyStatic) : named?.global;
    if (symbol === undefined && !isStatic && !complete) {
      throw new ObjectFormatError(`variable ${quote(variable.name)} of the BTF has no symbol in this section`, {
        object: elf.name,
        section: section.name,
      });
    }
    const offset = symbol?.value ?? entry.offset;
    if (offset + entry.size > section.size) {
      throw new ObjectFormatError(
        `variable ${quote(variable.name)} of ${entry.size} bytes exceeds the section's ${section.size}`,
        { object: elf.name, section: section.name, offset },
      );
    }
    variables.push({
      name: variable.name,
      variableId: entry.type,
      typeId: variable.type,
      static: isStatic,
      hidden:
        !isStatic &&
        (symbol?.visibility === SymbolVisibility.HIDDEN || symbol?.visibility === SymbolVisibility.INTERNAL),
      offset,
      size: entry.size,
    });
  }
  return variables;
}

/** The symbols of variables by section index and name. */
type VariableSymbols = ReadonlyMap<number, ReadonlyMap<string, NamedSymbols>>;

/** The symbols of one name in a section. */
interface NamedSymbols {
  global?: ElfSymbol;
  /** Undefined when there are several. */
  onlyStatic?: ElfSymbol | undefined;
}

function variableSymbols(elf: ElfFile): VariableSymbols {
  const sections = new Map<number, Map<string, NamedSymbols>>();
  for (const symbol of elf.symbols) {
    if (symbol.section === undefined || symbol.type !== SymbolType.OBJECT) continue;
    let names = sections.get(symbol.section.index);
    if (names === undefined) sections.set(symbol.section.index, (names = new Map<string, NamedSymbols>()));
    const known = names.get(symbol.name) ?? {};
    names.set(symbol.name, known);
    if (symbol.binding === SymbolBinding.GLOBAL || symbol.binding === SymbolBinding.WEAK) known.global = symbol;
    else if (symbol.binding === SymbolBinding.LOCAL) known.onlyStatic = 'onlyStatic' in known ? undefined : symbol;
  }
  return sections;
}
