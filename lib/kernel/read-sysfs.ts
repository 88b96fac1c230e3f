import { closeSync, fstatSync, openSync } from 'node:fs';

import { readInMemory } from '../sys/index.js';

/** Files of procfs have no size. */
const leastBytes = 65_536;

/**
 * Reads a large file of sysfs or procfs off the event loop. The kernel hands it out a page per call, over a thousand for its
 * BTF: here all of them are made in one round trip to a thread. And readFile() of Node 20.11 takes the first short read of a
 * file without a size for its end. `allocate` gives room for so many bytes, and for an index of what is BTF.
 */
export async function readSysfs(
  path: string,
  allocate: (byteLength: number) => { readonly bytes: Uint8Array; readonly index?: Uint32Array } = onlyBytes,
): Promise<Uint8Array> {
  const descriptor = openSync(path, 'r');
  try {
    // One byte more than expected: the end is seen without another call.
    let room = allocate(Math.max(fstatSync(descriptor).size + 1, leastBytes));
    for (let length = 0; ;) {
      const { bytes, index } = room;
      length += await readInMemory(descriptor, bytes, length, index);
      if (length < bytes.length) return bytes.subarray(0, length);
      room = allocate(length * 2);
      room.bytes.set(bytes);
    }
  } finally {
    closeSync(descriptor);
  }
}

function onlyBytes(byteLength: number): { readonly bytes: Uint8Array } {
  return { bytes: new Uint8Array(byteLength) };
}
