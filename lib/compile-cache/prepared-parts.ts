// Part of dist/index.js, which scripts/bundle.mjs makes: read by every process, so it is small and imports what Node has in memory.
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { debuglog } from 'node:util';
import { Script } from 'node:vm';

import { cacheFolder, cacheFolders, wholeSeconds } from './cache-folder.js';
import type { SourceStats } from './cached-code.js';
import { cacheFileName, decodeCachedCode, functionEnd, functionStart, sealOf } from './cached-code.js';

/** What a part exports. `part` is as it is required, `./load.js`. */
export type PreparedParts = (part: string) => unknown;

type PartFunction = (
  exports: object,
  require: (id: string) => unknown,
  module: { exports: object },
  filename: string,
  dirname: string,
) => void;

/**
 * Makes the parts of the library of the code that `node-ebpf compile-cache` compiled for this Node. Undefined where there is none,
 * or it is not wanted: parts are then required. What of it cannot be used is compiled here, without a word but to NODE_DEBUG=ebpf.
 */
export function preparedParts(dist: string): PreparedParts | undefined {
  if (!existsSync(cacheFolders(dist))) return undefined;
  const { NODE_DISABLE_COMPILE_CACHE, NODE_V8_COVERAGE } = process.env;
  // Coverage counts what V8 compiles itself.
  if (NODE_DISABLE_COMPILE_CACHE === '1' || (NODE_V8_COVERAGE ?? '') !== '') return undefined;
  // In a realm of its own, as Jest's tests are, the code would be of another one, with other classes of errors and arrays.
  if (!(Script instanceof Function)) return undefined;
  let folder: string;
  try {
    folder = cacheFolder(dist);
  } catch {
    return undefined;
  }
  if (!existsSync(folder)) return undefined;

  const modules = new Map<string, { exports: object }>();
  // Parts require each other and modules of Node, nothing else.
  const require = (id: string): unknown => (id.startsWith('./') ? part(id) : process.getBuiltinModule(id));
  const part = (id: string): object => {
    const known = modules.get(id);
    if (known !== undefined) return known.exports;
    const module = { exports: {} };
    modules.set(id, module);
    try {
      const path = join(dist, id);
      partFunction(path, join(folder, cacheFileName(id)))(module.exports, require, module, path, dist);
    } catch (error) {
      modules.delete(id);
      throw error;
    }
    return module.exports;
  };
  return part;
}

function partFunction(path: string, cacheFile: string): PartFunction {
  const { bytes, stats } = readWhole(path, functionStart, functionEnd);
  const cachedData = readCode(cacheFile, path, stats);
  const script = new Script(bytes.toString('utf8'), {
    filename: path,
    ...(cachedData !== undefined && { cachedData }),
  });
  debuglog('ebpf')('compile cache of %s: %s', path, outcomeOf(script));
  return script.runInThisContext() as PartFunction;
}

function outcomeOf({ cachedDataRejected }: Script): string {
  if (cachedDataRejected === undefined) return 'not there, or not of this file';
  return cachedDataRejected ? 'refused by V8' : 'used';
}

function readCode(cacheFile: string, path: string, source: SourceStats): Uint8Array | undefined {
  try {
    const { bytes, stats } = readWhole(cacheFile);
    if (wholeSeconds(stats.mtimeMs) !== sealOf(source)) return undefined;
    return decodeCachedCode(bytes, path, source);
  } catch {
    return undefined;
  }
}

/** A file between two pieces of text: one string is made of them, and not first of each. */
function readWhole(path: string, before = '', after = ''): { readonly bytes: Buffer; readonly stats: SourceStats } {
  const file = openSync(path, 'r');
  try {
    const stats = fstatSync(file);
    const end = before.length + stats.size;
    const bytes = Buffer.allocUnsafeSlow(end + after.length);
    bytes.write(before);
    for (let at = before.length; at < end;) {
      const count = readSync(file, bytes, at, end - at, null);
      if (count === 0) throw new Error(`${path} became shorter while it was read`);
      at += count;
    }
    bytes.write(after, end);
    return { bytes, stats };
  } finally {
    closeSync(file);
  }
}
