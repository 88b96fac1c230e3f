import { EbpfError, UsageError, quote } from '../errors/index.js';
import { kernelFunctionNames, probeDevice } from '../kernel/index.js';
import { openPerfEventAsync, type Handle } from '../sys/index.js';

import { closeOnExec } from './perf-event-attach.js';

/** A place in the kernel's code. */
export interface KernelPlace {
  readonly function: string;
  /** Bytes from the function's start. */
  readonly offset: number;
}

/** Reads `function` or `function+offset`, the offset decimal or, after `0x`, hexadecimal. */
export function kernelPlace(text: string): KernelPlace {
  const match = /^([A-Za-z_][A-Za-z0-9_.]*)(?:\+(0x[0-9a-f]+|\d+))?$/i.exec(text);
  const [, name, offset = '0'] = match ?? [];
  if (name === undefined || Number(offset) > 0xffff_ffff) {
    throw UsageError.invalidValue('function', `must be 'function' or 'function+offset', not ${quote(text)}`);
  }
  return { function: name, offset: Number(offset) };
}

/** Opens the perf event of a probe at a kernel function; nothing runs until a program is bound to it. */
export async function openKernelProbe(place: KernelPlace, returns: boolean, target: string): Promise<Handle> {
  const { type, returnConfig } = await probeDevice('kprobe');
  try {
    return await openPerfEventAsync({
      fields: { type, config: returns ? returnConfig : 0n, config2: place.offset },
      config1Text: place.function,
      pid: -1,
      cpu: 0,
      flags: closeOnExec,
      name: target,
    });
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    switch (error.errnoName) {
      case 'ENOENT':
        throw UsageError.notFound('kernel function', place.function, await kernelFunctionNames());
      case 'EADDRNOTAVAIL':
        throw UsageError.invalidValue(
          'function',
          `the kernel has several functions named ${quote(place.function)}, or one that cannot be probed`,
          { cause: error },
        );
      case 'EINVAL':
      case 'EILSEQ':
        throw UsageError.invalidValue(
          'function',
          `the kernel cannot probe ${quote(target)}: the function is excluded from probing, or no instruction begins there`,
          { cause: error },
        );
      default:
        throw error;
    }
  }
}
