import type { ByteReader } from '../binary/index.js';

/** Of a symbol that another version replaced for what is linked today: `foo@OLD`, not `foo@@NEW`. */
export const HIDDEN_VERSION = 0x8000;

/** The version that only says which file it is (VER_FLG_BASE), and the one of symbols without a version. */
const BASE_VERSION = 1;

/**
 * The names of the versions that a library defines, by their index: section `.gnu.version_d`, a chain of `Verdef`
 * structures (Linux Standard Base, "Symbol Versioning").
 *
 * @throws ObjectFormatError for a chain that leaves the section.
 */
export function definedVersions(definitions: ByteReader, nameAt: (offset: number) => string): Map<number, string> {
  const versions = new Map<number, string>();
  for (let at = 0; at + 20 <= definitions.length;) {
    const index = definitions.u16(at + 4);
    const auxiliary = at + definitions.u32(at + 12);
    if (index !== BASE_VERSION) versions.set(index, nameAt(definitions.u32(auxiliary)));
    const next = definitions.u32(at + 16);
    // Links go forward only, so that no chain is endless.
    if (next < 20) break;
    at += next;
  }
  return versions;
}
