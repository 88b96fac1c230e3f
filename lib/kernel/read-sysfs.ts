import { closeSync, fstatSync, openSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { readInMemory } from '../sys/index.js';

/** How long to read before the event loop gets a turn. */
const sliceMs = 3;

/** Files of procfs have no size. */
const leastBytes = 65_536;

/**
 * Reads a large file of sysfs or procfs, which is in memory but handed out a page per call: over a thousand round trips to
 * a thread for the kernel's BTF, which take ten times as long as reading it here, in slices. And readFile() of Node 20.11
 * takes the first short read of a file without a size for its end.
 */
export async function readSysfs(
  path: string,
  allocate = (byteLength: number): Uint8Array => new Uint8Array(byteLength),
): Promise<Uint8Array> {
  const descriptor = openSync(path, 'r');
  try {
    // One byte more than expected: the end is seen without another call.
    let bytes = allocate(Math.max(fstatSync(descriptor).size + 1, leastBytes));
    let sliceStart = Date.now();
    let piece = leastBytes;
    for (let length = 0; ;) {
      const most = Math.min(piece, bytes.length - length);
      const start = Date.now();
      const count = readInMemory(descriptor, bytes, length, most);
      length += count;
      if (count < most) return bytes.subarray(0, length);
      // Some files cost the kernel more for each page than others.
      if (Date.now() - start < 1) piece *= 2;
      if (length === bytes.length) {
        const larger = new Uint8Array(length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      if (Date.now() - sliceStart > sliceMs) {
        await nextTurn();
        sliceStart = Date.now();
      }
    }
  } finally {
    closeSync(descriptor);
  }
}
