import { statSync } from 'node:fs';
import { join } from 'node:path';

/** Where in the folder of published code the compiled code is, for all programs of Node that it was made for. */
export function cacheFolders(dist: string): string {
  return join(dist, 'compile-cache');
}

/**
 * Where it is for the program that runs. V8 takes code of any that has its version, also of one with other patches, which
 * crashes; so the program's own size and time are in the name. Throws where the program cannot be looked at.
 */
export function cacheFolder(dist: string): string {
  const { size, mtimeMs } = statSync(process.execPath);
  return join(cacheFolders(dist), `${process.version}-${process.arch}-${size}-${wholeSeconds(mtimeMs)}`);
}

/** Archives and layers of images keep no more of a time. */
export function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}
