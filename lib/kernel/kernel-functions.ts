import type { KernelSymbol } from '../relocate/index.js';

import { addressesOf, findKernelSymbols } from './symbol-scanner.js';
import { readSysfs } from './read-sysfs.js';

/** The kernel's functions by /proc/kallsyms, modules' included: to suggest names. Empty when it cannot be read. */
export async function kernelFunctionNames(): Promise<string[]> {
  const bytes = await readSysfs('/proc/kallsyms').catch(() => new Uint8Array(0));
  const symbols = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return [...symbols.matchAll(/^\S+ [tTwW] (\S+)/gm)].map(([, name]) => name ?? '');
}

/**
 * Where the kernel has functions of a name, its modules included.
 *
 * @throws {@link PermissionError} when it has some, and keeps their addresses from this process.
 */
export async function kernelFunctionsNamed(name: string): Promise<readonly KernelSymbol[]> {
  const names = new Set([name]);
  return addressesOf(names, await findKernelSymbols(names)).get(name) ?? [];
}
