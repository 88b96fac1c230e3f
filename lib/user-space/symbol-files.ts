import { stat } from 'node:fs/promises';

import { SymbolFile } from './symbol-file.js';
import type { MemoryMapping } from './process-maps.js';

/** Files whose symbols are kept: those of a machine's usual programs and libraries. */
const most = 256;

interface Kept {
  readonly file: Promise<SymbolFile | undefined>;
  /** What changes when the file does. */
  readonly stamp: string;
}

/** By device and inode, which processes share; those used last are last. Each Worker has its own. */
const kept = new Map<string, Kept>();

/** The symbols of the file behind a mapping, read once for all processes. Undefined when it cannot be read, or has none. */
export async function symbolFileOf(mapping: MemoryMapping, pid: number): Promise<SymbolFile | undefined> {
  const { device, inode, path } = mapping;
  if (inode === 0) return undefined;
  const key = `${device} ${inode}`;
  const place = await openable(mapping, pid);
  const known = kept.get(key);
  // Of a process that has ended, what was read before still counts.
  if (known !== undefined && (place === undefined || place.stamp === known.stamp)) {
    kept.delete(key);
    kept.set(key, known);
    return known.file;
  }
  if (place === undefined) return undefined;
  const file = SymbolFile.open(place.path, path, `/proc/${pid}/root`);
  kept.set(key, { file, stamp: place.stamp });
  const [oldest] = kept.keys();
  if (kept.size > most && oldest !== undefined) kept.delete(oldest);
  return file;
}

/** Where the very file of a mapping can be opened; by its path only while that is still its own. */
async function openable(
  { start, end, path, deleted }: MemoryMapping,
  pid: number,
): Promise<{ readonly path: string; readonly stamp: string } | undefined> {
  const places = [`/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`];
  if (!deleted && path.startsWith('/')) places.push(`/proc/${pid}/root${path}`);
  for (const place of places) {
    // map_files needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE.
    const found = await stat(place).catch(() => undefined);
    if (found?.isFile() === true) return { path: place, stamp: `${found.size} ${found.mtimeMs}` };
  }
  return undefined;
}
