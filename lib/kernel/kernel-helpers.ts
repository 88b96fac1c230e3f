import { HelperId } from '../abi/index.js';
import { EbpfError } from '../errors/index.js';

import { addressesOf, findKernelSymbols } from './symbol-scanner.js';

let helpers: Promise<ReadonlyMap<number, string>> | undefined;

/** The kernel's helpers by what calls of them have in place of their number: how far they are from the kernel's `__bpf_call_base`. */
export async function kernelHelpers(): Promise<ReadonlyMap<number, string>> {
  helpers ??= findHelpers().catch((error: unknown) => {
    helpers = undefined;
    // Names are for people: without them the code can still be read.
    if (EbpfError.is(error)) return new Map<number, string>();
    throw error;
  });
  return helpers;
}

async function findHelpers(): Promise<ReadonlyMap<number, string>> {
  const base = '__bpf_call_base';
  const names = new Set([base, ...Object.keys(HelperId).map((name) => `bpf_${name}`)]);
  const found = addressesOf(names, await findKernelSymbols(names));
  const origin = found.get(base)?.[0]?.address;
  const offsets = new Map<number, string>();
  if (origin === undefined) return offsets;
  for (const [name, symbols] of found) {
    for (const { address } of symbols) offsets.set(Number(BigInt.asIntN(32, address - origin)), name);
  }
  return offsets;
}
