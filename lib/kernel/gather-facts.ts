import { endianness } from 'node:os';

import type { KernelFacts, Needs } from '../relocate/index.js';

import { kernelBtf } from './kernel-btf.js';
import { pageSize } from './page-size.js';
import { possibleCpus } from './possible-cpus.js';

/** Asks the kernel what an object needs to know of it, and no more. */
export async function gatherFacts(
  needs: Needs,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<KernelFacts> {
  const btf = needs.kernelBtf ? await kernelBtf() : undefined;
  options.signal?.throwIfAborted();
  return { littleEndian: endianness() === 'LE', btf, possibleCpus: possibleCpus(), pageSize: pageSize() };
}
