import { closeSync, openSync, readSync } from 'node:fs';

import { hostIsLittleEndian as isLittle } from '../binary/index.js';

/**
 * The C library that this process runs with: musl has a dynamic linker of its own, which the program names. Alpine is not the
 * only system with musl, and one with glibc may have musl's files as well.
 */
export function cLibrary(program = '/proc/self/exe'): 'glibc' | 'musl' {
  const linker = dynamicLinker(program);
  if (linker !== undefined) return linker.includes('/ld-musl-') ? 'musl' : 'glibc';
  // Not permitted to look, or started by way of the linker. A report takes milliseconds.
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return header !== undefined && header.glibcVersionRuntime === undefined ? 'musl' : 'glibc';
}

/** What PT_INTERP of a 64-bit program says (include/uapi/linux/elf.h). */
function dynamicLinker(program: string): string | undefined {
  let file: number | undefined;
  try {
    file = openSync(program, 'r');
    const start = view(file, 0, 4096);
    if (start.getUint32(0) !== 0x7f454c46 || start.getUint8(4) !== 2) return undefined;
    const size = start.getUint16(54, isLittle);
    const headers = view(file, Number(start.getBigUint64(32, isLittle)), size * start.getUint16(56, isLittle));
    for (let at = 0; at < headers.byteLength; at += size) {
      if (headers.getUint32(at, isLittle) !== 3) continue;
      const offset = Number(headers.getBigUint64(at + 8, isLittle));
      const name = view(file, offset, Number(headers.getBigUint64(at + 32, isLittle)));
      return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
    }
    return undefined;
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function view(file: number, offset: number, size: number): DataView {
  const bytes = new Uint8Array(Math.min(size, 4096));
  return new DataView(bytes.buffer, 0, readSync(file, bytes, 0, bytes.length, offset));
}
