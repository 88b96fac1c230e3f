import { ProgramType } from '../../../lib/abi/index.js';
import { KernelError } from '../../../lib/errors/index.js';
import { toLoadBtf, toLoadProgram } from '../../../lib/kernel/delegation-needs.js';
import { explainPermission, type PermissionFacts, type RefusedCall } from '../../../lib/kernel/explain-permission.js';

const everything = 'CapEff:\t000001ffffffffff\nSeccomp:\t0\n';
const nothing = 'CapEff:\t0000000000000000\nSeccomp:\t0\n';

const fine: PermissionFacts = {
  status: everything,
  uidMap: '         0          0 4294967295\n',
  lockdown: '[none] integrity confidentiality\n',
  unprivilegedBpfDisabled: '2\n',
  perfEventParanoid: '2\n',
  limits:
    'Limit                     Soft Limit           Hard Limit           Units     \nMax locked memory         8388608              8388608              bytes     \n',
  release: '6.18.0',
};

const call: RefusedCall = {
  what: 'load program "exec"',
  capabilities: ['CAP_BPF', 'CAP_PERFMON'],
  readsKernel: true,
};

function explain(facts: Partial<PermissionFacts>, refused: Partial<RefusedCall> = {}): readonly string[] {
  return error(facts, refused).obstacles;
}

function error(
  facts: Partial<PermissionFacts>,
  refused: Partial<RefusedCall> = {},
): ReturnType<typeof explainPermission> {
  const cause = new KernelError('load program "exec"', 'bpf(BPF_PROG_LOAD)', -1);
  return explainPermission(cause, { ...call, ...refused }, { ...fine, ...facts });
}

test('nothing in the way is said with what was ruled out', () => {
  const unknown = error({});
  expect(unknown.obstacles).toEqual([]);
  expect(unknown).toMatchObject({ code: 'ERR_EBPF_PERMISSION', errnoName: 'EPERM', syscall: 'bpf(BPF_PROG_LOAD)' });
  expect(unknown.message).toBe(
    'cannot load program "exec": bpf(BPF_PROG_LOAD) failed with EPERM: the reason is unknown; ' +
      'ruled out: capabilities, user namespace, lockdown ("none"), seccomp',
  );
});

test('no capabilities', () => {
  const missing = error({ status: nothing });
  expect(missing.obstacles).toEqual(['missing CAP_BPF and CAP_PERFMON', 'kernel.unprivileged_bpf_disabled is 2']);
  expect(missing.message).toBe(
    'cannot load program "exec": bpf(BPF_PROG_LOAD) failed with EPERM: missing CAP_BPF and CAP_PERFMON; ' +
      'kernel.unprivileged_bpf_disabled is 2. Run as root, or give the process CAP_BPF and CAP_PERFMON ' +
      '(systemd: AmbientCapabilities=, container: --cap-add)',
  );
});

test('CAP_BPF alone', () => {
  expect(explain({ status: `CapEff:\t${(1n << 39n).toString(16).padStart(16, '0')}\n` })).toEqual([
    'missing CAP_PERFMON',
  ]);
});

test('CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, not for CAP_NET_ADMIN', () => {
  const status = `CapEff:\t${(1n << 21n).toString(16).padStart(16, '0')}\n`;
  expect(explain({ status })).toEqual([]);
  expect(explain({ status }, { capabilities: ['CAP_BPF', 'CAP_NET_ADMIN'] })).toEqual(['missing CAP_NET_ADMIN']);
});

test('a user namespace', () => {
  expect(explain({ uidMap: '         0       1000          1\n' })).toEqual([
    'the process is in a user namespace, where capabilities do not count for BPF',
  ]);
});

test('a user namespace, and a call that a BPF token would allow', () => {
  const facts = { uidMap: '         0       1000          1\n' };
  expect(error(facts, { delegation: toLoadProgram(ProgramType.XDP, 0) }).message).toMatch(
    /do not count for BPF\. A BPF token gives the right there, from Linux 6\.9 on: give \{ token \} the path/,
  );
  expect(error({}, { delegation: toLoadBtf }).message).not.toContain('token');
});

test('lockdown is in the way of reading kernel memory only', () => {
  const lockdown = 'none integrity [confidentiality]\n';
  expect(explain({ lockdown })).toEqual([
    'kernel lockdown is "confidentiality", which forbids programs that read kernel memory',
  ]);
  expect(explain({ lockdown }, { readsKernel: false })).toEqual([]);
});

test('seccomp', () => {
  expect(explain({ status: everything.replace('Seccomp:\t0', 'Seccomp:\t2') })).toEqual([
    'a seccomp filter is active (as in a container) and may forbid the call',
  ]);
});

test('perf_event_paranoid, for calls that go through perf', () => {
  expect(explain({ status: nothing }, { perf: true, capabilities: ['CAP_PERFMON'] })).toEqual([
    'missing CAP_PERFMON',
    'kernel.perf_event_paranoid is 2',
  ]);
});

test('locked memory, before 5.11', () => {
  expect(explain({ release: '5.10.0-20-amd64' })).toEqual([
    'RLIMIT_MEMLOCK is 8388608 bytes, which limits BPF memory on kernels before 5.11 (ulimit -l unlimited)',
  ]);
  expect(explain({ release: '5.11.0' })).toEqual([]);
});

test('files that cannot be read rule nothing out', () => {
  const unknown = error({
    status: undefined,
    uidMap: undefined,
    lockdown: undefined,
    unprivilegedBpfDisabled: undefined,
    perfEventParanoid: undefined,
    limits: undefined,
  });
  expect(unknown.message).toBe(
    'cannot load program "exec": bpf(BPF_PROG_LOAD) failed with EPERM: the reason is unknown; nothing could be ruled out',
  );
});
