import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';

import { seemsToHaveCoreRelocations } from './btf/index.js';
import { UsageError } from './errors/index.js';
import { kernelBtf, readWhole } from './kernel/index.js';
import type { LoadOptions, LoadSource } from './load-options.js';
import { ObjectSpec } from './object/index.js';
import { isSupported } from './sys/index.js';

/** Reads and parses the object; the caller owns what comes back. */
export async function readSource(source: LoadSource, options: LoadOptions): Promise<ObjectSpec> {
  if (types.isUint8Array(source)) return parse(source, options, 'object');
  if (typeof source !== 'string' && source instanceof ObjectSpec) {
    if (options.name !== undefined) throw UsageError.invalidValue('name', 'an ObjectSpec has its name already');
    return source.clone();
  }
  const path = pathOf(source);
  return parse(await readFile(path, options), options, basename(path));
}

async function readFile(path: string, { signal }: LoadOptions): Promise<Uint8Array> {
  const reading = readWhole(path, signal);
  // The addon, which the load will need, is loaded while threads read the file.
  isSupported();
  try {
    return await reading;
  } catch (cause) {
    signal?.throwIfAborted();
    throw UsageError.invalidValue('source', `the object cannot be read: ${(cause as Error).message}`, { cause });
  }
}

function parse(bytes: Uint8Array, { kernelBtf: given, name }: LoadOptions, defaultName: string): ObjectSpec {
  // A thread reads the kernel's types meanwhile. Whether that fails is for the load to see, when it needs them.
  if (given === undefined && seemsToHaveCoreRelocations(bytes)) kernelBtf().catch(() => undefined);
  return ObjectSpec.parse(bytes, { name: name ?? defaultName });
}

function pathOf(source: string | URL): string {
  if (typeof source === 'string') return source;
  try {
    return fileURLToPath(source);
  } catch (cause) {
    throw UsageError.invalidValue('source', 'must be a path, a file: URL, bytes or an ObjectSpec', { cause });
  }
}
