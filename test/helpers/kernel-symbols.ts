// What the running kernel is built of, as it says itself in /proc: also of kernels without BTF.
import { existsSync, readFileSync } from 'node:fs';

const symbols = existsSync('/proc/kallsyms') ? readFileSync('/proc/kallsyms', 'latin1') : '';

/** Whether the kernel has a function or object of that name, static ones included. */
export function kernelHasSymbol(name: string): boolean {
  return new RegExp(` ${name}(\\t|$)`, 'mu').test(symbols);
}

const jitPath = '/proc/sys/net/core/bpf_jit_enable';

/** The kernel compiles programs (CONFIG_BPF_JIT, and not switched off). Without, functions cannot be called back. */
export const hasJit: boolean = existsSync(jitPath) && readFileSync(jitPath, 'latin1').trim() !== '0';

/** Helpers that call functions of a program: bpf_loop, the newest that samples use, is of 5.17. */
export const hasCallbacks: boolean = hasJit && kernelHasSymbol('bpf_loop');
