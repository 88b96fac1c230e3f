import { KernelError } from '../errors/index.js';
import { addon } from './addon.js';

/**
 * Reads a file that is in memory, as those of sysfs and procfs are, until `most` bytes are in `destination` from `offset`
 * on or the file ends. Returns the bytes read: fewer than `most` at the end.
 */
export function readInMemory(descriptor: number, destination: Uint8Array, offset: number, most: number): number {
  const count = addon().read(descriptor, destination, offset, most);
  if (count < 0) throw new KernelError('read a file of the kernel', 'read', count);
  return count;
}
