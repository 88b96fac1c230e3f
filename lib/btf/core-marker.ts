import { hostIsLittleEndian } from '../binary/index.js';

/** `struct btf_ext_header` since CO-RE relocations were added (Linux 5.4). */
export const headerSizeWithRelocations = 32;

/** How such a header of this machine's byte order begins: magic, version, no flags, length. */
const headerWithRelocations = Uint8Array.from(
  hostIsLittleEndian
    ? [0x9f, 0xeb, 1, 0, headerSizeWithRelocations, 0, 0, 0]
    : [0xeb, 0x9f, 1, 0, 0, 0, 0, headerSizeWithRelocations],
);

/** Whether a file looks like an object with CO-RE relocations, before anything of it is parsed. */
export function seemsToHaveCoreRelocations(file: Uint8Array): boolean {
  const { buffer, byteOffset, byteLength } = file;
  const header = Buffer.from(buffer, byteOffset, byteLength).indexOf(headerWithRelocations);
  // The last word of the header: their length.
  const length = header + headerSizeWithRelocations - 4;
  return header >= 0 && file.subarray(length, length + 4).some((byte) => byte !== 0);
}
