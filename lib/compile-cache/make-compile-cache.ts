import {
  chmodSync,
  chownSync,
  existsSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  futimesSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';

import { cacheFolder, cacheFolders } from './cache-folder.js';
import { cacheFileName, encodeCachedCode, functionEnd, functionStart, sealOf } from './cached-code.js';

/** What was written. */
export interface CompileCache {
  readonly folder: string;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Compiles the parts of the library in `dist` and keeps the code beside them, for the program of Node that runs and its V8 flags. It
 * is there as a whole or not at all, and belongs to whom `dist` belongs, who can remove it with the package.
 */
export function makeCompileCache(dist: string): CompileCache {
  const folder = cacheFolder(dist);
  const owner = statSync(dist);
  const above = cacheFolders(dist);
  if (!existsSync(above)) {
    mkdirSync(above);
    give(above, owner);
  }
  const temporary = mkdtempSync(`${folder}.`);
  try {
    const made = join(temporary, 'made');
    mkdirSync(made);
    give(made, owner);
    // Node itself reads the first.
    const parts = readdirSync(dist).filter((name) => name.endsWith('.js') && name !== 'index.js');
    let bytes = 0;
    for (const part of parts) bytes += writePart(join(dist, part), join(made, cacheFileName(part)));
    if (existsSync(folder)) renameSync(folder, join(temporary, 'replaced'));
    renameSync(made, folder);
    return { folder, files: parts.length, bytes };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

/** Removes what was made for any program of Node; whether there was something. */
export function removeCompileCache(dist: string): boolean {
  const folders = cacheFolders(dist);
  const existed = existsSync(folders);
  rmSync(folders, { recursive: true, force: true });
  return existed;
}

function give(folder: string, owner: Stats): void {
  chmodSync(folder, owner.mode & 0o777);
  chownSync(folder, owner.uid, owner.gid);
}

/** Returns how many bytes were written. */
function writePart(path: string, cacheFile: string): number {
  const source = statSync(path);
  const bytes = encodeCachedCode(path, source, compile(readFileSync(path, 'utf8'), path));
  const file = openSync(cacheFile, 'wx', 0o600);
  try {
    writeFileSync(file, bytes);
    // Nothing looks at the code before it runs: after a crash of the system it is whole, or not there.
    fsyncSync(file);
    fchmodSync(file, source.mode & 0o666);
    fchownSync(file, source.uid, source.gid);
    futimesSync(file, sealOf(source), sealOf(source));
  } finally {
    closeSync(file);
  }
  return bytes.length;
}

/** Compiles all functions, also those that only run when they are called, and no code that this process has already. */
function compile(source: string, path: string): Buffer {
  const flags = ['lazy', 'compilation-cache'];
  let script: Script;
  for (const flag of flags) setFlagsFromString(`--no-${flag}`);
  try {
    script = new Script(`${functionStart}${source}${functionEnd}`, { filename: path });
  } finally {
    // V8 takes code under the flags that hold when it is serialized.
    for (const flag of flags) setFlagsFromString(`--${flag}`);
  }
  return script.createCachedData();
}
