import { closeSync, openSync, read } from 'node:fs';

import type { MemoryMapping } from './process-maps.js';

/** Nothing that is only in memory and has symbols is larger: the vDSO has two pages. */
const mostBytes = 1 << 20;

/** What a process has in memory at a mapping; undefined when it may not be read. */
export async function readMapping(pid: number, { start, end }: MemoryMapping): Promise<Uint8Array | undefined> {
  if (end - start > mostBytes) return undefined;
  let descriptor: number;
  try {
    descriptor = openSync(`/proc/${pid}/mem`, 'r');
  } catch {
    return undefined;
  }
  try {
    const bytes = new Uint8Array(end - start);
    const count = await new Promise<number>((resolve) => {
      read(descriptor, bytes, 0, bytes.length, start, (error, length) => {
        resolve(error === null ? length : 0);
      });
    });
    return bytes.subarray(0, count);
  } finally {
    closeSync(descriptor);
  }
}
