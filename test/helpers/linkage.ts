import { ElfFile } from '../../lib/elf/index.js';

export interface Linkage {
  /** The libraries that a shared object names. */
  readonly needed: string[];
  /** What others have to provide, with the version that is asked for: `memcpy@GLIBC_2.14`. */
  readonly imported: string[];
  readonly exported: string[];
}

/** How a 64-bit little-endian shared object is tied to others (include/uapi/linux/elf.h, and glibc's elf/elf.h). */
export function linkage(bytes: Uint8Array): Linkage {
  const elf = ElfFile.parse(bytes, { name: 'shared object' });
  const view = (name: string): DataView => {
    const { buffer, byteOffset, byteLength } = elf.section(name)?.bytes ?? new Uint8Array();
    return new DataView(buffer, byteOffset, byteLength);
  };
  const strings = Buffer.from(elf.section('.dynstr')?.bytes ?? []);
  const text = (offset: number): string => strings.toString('latin1', offset, strings.indexOf(0, offset));

  const needed: string[] = [];
  const dynamic = view('.dynamic');
  for (let at = 0; at < dynamic.byteLength; at += 16)
    if (dynamic.getBigInt64(at, true) === 1n) needed.push(text(Number(dynamic.getBigUint64(at + 8, true))));

  const versions = versionNames(view('.gnu.version_r'), text);
  const versionOf = view('.gnu.version');
  const symbols = view('.dynsym');
  const imported: string[] = [];
  const exported: string[] = [];
  for (let at = 24, index = 1; at < symbols.byteLength; at += 24, index++) {
    const name = text(symbols.getUint32(at, true));
    const version =
      versionOf.byteLength === 0 ? undefined : versions.get(versionOf.getUint16(index * 2, true) & 0x7fff);
    if (symbols.getUint16(at + 6, true) !== 0) exported.push(name);
    else imported.push(version === undefined ? name : `${name}@${version}`);
  }
  return { needed, imported, exported };
}

/** `.gnu.version_r`: a list of libraries, each with a list of versions and the number that symbols have for them. */
function versionNames(table: DataView, text: (offset: number) => string): Map<number, string> {
  const names = new Map<number, string>();
  for (let library = 0, step = 1; step !== 0 && table.byteLength > 0; library += step) {
    let at = library + table.getUint32(library + 8, true);
    for (let left = table.getUint16(library + 2, true); left > 0; left--) {
      names.set(table.getUint16(at + 6, true), text(table.getUint32(at + 8, true)));
      at += table.getUint32(at + 12, true);
    }
    step = table.getUint32(library + 12, true);
  }
  return names;
}
