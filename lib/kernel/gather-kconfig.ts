import { EbpfError } from '../errors/index.js';
import type { KconfigFacts, KconfigOption } from '../relocate/index.js';

import { features } from './features/index.js';
import { givenKconfig, givenOptions, readOptions, runningConfig, type Kconfig } from './kernel-config.js';
import type { SymbolScanner } from './symbol-scanner.js';
import { kernelVersionCode } from './kernel-version.js';
import { wrapperSymbol } from './syscall-function.js';

const versionName = 'LINUX_KERNEL_VERSION';
const cookieName = 'LINUX_HAS_BPF_COOKIE';
const wrapperName = 'LINUX_HAS_SYSCALL_WRAPPER';

/** The kernel symbols that tell what is asked for. */
export function symbolsForKconfig(wanted: ReadonlySet<string>): readonly string[] {
  const wrapper = wrapperSymbol();
  return wanted.has(wrapperName) && wrapper !== undefined ? [wrapper] : [];
}

/**
 * The values of `__kconfig` variables: those given by hand first, then what the running kernel tells.
 *
 * @throws {@link UsageError} when what is given is malformed.
 */
export async function gatherKconfig(
  wanted: ReadonlySet<string>,
  given: Kconfig | undefined,
  symbols: SymbolScanner | undefined,
): Promise<KconfigFacts> {
  const options = new Map<string, KconfigOption>();
  const places: string[] = [];
  if (given !== undefined) {
    for (const [name, option] of givenOptions(given, wanted)) options.set(name, option);
    places.push(givenKconfig);
  }
  for (const name of wanted) {
    const text = options.has(name) ? undefined : await virtualValue(name, symbols);
    if (text !== undefined) options.set(name, { text, source: 'the running kernel' });
  }
  const isOpen = [...wanted].some((name) => name.startsWith('CONFIG_') && !options.has(name));
  if (isOpen) {
    const config = await runningConfig();
    places.push(...config.places);
    for (const [name, option] of readOptions(config.text, wanted, config.places[0] ?? '')) {
      if (!options.has(name)) options.set(name, option);
    }
  }
  return { options, places };
}

/** What is no option of the kernel, but known of it. */
async function virtualValue(name: string, symbols: SymbolScanner | undefined): Promise<string | undefined> {
  switch (name) {
    case versionName:
      return kernelVersionCode()?.toString();
    case cookieName:
      return asNumber(await hasCookie());
    case wrapperName:
      return asNumber(
        symbols !== undefined && symbolsForKconfig(new Set([name])).some((one) => symbols.found.has(one)),
      );
    default:
      return undefined;
  }
}

function asNumber(answer: boolean): string {
  return answer ? '1' : '0';
}

async function hasCookie(): Promise<boolean> {
  try {
    return (await features.bpfCookie()).supported;
  } catch (error) {
    // Who may not ask learns it, with all else that is missing, from the load itself.
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') return false;
    throw error;
  }
}
