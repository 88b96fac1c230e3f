import { BtfKind, BtfLinkage, type Btf } from '../btf/index.js';
import { SectionIndex, SymbolBinding, type ElfFile } from '../elf/index.js';
import { externSections } from './data-section.js';
import type { ExternSpec } from './extern-spec.js';

interface Declaration {
  readonly typeId: number;
  readonly section: '.ksyms' | '.kconfig';
}

/** Every undefined symbol, with what the object's BTF declares it to be. */
export function readExterns(elf: ElfFile, btf: Btf | undefined): Map<string, ExternSpec> {
  const externs = new Map<string, ExternSpec>();
  let declarations: Map<string, Declaration> | undefined;
  const functions = new Map<string, number>();
  for (const symbol of elf.symbols) {
    const { name, binding } = symbol;
    if (symbol.sectionIndex !== SectionIndex.UNDEF || name === '') continue;
    if (binding !== SymbolBinding.GLOBAL && binding !== SymbolBinding.WEAK) continue;
    declarations ??= readDeclarations(btf);
    const declaration = declarations.get(name);
    let typeId = declaration?.typeId ?? functions.get(name);
    if (typeId === undefined) functions.set(name, (typeId = functionDeclaration(btf, name)));
    externs.set(name, {
      name,
      section: declaration?.section,
      weak: binding === SymbolBinding.WEAK,
      typeId,
    });
  }
  return externs;
}

function readDeclarations(btf: Btf | undefined): Map<string, Declaration> {
  const declarations = new Map<string, Declaration>();
  for (const section of externSections) {
    const id = btf?.find(section, BtfKind.DATASEC);
    const type = btf === undefined || id === undefined ? undefined : btf.type(id);
    if (btf === undefined || type?.kind !== BtfKind.DATASEC) continue;
    for (const entry of type.entries) declarations.set(btf.nameOf(entry.type), { typeId: entry.type, section });
  }
  return declarations;
}

/** A function declared extern but in neither section, such as a libgcc function that clang calls. */
function functionDeclaration(btf: Btf | undefined, name: string): number {
  for (const id of btf?.findAll(name, BtfKind.FUNC) ?? []) {
    const type = btf?.type(id);
    if (type?.kind === BtfKind.FUNC && type.linkage === BtfLinkage.EXTERN) return id;
  }
  return 0;
}
