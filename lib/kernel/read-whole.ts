import { closeSync, openSync, read, stat, type Stats } from 'node:fs';
import { readFile } from 'node:fs/promises';

/**
 * Reads a file off the event loop. Opening and closing are not: Node forgets a descriptor whose asynchronous opening is
 * under way when a Worker is terminated, but closes those that a Worker has opened.
 */
export async function readWhole(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  const before = await statOf(path);
  signal?.throwIfAborted();
  // Opening a pipe may wait.
  if (!before.isFile()) return readFile(path, signal === undefined ? {} : { signal });
  const descriptor = openSync(path, 'r');
  try {
    // One byte more than expected: the end is seen without another round.
    let bytes = new Uint8Array(before.size + 1);
    for (let length = 0; ;) {
      const count = await readSome(descriptor, bytes, length);
      signal?.throwIfAborted();
      length += count;
      if (count === 0 || (length === before.size && length < bytes.length)) return bytes.subarray(0, length);
      if (length === bytes.length) {
        const larger = new Uint8Array(length * 2);
        larger.set(bytes);
        bytes = larger;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

async function statOf(path: string): Promise<Stats> {
  return new Promise((resolve, reject) => {
    stat(path, (error, stats) => {
      if (error === null) resolve(stats);
      else reject(error);
    });
  });
}

/** One read(2) off the event loop, into `bytes` from `offset` on. */
export async function readSome(descriptor: number, bytes: Uint8Array, offset: number): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, bytes, offset, bytes.length - offset, null, (error, count) => {
      if (error === null) resolve(count);
      else reject(error);
    });
  });
}
