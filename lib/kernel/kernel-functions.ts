import { readSysfs } from './read-sysfs.js';

/** The kernel's functions by /proc/kallsyms, modules' included: to suggest names. Empty when it cannot be read. */
export async function kernelFunctionNames(): Promise<string[]> {
  const bytes = await readSysfs('/proc/kallsyms').catch(() => new Uint8Array(0));
  const symbols = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return [...symbols.matchAll(/^\S+ [tTwW] (\S+)/gm)].map(([, name]) => name ?? '');
}
