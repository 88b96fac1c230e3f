import { KernelError } from '../errors/index.js';
import { addon, completed } from './addon.js';

/**
 * Reads a file that is in memory, as those of sysfs and procfs are, off the event loop: until `destination` is full, from
 * `offset` on, or the file ends. Resolves with the bytes read: there were no more when `destination` is not full.
 * An `index` of BTF is filled in when that was the whole file.
 */
export async function readInMemory(
  descriptor: number,
  destination: Uint8Array,
  offset: number,
  index?: Uint32Array,
): Promise<number> {
  const native = addon();
  const count = await completed((completion) => native.read(descriptor, destination, offset, index, completion));
  if (count < 0) throw new KernelError('read a file of the kernel', 'read', count);
  return count;
}
