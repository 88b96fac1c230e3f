import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { Btf, type BtfKind } from '../btf/index.js';
import { ObjectFormatError } from '../errors/index.js';

import { readSysfs } from './read-sysfs.js';

const folder = '/sys/kernel/btf';
const kernelName = 'vmlinux';

/** Which modules are wanted. */
export interface WantedModules {
  /** Those with any of these types, each of one of these kinds. */
  readonly types: ReadonlyMap<string, ReadonlySet<BtfKind>>;
  /** Those of these names. */
  readonly names: ReadonlySet<string>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The types of loaded kernel modules, split on the kernel's. Needs no privilege. Empty on kernels before 5.11, which keep
 * none. Not remembered: modules come and go.
 */
export async function moduleBtf(base: Btf, wanted: WantedModules): Promise<readonly Btf[]> {
  const found: Btf[] = [];
  for (const name of await moduleNames()) {
    wanted.signal?.throwIfAborted();
    const isNamed = wanted.names.has(name);
    if (!isNamed && wanted.types.size === 0) continue;
    const btf = await readModule(name, base);
    if (btf !== undefined && (isNamed || hasAny(btf, wanted.types))) found.push(btf);
    await nextTurn();
  }
  return found;
}

/** Whether the module itself has a type of such a name and kind, under a flavour or without. */
export function hasAny(btf: Btf, types: WantedModules['types']): boolean {
  for (const [name, kinds] of types) {
    if (btf.findByEssentialName(name).some((id) => id >= btf.startId && kinds.has(btf.kind(id)))) return true;
  }
  return false;
}

async function moduleNames(): Promise<readonly string[]> {
  const names = await readdir(folder).catch(() => []);
  return names.filter((name) => name !== kernelName).sort();
}

/** Undefined for a module that is gone again, or whose BTF is of another kernel: it is no reason to refuse an object. */
async function readModule(name: string, base: Btf): Promise<Btf | undefined> {
  try {
    return await Btf.parseAsync(await readSysfs(join(folder, name)), { name, base });
  } catch (error) {
    if (error instanceof ObjectFormatError || isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || code === 'ENODEV' || code === 'EACCES';
}
