// Whether programs can be called from the kernel's own functions.
import { existsSync, readFileSync } from 'node:fs';

import { hasJit, kernelHasSymbol } from './kernel-symbols.js';
import { enumeratorsOf, hasKernelBtf } from './kernel-types.js';

export const hasKprobes: boolean = existsSync('/sys/bus/event_source/devices/kprobe');

/**
 * The kernel can call programs at the entry of functions: its tracer calls directly what the JIT made. Kernels hardened
 * against tracing of functions have no kprobes, and refuse such programs though they have the code.
 */
export const hasFentry: boolean = hasKprobes && hasKernelBtf && hasJit && kernelHasSymbol('register_ftrace_direct');

/** One program at entry and return of a function: Linux 7.0. */
export const hasFsession: boolean = hasFentry && enumeratorsOf('bpf_attach_type', 'BPF_').has('TRACE_FSESSION');

/** Functions of programs can be replaced: by the same means, but for the tracer. */
export const hasFreplace: boolean = hasKprobes && hasKernelBtf && hasJit;

const securityModules = existsSync('/sys/kernel/security/lsm') ? readFileSync('/sys/kernel/security/lsm', 'utf8') : '';

/** BPF is among the active security modules. */
export const isBpfModuleActive: boolean = securityModules.trim().split(',').includes('bpf');

export const hasLsm: boolean = hasFentry && isBpfModuleActive;

export const hasInsnArrays: boolean = hasKernelBtf && enumeratorsOf('bpf_map_type', 'BPF_MAP_TYPE_').has('INSN_ARRAY');

// Only these compile indirect jumps so far (bpf_jit_supports_indirect_jumps… of arch/*/net).
export const hasJumps: boolean = hasInsnArrays && hasJit && (process.arch === 'x64' || process.arch === 'arm64');

/** One link to many functions. Kernels without CONFIG_FPROBE have the call, which refuses. */
export const hasKprobeMulti: boolean = hasKprobes && kernelHasSymbol('register_fprobe_ips');

export const hasKprobeSession: boolean = hasKprobeMulti && kernelHasSymbol('bpf_session_is_return');
