import { readFile } from 'node:fs/promises';
import { release } from 'node:os';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Btf } from '../btf/index.js';
import { ElfFile } from '../elf/index.js';
import { ObjectFormatError, UsageError, quote } from '../errors/index.js';

/** BTF begins with this number in its own byte order. */
const btfMagic = 0xeb9f;

/**
 * Where distributions keep a kernel's types as a file: a `vmlinux` that is not compressed, or the debugging
 * information beside it.
 */
export function btfPlaces(kernel: string = release()): readonly string[] {
  return [
    `/boot/vmlinux-${kernel}`,
    `/lib/modules/${kernel}/vmlinux-${kernel}`,
    `/lib/modules/${kernel}/build/vmlinux`,
    `/usr/lib/modules/${kernel}/kernel/vmlinux`,
    `/usr/lib/debug/boot/vmlinux-${kernel}`,
    `/usr/lib/debug/boot/vmlinux-${kernel}.debug`,
    `/usr/lib/debug/lib/modules/${kernel}/vmlinux`,
  ];
}

/**
 * A kernel's types from a file or its bytes: BTF itself, or an ELF file with a section `.BTF`.
 *
 * @throws {@link UsageError} when the file cannot be read or has no BTF; {@link ObjectFormatError} when it is malformed.
 */
export async function btfFrom(source: string | URL | Uint8Array): Promise<Btf> {
  if (source instanceof Uint8Array) return parse(source, 'kernelBtf');
  const path = source instanceof URL ? fileURLToPath(source) : source;
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw UsageError.invalidValue('kernelBtf', `cannot be read: ${(cause as Error).message}`, { cause });
  }
  return parse(bytes, basename(path));
}

/** The types of the running kernel from the first file that has them, or undefined when none does. */
export async function btfFromUsualPlaces(places: readonly string[] = btfPlaces()): Promise<Btf | undefined> {
  for (const path of places) {
    const bytes = await readFile(path).catch(() => undefined);
    if (bytes === undefined) continue;
    try {
      return await parse(bytes, basename(path));
    } catch (error) {
      // A kernel image without BTF may lie beside debugging information with it.
      if (!(error instanceof UsageError) && !(error instanceof ObjectFormatError)) throw error;
    }
  }
  return undefined;
}

async function parse(bytes: Uint8Array, name: string): Promise<Btf> {
  const magic = bytes.byteLength < 2 ? 0 : new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, true);
  const swapped = ((magic & 0xff) << 8) | (magic >>> 8);
  if (magic === btfMagic || swapped === btfMagic) return Btf.parseAsync(bytes, { name });
  const section = ElfFile.parse(bytes, { name }).section('.BTF');
  if (section === undefined) throw UsageError.invalidValue('kernelBtf', `${quote(name)} has no section ".BTF"`);
  // Of the file, which may have hundreds of megabytes, only this is kept.
  return Btf.parseAsync(new Uint8Array(section.bytes), { name });
}
