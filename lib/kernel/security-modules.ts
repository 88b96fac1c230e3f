import { BtfKind } from '../btf/index.js';
import { UnsupportedError } from '../errors/index.js';

import { no, yes, type Feature } from './features/feature.js';
import { kernelBtf } from './kernel-btf.js';
import { readOptions, runningConfig, type RunningConfig } from './kernel-config.js';
import { readText } from './read-text.js';

/** Where the kernel lists its active security modules. */
const securityModules = '/sys/kernel/security/lsm';
const commandLine = '/proc/cmdline';
const advice = 'boot with lsm=...,bpf';

/** What tells which security modules are active; undefined where it cannot be read. */
export interface SecurityFacts {
  /** The kernel's own list. */
  readonly modules: string | undefined;
  /** Whether the kernel has hooks for programs (CONFIG_BPF_LSM). */
  readonly hooks: boolean | undefined;
  /** What the kernel was booted with. */
  readonly commandLine: string | undefined;
  readonly config: RunningConfig;
}

/**
 * Whether BPF is among the active security modules: as the kernel lists them, else as it chose them when it was booted. The
 * last `lsm=` counts, and without one CONFIG_LSM (`ordered_lsm_init` in security/lsm_init.c).
 *
 * @throws {@link UnsupportedError} when nothing tells.
 */
export function bpfModule({ modules, hooks, commandLine: words, config }: SecurityFacts): Feature {
  if (modules !== undefined) return among(modules, `${securityModules} lists`);
  const [place = ''] = config.places;
  const options = readOptions(config.text, new Set(['CONFIG_BPF_LSM', 'CONFIG_LSM']), place);
  const isBuilt = hooks ?? (config.text === '' ? undefined : options.get('CONFIG_BPF_LSM')?.text === 'y');
  if (isBuilt === false) return no('this kernel was built without CONFIG_BPF_LSM');
  const chosen = words
    ?.trim()
    .split(/\s+/u)
    .findLast((word) => word.startsWith('lsm='));
  if (chosen !== undefined) return among(chosen.slice('lsm='.length), `${commandLine} chooses`);
  const builtIn = options.get('CONFIG_LSM')?.text.replaceAll('"', '');
  if (words !== undefined && builtIn !== undefined) return among(builtIn, `CONFIG_LSM of ${place} is`);
  throw new UnsupportedError(
    'the list of security modules',
    `whether bpf is among them cannot be told: ${securityModules} cannot be read (mount -t securityfs securityfs ` +
      `/sys/kernel/security), ${commandLine} has no lsm=, and there is no kernel configuration: ${config.places.join(', ')}`,
  );
}

function among(modules: string, source: string): Feature {
  const names = modules.trim().split(',');
  if (names.includes('bpf')) return yes(`${source} ${names.join(',')}`);
  return no(`${source} ${names.join(',')} and not bpf; ${advice}`);
}

/** Whether BPF is among the active security modules of this kernel: {@link bpfModule}. */
export async function activeBpfModule(): Promise<Feature> {
  const modules = readText(securityModules);
  // The other facts take time, and are not looked at.
  if (modules !== undefined) return bpfModule({ ...unknown, modules });
  const config = await runningConfig();
  return bpfModule({ modules, hooks: await hasHooks(), commandLine: readText(commandLine), config });
}

const unknown: SecurityFacts = {
  modules: undefined,
  hooks: undefined,
  commandLine: undefined,
  config: { text: '', places: [] },
};

/** The kernel's function for any of the hooks. */
async function hasHooks(): Promise<boolean | undefined> {
  try {
    return (await kernelBtf()).find('bpf_lsm_file_open', BtfKind.FUNC) !== undefined;
  } catch {
    return undefined;
  }
}

let known = false;

/**
 * Refuses what only works with BPF among the active security modules, and what only then is safe. `otherwise` says what would
 * happen without.
 */
export function requireActiveBpfLsm(feature: string, otherwise: string): void {
  // Modules are chosen when the kernel is booted.
  if (known) return;
  const modules = readText(securityModules);
  if (modules === undefined) {
    const explanation = `whether bpf is among the active security modules cannot be told: ${securityModules} cannot be read; mount securityfs`;
    throw new UnsupportedError(feature, explanation);
  }
  const { supported, reason } = bpfModule({ ...unknown, modules });
  if (!supported) throw new UnsupportedError(feature, `${otherwise}: ${reason}`);
  known = true;
}
