import { hostIsLittleEndian } from '../binary/index.js';
import type { Btf, BtfKind } from '../btf/index.js';
import { EbpfError, UnsupportedError } from '../errors/index.js';
import type { KernelFacts, Needs } from '../relocate/index.js';
import type { Handle } from '../sys/index.js';

import { hasFullRangeOffsets } from './full-range-offsets.js';
import { features, featuresWith, supposed, uprobeMultiOfProcess } from './features/index.js';
import { btfFrom } from './btf-file.js';
import { gatherKconfig, symbolsForKconfig } from './gather-kconfig.js';
import { kernelBtf } from './kernel-btf.js';
import type { Kconfig } from './kernel-config.js';
import { addressesOf, findKernelSymbols, type SymbolScanner } from './symbol-scanner.js';
import { allowLockedMemory } from './locked-memory.js';
import { moduleBtf } from './module-btf.js';
import { pageSize } from './page-size.js';
import { possibleCpus } from './possible-cpus.js';

/** How {@link gatherFacts} asks. */
export interface GatherOptions {
  readonly signal?: AbortSignal | undefined;
  /** Types to use in place of the running kernel's: a file, or its bytes. */
  readonly kernelBtf?: string | URL | Uint8Array | undefined;
  /** Values to use in place of the running kernel's configuration. */
  readonly kconfig?: Kconfig | undefined;
  /** The types of the programs to whose functions programs attach: {@link KernelFacts.targets}. */
  readonly targets?: ReadonlyMap<string, Btf> | undefined;
  /** The BPF token that the object is to be loaded with. */
  readonly token?: Handle | undefined;
}

/** Asks the kernel what an object needs to know of it, and no more. */
export async function gatherFacts(needs: Needs, options: GatherOptions = {}): Promise<KernelFacts> {
  const { signal, token, kernelBtf: given } = options;
  await allowLockedMemory();
  const coreBtf =
    given === undefined || !(needs.kernelBtf || needs.optionalKernelBtf) ? undefined : await btfFrom(given);
  const own = coreBtf === undefined ? needs.kernelBtf : needs.kernelIds;
  const btf = own ? await kernelBtfFor(needs) : needs.optionalKernelBtf ? await kernelBtfIfAny() : undefined;
  signal?.throwIfAborted();
  for (const each of [btf, coreBtf]) await each?.prepareNames(needs.typeNames.keys(), { signal });
  const modules = btf === undefined ? undefined : await modulesFor(needs, btf, signal);
  signal?.throwIfAborted();
  const { kconfig, symbols } = await gatherExterns(needs, options.kconfig);
  const btfKinds = needs.btfKinds.size === 0 ? undefined : await supportedKinds(needs.btfKinds, token);
  signal?.throwIfAborted();
  const uprobeMulti = needs.uprobeMulti ? (await supposed(uprobeMultiOfProcess(token))).supported : undefined;
  const fullRangeOffsets = needs.arenaGlobals ? await hasFullRangeOffsets(token) : undefined;
  signal?.throwIfAborted();
  return {
    ...{
      littleEndian: hostIsLittleEndian,
      btf,
      coreBtf,
      modules,
      btfKinds,
      kconfig,
      symbols,
      fullRangeOffsets,
      uprobeMulti,
      targets: options.targets,
    },
    // Few objects make these be read from files.
    get possibleCpus(): number {
      return possibleCpus();
    },
    get pageSize(): number {
      return pageSize();
    },
  };
}

/** One reading of the kernel's symbols serves both. */
async function gatherExterns(needs: Needs, given: Kconfig | undefined): Promise<Partial<KernelFacts>> {
  if (needs.kconfig.size + needs.symbols.size + needs.variables.size === 0) return {};
  const names = new Set([...needs.symbols, ...needs.variables, ...symbolsForKconfig(needs.kconfig)]);
  const scanned = names.size === 0 ? undefined : await scanSymbols(names, needs.symbols.size > 0);
  return {
    kconfig: needs.kconfig.size === 0 ? undefined : await gatherKconfig(needs.kconfig, given, scanned),
    symbols: scanned === undefined ? undefined : addressesOf(needs.symbols, scanned),
  };
}

/** A kernel that tells no symbols is a problem only where their addresses are needed. */
async function scanSymbols(names: ReadonlySet<string>, required: boolean): Promise<SymbolScanner | undefined> {
  return findKernelSymbols(names).catch((error: unknown) => {
    if (error instanceof UnsupportedError && !required) return undefined;
    throw error;
  });
}

/** Modules are read only for what the kernel proper has not. */
async function modulesFor(needs: Needs, btf: Btf, signal: AbortSignal | undefined): Promise<readonly Btf[]> {
  const types = new Map(
    [...needs.typeNames].filter(
      ([name, kinds]) => !btf.findByEssentialName(name).some((id) => kinds.has(btf.kind(id))),
    ),
  );
  if (types.size === 0 && needs.modules.size === 0) return [];
  return moduleBtf(btf, { types, names: needs.modules, signal });
}

/** What only weak externs ask for may be missing. */
async function kernelBtfIfAny(): Promise<Btf | undefined> {
  return kernelBtf().catch((error: unknown) => {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  });
}

async function supportedKinds(
  kinds: ReadonlySet<BtfKind>,
  token: Handle | undefined,
): Promise<ReadonlySet<BtfKind> | undefined> {
  const supported = new Set<BtfKind>();
  const known = token === undefined ? features : featuresWith(() => token);
  try {
    for (const kind of kinds) if ((await known.btfKind(kind)).supported) supported.add(kind);
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
