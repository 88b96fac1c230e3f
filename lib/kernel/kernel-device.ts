import { UsageError } from '../errors/index.js';

/** Bits of the minor number in `dev_t` (MINORBITS of include/linux/kdev_t.h). */
const minorBits = 20n;

/**
 * The number that the kernel itself has for the device of a file: what programs read in `inode->i_sb->s_dev`, where `stat` has
 * another form of it (`new_encode_dev` of include/linux/kdev_t.h). With the inode's number it says which file it is.
 *
 * @param dev - `dev` of `fs.stat`, a number or bigint.
 * @throws {@link UsageError} for what is no device's number.
 *
 * @example
 * ```js
 * const { ino, dev } = await stat('/etc/passwd', { bigint: true });
 * watched.set({ inode: ino, device: kernelDevice(dev) }, 1);
 * ```
 */
export function kernelDevice(dev: number | bigint): number {
  const isWhole = typeof dev === 'bigint' || Number.isSafeInteger(dev);
  if (!isWhole || dev < 0 || dev > 0xffff_ffff) {
    throw UsageError.invalidValue('dev', `must be the number of a device, as stat() gives it, not ${String(dev)}`);
  }
  const encoded = BigInt(dev);
  const major = (encoded >> 8n) & 0xfffn;
  const minor = (encoded & 0xffn) | ((encoded >> 12n) & 0xf_ff00n);
  return Number((major << minorBits) | minor);
}
