import { readFile } from 'node:fs/promises';

/** The kernel's functions by /proc/kallsyms, modules' included: to suggest names. Empty when it cannot be read. */
export async function kernelFunctionNames(): Promise<string[]> {
  const symbols = await readFile('/proc/kallsyms', 'latin1').catch(() => '');
  return [...symbols.matchAll(/^\S+ [tTwW] (\S+)/gm)].map(([, name]) => name ?? '');
}
