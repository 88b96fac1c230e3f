import { ProgramType } from '../abi/index.js';

import type { Capability } from './explain-permission.js';

/**
 * What loading programs of these types needs: CAP_BPF, and what bpf_prog_load asks for beside it
 * (is_net_admin_prog_type and is_perfmon_prog_type in kernel/bpf/syscall.c).
 */
export function capabilitiesFor(types: Iterable<ProgramType>): readonly Capability[] {
  const needed = new Set<Capability>(['CAP_BPF']);
  for (const type of types) {
    if (readsKernel(type)) needed.add('CAP_PERFMON');
    else if (type !== ProgramType.SOCKET_FILTER && type !== ProgramType.SYSCALL) needed.add('CAP_NET_ADMIN');
  }
  return [...needed];
}

/** Whether programs of this type may read any kernel memory. */
export function readsKernel(type: ProgramType): boolean {
  switch (type) {
    case ProgramType.KPROBE:
    case ProgramType.TRACEPOINT:
    case ProgramType.PERF_EVENT:
    case ProgramType.RAW_TRACEPOINT:
    case ProgramType.RAW_TRACEPOINT_WRITABLE:
    case ProgramType.TRACING:
    case ProgramType.LSM:
    case ProgramType.STRUCT_OPS:
    case ProgramType.EXT:
      return true;
    default:
      return false;
  }
}
