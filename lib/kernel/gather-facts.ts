import { endianness } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Btf } from '../btf/index.js';
import { UnsupportedError } from '../errors/index.js';
import type { KernelFacts, Needs } from '../relocate/index.js';

import { kernelBtf } from './kernel-btf.js';
import { allowLockedMemory } from './locked-memory.js';
import { pageSize } from './page-size.js';
import { possibleCpus } from './possible-cpus.js';

/** How long this thread is kept from other work. */
const sliceMs = 4;

/** Asks the kernel what an object needs to know of it, and no more. */
export async function gatherFacts(
  needs: Needs,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<KernelFacts> {
  await allowLockedMemory();
  const btf = needs.kernelBtf ? await kernelBtfFor(needs) : undefined;
  options.signal?.throwIfAborted();
  if (btf !== undefined) await lookUp(btf, needs.typeNames);
  options.signal?.throwIfAborted();
  return { littleEndian: endianness() === 'LE', btf, possibleCpus: possibleCpus(), pageSize: pageSize() };
}

async function kernelBtfFor(needs: Needs): Promise<Btf> {
  try {
    return await kernelBtf();
  } catch (cause) {
    if (!(cause instanceof UnsupportedError)) throw cause;
    const [first, ...more] = needs.reasons;
    if (first === undefined) throw cause;
    const others = more.length === 0 ? '' : ` and ${more.length} more`;
    const problem = cause.message.slice(`${cause.feature}: `.length);
    throw new UnsupportedError(cause.feature, `${problem}; needed by ${first}${others}`, { cause });
  }
}

/**
 * Looks each name up once, so that the relocation, which cannot wait, finds what the kernel's BTF makes at first use. The
 * event loop gets its turn between two names.
 */
async function lookUp(btf: Btf, names: Iterable<string>): Promise<void> {
  let started = performance.now();
  for (const name of names) {
    if (performance.now() - started > sliceMs) {
      await nextTurn();
      started = performance.now();
    }
    btf.findByEssentialName(name);
  }
  await nextTurn();
}
