import { closeSync, openSync } from 'node:fs';

import { readInMemory } from '../sys/index.js';

const usualBytes = 65_536;

/**
 * Reads a text file of procfs, tracefs or debugfs off the event loop, in pieces of whole lines: a piece is valid until the next
 * one. While a piece is looked at the next is already being read, which takes the kernel long where it has to make each line
 * up: it then does so on another processor. The kernel hands out a page per call: a thread gathers them.
 */
export async function* readLines(path: string, signal?: AbortSignal): AsyncGenerator<Buffer, void, undefined> {
  // Opened and closed here: see readWhole.
  const descriptor = openSync(path, 'r');
  let [piece, spare] = [Buffer.allocUnsafe(usualBytes), Buffer.allocUnsafe(usualBytes)];
  let begun = 0;
  let reading: Promise<number> | undefined;
  try {
    reading = readInMemory(descriptor, piece, 0);
    for (;;) {
      const count = await reading;
      reading = undefined;
      signal?.throwIfAborted();
      const length = begun + count;
      if (count === 0) {
        if (length > 0) yield piece.subarray(0, length);
        return;
      }
      const end = piece.lastIndexOf(0x0a, length - 1) + 1;
      begun = length - end;
      // A line that fills a whole piece gets a longer one.
      if (spare.length < begun * 2) spare = Buffer.allocUnsafe(begun * 2);
      piece.copy(spare, 0, end, length);
      reading = readInMemory(descriptor, spare, begun);
      if (end > 0) yield piece.subarray(0, end);
      [piece, spare] = [spare, piece];
    }
  } finally {
    await reading?.catch(() => undefined);
    closeSync(descriptor);
  }
}
