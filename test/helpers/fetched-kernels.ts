// The kernels that `npm run test:vm` has fetched: their BTF, taken from the image, is good for tests that boot nothing.
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

export interface FetchedKernel {
  /** `x64-6.1` */
  readonly name: string;
  readonly btf: string;
}

/** As test/vm/cache.mjs has it. */
export function cacheFolder(): string {
  const chosen = process.env['NODE_EBPF_VM_CACHE'];
  if (chosen !== undefined && chosen !== '') return chosen;
  const base = process.env['XDG_CACHE_HOME'];
  return join(base !== undefined && isAbsolute(base) ? base : join(homedir(), '.cache'), 'node-ebpf-vm');
}

/** Empty where nothing was fetched. */
export function fetchedKernels(): FetchedKernel[] {
  const folder = cacheFolder();
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => /^kernel-[^-]+-[\d.]+$/u.test(name))
    .map((name) => ({ name: name.slice('kernel-'.length), btf: join(folder, name, 'btf') }))
    .filter(({ btf }) => existsSync(btf));
}
