import { SectionFlag, SectionType, SymbolType, type ElfFile, type ElfSection, type ElfSymbol } from '../elf/index.js';
import type { SectionMaps } from './declared-maps.js';
import { readLegacySection } from './legacy-section.js';

/** `maps`; `lirc_mode2/maps` of the remote control protocols of v4l-utils (ir-keytable); `maps/events` of gobpf. */
const SECTION_NAME = /^(.+\/)?maps$|^maps\//;

export function isLegacyMapsSection(name: string): boolean {
  return SECTION_NAME.test(name);
}

/**
 * The maps of `maps` sections, as objects had them before BTF described maps.
 *
 * @throws ObjectFormatError for a definition of a form that nobody is known to have used.
 */
export function readLegacyMaps(elf: ElfFile, warnings: string[]): SectionMaps[] {
  const symbols = new Map<ElfSection, ElfSymbol[]>();
  for (const section of elf.sections) if (isLegacy(section)) symbols.set(section, []);
  if (symbols.size === 0) return [];
  for (const symbol of elf.symbols) {
    if (symbol.section === undefined || symbol.name === '' || symbol.type === SymbolType.SECTION) continue;
    symbols.get(symbol.section)?.push(symbol);
  }
  return Array.from(symbols, ([section, own]) => readLegacySection(elf, section, own, warnings));
}

function isLegacy({ name, type, flags, size }: ElfSection): boolean {
  return (
    isLegacyMapsSection(name) && type === SectionType.PROGBITS && (flags & SectionFlag.EXECINSTR) === 0 && size > 0
  );
}
