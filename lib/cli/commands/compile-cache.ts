import { dirname } from 'node:path';
import { parseArgs, types } from 'node:util';

import { makeCompileCache, removeCompileCache } from '../../compile-cache/index.js';
import type { Command, CommandContext } from '../command.js';
import { CommandError } from '../command-error.js';

const help = `Usage: node-ebpf compile-cache [--remove]

Compiles this package's JavaScript and keeps the compiled code in the package's own folder: programs that load the package
are then ready in little more than half the time. Nothing else writes there. Run it after the package was installed, in the
build of an image too, as who installed it.

The code is for the Node.js that runs this command, and the V8 flags (NODE_OPTIONS) that it runs with. Other programs of
Node.js do not use it; make it with each. Whoever installs the package anew removes it. NODE_DISABLE_COMPILE_CACHE=1 leaves
it unused; NODE_DEBUG=ebpf tells what is used.

  --remove   removes what was kept, for every Node.js

Exit status: 0 when it was done; 1 when something failed; 2 when the command line could not be understood.
`;

export const compileCacheCommand: Command = {
  name: 'compile-cache',
  summary: 'keep compiled code of this package, so that it loads faster',
  help,
  run,
};

/** This package's published code: this file is in one of its folders. */
const dist = dirname(__dirname);
const notWritable = new Set(['EACCES', 'EPERM', 'EROFS']);

async function run(args: readonly string[], { stdout }: CommandContext): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: { remove: { type: 'boolean', default: false } } });
  try {
    if (values.remove) {
      const removed = removeCompileCache(dist);
      stdout.write(removed ? `Removed from ${dist}\n` : `Nothing was kept in ${dist}\n`);
    } else {
      const { folder, files, bytes } = makeCompileCache(dist);
      stdout.write(
        `Compiled ${files} files for Node.js ${process.version}, ${process.execPath}\n` +
          `${(bytes / 1e6).toFixed(1)} MB in ${folder}\n`,
      );
    }
  } catch (error) {
    const code = types.isNativeError(error) && 'code' in error ? String(error.code) : '';
    if (!notWritable.has(code)) throw error;
    throw new CommandError(
      `${dist} may not be written (${code}): run this as who installed the package, before it is made read-only`,
    );
  }
  return 0;
}
