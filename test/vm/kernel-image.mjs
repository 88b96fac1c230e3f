// The uncompressed kernel inside a bzImage, and the BTF inside an uncompressed kernel.
import { spawnSync } from 'node:child_process';
import zlib from 'node:zlib';
import { SetupError } from '../../scripts/setup.mjs';

/** Decompresses by what the bytes say they are; `environment` finds xz, zstd and lz4. */
export function decompress(bytes, environment) {
  const starts = (...magic) => magic.every((byte, index) => bytes[index] === byte);
  if (starts(0x1f, 0x8b)) return zlib.gunzipSync(bytes);
  if (starts(0xfd, 0x37, 0x7a, 0x58, 0x5a)) return filter('xz', ['-dc'], bytes, environment);
  if (starts(0x28, 0xb5, 0x2f, 0xfd)) return filter('zstd', ['-dcq'], bytes, environment);
  if (starts(0x02, 0x21, 0x4c, 0x18)) return filter('lz4', ['-dc'], bytes, environment);
  if (starts(0x5d, 0x00, 0x00)) return filter('xz', ['--format=lzma', '-dc'], bytes, environment);
  return undefined;
}

function filter(command, args, input, env) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    input,
    env,
    maxBuffer: 1 << 30,
    timeout: 120_000,
  });
  if (error !== undefined) throw new SetupError(`${command}: ${error.message}`);
  if (status !== 0) throw new SetupError(`${command} cannot decompress it: ${String(stderr).trim()}`);
  return stdout;
}

/** The ELF image in a bzImage (Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length). */
export function elfOfBzImage(image, environment) {
  if (image.length < 0x300 || image.toString('latin1', 0x202, 0x206) !== 'HdrS') {
    throw new SetupError('the kernel package holds no bzImage where one was expected');
  }
  const setupSectors = image[0x1f1] || 4;
  const start = (setupSectors + 1) * 512 + image.readUInt32LE(0x248);
  const end = start + image.readUInt32LE(0x24c);
  // The last four bytes are the size of what was compressed; gzip has that itself.
  const gzip = image[start] === 0x1f && image[start + 1] === 0x8b;
  const elf = decompress(image.subarray(start, gzip ? end : end - 4), environment);
  if (elf === undefined) throw new SetupError('the kernel is compressed in a way that is not known here');
  if (elf.toString('latin1', 0, 4) !== '\x7fELF') throw new SetupError('what was decompressed is not an ELF image');
  return elf;
}

/** The BTF of the kernel, of either byte order; undefined when the image holds none. */
export function btfOfImage(image) {
  let best;
  for (const littleEndian of [true, false]) {
    // btf_header: magic, version 1, no flags, 24 bytes long
    const magic = littleEndian ? [0x9f, 0xeb, 1, 0, 24, 0, 0, 0] : [0xeb, 0x9f, 1, 0, 0, 0, 0, 24];
    const needle = Buffer.from(magic);
    for (let at = image.indexOf(needle); at >= 0; at = image.indexOf(needle, at + 1)) {
      if (at + 24 > image.length) break;
      const word = (index) => (littleEndian ? image.readUInt32LE(at + 4 * index) : image.readUInt32BE(at + 4 * index));
      const [headerLength, typeOffset, typeLength, stringOffset, stringLength] = [1, 2, 3, 4, 5].map(word);
      const length = headerLength + stringOffset + stringLength;
      if (typeOffset !== 0 || stringOffset !== typeLength || at + length > image.length) continue;
      if (best === undefined || length > best.length) best = image.subarray(at, at + length);
    }
  }
  return best;
}
