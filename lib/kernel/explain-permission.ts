import { release } from 'node:os';

import { PermissionError, type EbpfError, systemCallFailure } from '../errors/index.js';

import type { Handle } from '../sys/index.js';

import { readText } from './read-text.js';
import { notDelegated, type DelegationNeeds } from './token-delegation.js';

/** A capability by its number in include/uapi/linux/capability.h. */
const capabilityNumbers = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

export type Capability = keyof typeof capabilityNumbers;

/** What of the system decides whether a call is allowed. Read from /proc and /sys; given by tests. */
export interface PermissionFacts {
  /** `/proc/self/status`. */
  readonly status: string | undefined;
  /** `/proc/self/uid_map`. */
  readonly uidMap: string | undefined;
  /** `/sys/kernel/security/lockdown`. */
  readonly lockdown: string | undefined;
  /** `/proc/sys/kernel/unprivileged_bpf_disabled`. */
  readonly unprivilegedBpfDisabled: string | undefined;
  /** `/proc/sys/kernel/perf_event_paranoid`. */
  readonly perfEventParanoid: string | undefined;
  /** `/proc/self/limits`. */
  readonly limits: string | undefined;
  /** `/proc/self/mounts`; read only for a call that was made with a BPF token. */
  readonly mounts?: string | undefined;
  /** The kernel's version: `5.10.0-20-amd64`. */
  readonly release: string;
}

/** What was refused. */
export interface RefusedCall {
  /** What was attempted and on what: `load program "handle_exec"`. */
  readonly what: string;
  /** What the kernel asks for. */
  readonly capabilities: readonly Capability[];
  /** The call goes through perf_event_open. */
  readonly perf?: boolean;
  /** The program reads kernel memory, which lockdown forbids at level "confidentiality". */
  readonly readsKernel?: boolean;
  /** What a BPF token would have to allow; undefined for calls that take none. */
  readonly delegation?: DelegationNeeds | undefined;
  /** The BPF token that the call was made with. */
  readonly token?: Handle | undefined;
}

