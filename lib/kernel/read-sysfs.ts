import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** How long to read before the event loop gets a turn. */
const sliceMs = 3;

/**
 * Reads a large file of sysfs, which is in memory but handed out a page per call: over a thousand round trips to a
 * thread for the kernel's BTF, which take several times as long as reading it here, in slices.
 */
export async function readSysfs(path: string): Promise<Uint8Array> {
  const descriptor = openSync(path, 'r');
  try {
    // One byte more than expected: the end is seen without another call.
    let bytes = new Uint8Array(fstatSync(descriptor).size + 1);
    let sliceStart = performance.now();
    for (let length = 0; ;) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      length += count;
      if (count === 0) return bytes.subarray(0, length);
      if (length === bytes.length) {
        const larger = new Uint8Array(length * 2);
        larger.set(bytes);
        bytes = larger;
      }
      if (performance.now() - sliceStart > sliceMs) {
        await nextTurn();
        sliceStart = performance.now();
      }
    }
  } finally {
    closeSync(descriptor);
  }
}
