import { endianness } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { Btf, BtfKind } from '../btf/index.js';
import { EbpfError, UnsupportedError } from '../errors/index.js';
import type { KernelFacts, Needs } from '../relocate/index.js';

import { features } from './features/index.js';
import { btfFrom } from './btf-file.js';
import { kernelBtf } from './kernel-btf.js';
import { allowLockedMemory } from './locked-memory.js';
import { pageSize } from './page-size.js';
import { possibleCpus } from './possible-cpus.js';

/** How long this thread is kept from other work. */
const sliceMs = 4;

/** How {@link gatherFacts} asks. */
export interface GatherOptions {
  readonly signal?: AbortSignal | undefined;
  /** Types to use in place of the running kernel's: a file, or its bytes. */
  readonly kernelBtf?: string | URL | Uint8Array | undefined;
}

/** Asks the kernel what an object needs to know of it, and no more. */
export async function gatherFacts(needs: Needs, options: GatherOptions = {}): Promise<KernelFacts> {
  const { signal, kernelBtf: given } = options;
  await allowLockedMemory();
  const coreBtf = given === undefined || !needs.kernelBtf ? undefined : await btfFrom(given);
  const own = coreBtf === undefined ? needs.kernelBtf : needs.attachesByBtf;
  const btf = own ? await kernelBtfFor(needs) : undefined;
  signal?.throwIfAborted();
  for (const each of [btf, coreBtf]) if (each !== undefined) await lookUp(each, needs.typeNames);
  const btfKinds = needs.btfKinds.size === 0 ? undefined : await supportedKinds(needs.btfKinds);
  signal?.throwIfAborted();
  const littleEndian = endianness() === 'LE';
  return { littleEndian, btf, coreBtf, possibleCpus: possibleCpus(), pageSize: pageSize(), btfKinds };
}

async function supportedKinds(kinds: ReadonlySet<BtfKind>): Promise<ReadonlySet<BtfKind> | undefined> {
  const supported = new Set<BtfKind>();
  try {
    for (const kind of kinds) if ((await features.btfKind(kind)).supported) supported.add(kind);
  } catch (error) {
    // Who may not load BTF learns it, with all else that is missing, from the load itself.
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') return undefined;
    throw error;
  }
  return supported;
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