/** Says what stands in the way of a call that failed with EPERM or EACCES. */
export function explainPermission(
  error: EbpfError,
  call: RefusedCall,
  facts: PermissionFacts = permissionFacts(),
): PermissionError {
  const obstacles: string[] = [];
  const ruledOut: string[] = [];
  const note = (inTheWay: boolean | undefined, obstacle: string, fine: string): void => {
    if (inTheWay === true) obstacles.push(obstacle);
    else if (inTheWay === false) ruledOut.push(fine);
  };

  const effective = effectiveCapabilities(facts.status);
  const missing = effective === undefined ? [] : call.capabilities.filter((name) => !hasCapability(effective, name));
  if (effective !== undefined) note(missing.length > 0, `missing ${missing.join(' and ')}`, 'capabilities');

  const inNamespace = facts.uidMap === undefined ? undefined : !/^\s*0\s+0\s+4294967295\s*$/.test(facts.uidMap);
  const { token, delegation } = call;
  if (token !== undefined && delegation !== undefined) {
    const withheld = notDelegated(token, delegation, facts.mounts);
    if (withheld?.length === 0) ruledOut.push('what the BPF token allows');
    else obstacles.push(...(withheld ?? []));
  } else {
    note(inNamespace, 'the process is in a user namespace, where capabilities do not count for BPF', 'user namespace');
  }
  const lockdown = facts.lockdown === undefined ? undefined : /\[(\w+)\]/.exec(facts.lockdown)?.[1];
  if (lockdown !== undefined) {
    note(
      lockdown === 'confidentiality' && call.readsKernel === true,
      'kernel lockdown is "confidentiality", which forbids programs that read kernel memory',
      `lockdown ("${lockdown}")`,
    );
  }
  const seccomp = facts.status === undefined ? undefined : /^Seccomp:\s+(\d)/m.exec(facts.status)?.[1];
  if (seccomp !== undefined) {
    note(seccomp === '2', 'a seccomp filter is active (as in a container) and may forbid the call', 'seccomp');
  }
  if (missing.includes('CAP_BPF') && facts.unprivilegedBpfDisabled !== undefined) {
    const value = facts.unprivilegedBpfDisabled.trim();
    note(value !== '0', `kernel.unprivileged_bpf_disabled is ${value}`, 'unprivileged_bpf_disabled');
  }
  if (call.perf === true && missing.includes('CAP_PERFMON') && facts.perfEventParanoid !== undefined) {
    const level = Number(facts.perfEventParanoid);
    note(level > -1, `kernel.perf_event_paranoid is ${level}`, 'perf_event_paranoid');
  }

  const memory = lockedMemory(facts);
  if (memory !== undefined && missing.length === 0) {
    note(
      memory !== 'unlimited',
      `RLIMIT_MEMLOCK is ${memory} bytes, which limits BPF memory on kernels before 5.11 (ulimit -l unlimited)`,
      'RLIMIT_MEMLOCK',
    );
  }

  const fine = ruledOut.length > 0 ? `ruled out: ${ruledOut.join(', ')}` : 'nothing could be ruled out';
  const reason = obstacles.length > 0 ? obstacles.join('; ') : `the reason is unknown; ${fine}`;
  const advice =
    missing.length > 0
      ? `. Run as root, or give the process ${missing.join(' and ')} (systemd: AmbientCapabilities=, container: --cap-add)`
      : inNamespace === true && delegation !== undefined && token === undefined
        ? '. A BPF token gives the right there, from Linux 6.9 on: give { token } the path of a BPF file system that delegates it'
        : '';
  const failure = systemCallFailure(error.syscall ?? 'bpf', error.errno ?? -1);
  return new PermissionError(
    `cannot ${call.what}: ${failure.syscall} failed with ${failure.errnoName}: ${reason}${advice}`,
    obstacles,
    { failure, cause: error },
  );
}

/** Reads what {@link explainPermission} looks at. */
export function permissionFacts(): PermissionFacts {
  return {
    status: readText('/proc/self/status'),
    uidMap: readText('/proc/self/uid_map'),
    lockdown: readText('/sys/kernel/security/lockdown'),
    unprivilegedBpfDisabled: readText('/proc/sys/kernel/unprivileged_bpf_disabled'),
    perfEventParanoid: readText('/proc/sys/kernel/perf_event_paranoid'),
    limits: readText('/proc/self/limits'),
    release: release(),
  };
}

/** The limit of locked memory on kernels that count BPF memory against it; later ones use the memory cgroup. */
function lockedMemory(facts: PermissionFacts): string | undefined {
  const [, major, minor] = /^(\d+)\.(\d+)/.exec(facts.release) ?? [];
  if (major === undefined || minor === undefined || facts.limits === undefined) return undefined;
  if (Number(major) > 5 || (Number(major) === 5 && Number(minor) >= 11)) return undefined;
  return /^Max locked memory\s+(\S+)/m.exec(facts.limits)?.[1];
}

/** Whether this process is known to lack a capability. */
export function isMissingCapability(name: Capability): boolean {
  const effective = effectiveCapabilities(readText('/proc/self/status'));
  return effective !== undefined && !hasCapability(effective, name);
}

function effectiveCapabilities(status: string | undefined): bigint | undefined {
  const digits = status === undefined ? undefined : /^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}

function hasCapability(effective: bigint, name: Capability): boolean {
  const has = (capability: Capability): boolean => ((effective >> BigInt(capabilityNumbers[capability])) & 1n) === 1n;
  // CAP_SYS_ADMIN still stands for what CAP_BPF and CAP_PERFMON were split from it in 5.8.
  return has(name) || ((name === 'CAP_BPF' || name === 'CAP_PERFMON') && has('CAP_SYS_ADMIN'));
}
