import { release } from 'node:os';

import { HelperId, ProgramType } from '../abi/index.js';
import { EbpfError } from '../errors/index.js';
import { ResourceLimit, readLimit, setLimit, unlimited } from '../sys/index.js';

import { isMissingCapability } from './explain-permission.js';
import { probeHelper } from './features/program-probe.js';

let allowed: Promise<void> | undefined;

/**
 * Raises RLIMIT_MEMLOCK of this process as far as it may be, on kernels that count the memory of maps and programs
 * against it (before Linux 5.11), where the usual limit holds next to nothing. Elsewhere nothing is changed.
 */
export async function allowLockedMemory(): Promise<void> {
  allowed ??= raiseIfCounted().catch((error: unknown) => {
    allowed = undefined;
    throw error;
  });
  return allowed;
}

async function raiseIfCounted(): Promise<void> {
  const { soft, hard } = readLimit(ResourceLimit.MEMLOCK);
  if (soft === unlimited || !(await isCounted())) return;
  // Beyond the hard limit only with CAP_SYS_RESOURCE. What is not enough is for the call that then fails to explain.
  if (setLimit(ResourceLimit.MEMLOCK, { soft: unlimited, hard: unlimited }) < 0) {
    setLimit(ResourceLimit.MEMLOCK, { soft: hard, hard });
  }
}

async function isCounted(): Promise<boolean> {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  // Older kernels may have had it ported back: those are asked.
  if (major > 5 || (major === 5 && minor >= 11)) return false;
  try {
    // This helper and accounting by cgroup came with the same kernel, and no call tells about the accounting.
    return !(await probeHelper(ProgramType.SOCKET_FILTER, HelperId.ktime_get_coarse_ns)).supported;
  } catch (error) {
    // With the capability, EPERM is what a limit that leaves no room even for the probe looks like.
    if (EbpfError.is(error) && error.errnoName === 'EPERM') return !isMissingCapability('CAP_BPF');
    throw error;
  }
}
