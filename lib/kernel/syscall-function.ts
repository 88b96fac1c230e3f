import { UsageError } from '../errors/index.js';

import { findKernelSymbols } from './symbol-scanner.js';
import { kernelFunctionNames } from './kernel-functions.js';

/** How a system call's function is called where it takes its arguments from a `struct pt_regs`. */
const prefixes: Partial<Record<NodeJS.Architecture, string>> = {
  x64: '__x64_sys_',
  ia32: '__ia32_sys_',
  arm64: '__arm64_sys_',
  arm: '__arm_sys_',
  s390x: '__s390x_sys_',
  riscv64: '__riscv_sys_',
  ppc64: '__powerpc64_sys_',
  loong64: '__loongarch_sys_',
  mips: '__mips_sys_',
  mipsel: '__mips_sys_',
};

/** That of functions which take their arguments as other functions do. */
const plainPrefix = '__se_sys_';

/** The symbol by which a kernel is known whose system calls take a `struct pt_regs`; undefined where none does. */
export function wrapperSymbol(): string | undefined {
  return usualSyscallFunction('bpf');
}

/** What a system call's function is called on kernels where these take a `struct pt_regs`; undefined where none does. */
export function usualSyscallFunction(name: string): string | undefined {
  const prefix = prefixes[process.arch];
  return prefix === undefined ? undefined : `${prefix}${name}`;
}

/**
 * The kernel function that does a system call: `__x64_sys_openat` of `openat`.
 *
 * @throws {UsageError} when the kernel has no such system call.
 */
export async function syscallFunction(name: string): Promise<string> {
  const wrapper = wrapperSymbol();
  const plain = `${plainPrefix}${name}`;
  const wrapped = usualSyscallFunction(name) ?? plain;
  const { found } = await findKernelSymbols(new Set([wrapped, plain, ...(wrapper === undefined ? [] : [wrapper])]));
  // Programs ask by LINUX_HAS_SYSCALL_WRAPPER where the arguments are: it must be the same answer for all system calls.
  const chosen = wrapper !== undefined && found.has(wrapper) ? wrapped : plain;
  if (found.has(chosen)) return chosen;
  const prefix = chosen.slice(0, -name.length);
  const names = (await kernelFunctionNames()).filter((one) => one.startsWith(prefix));
  throw UsageError.notFound(
    'system call',
    name,
    names.map((one) => one.slice(prefix.length)),
  );
}
