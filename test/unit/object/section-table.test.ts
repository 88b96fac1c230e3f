import { AttachType, ProgramType } from '../../../lib/abi/index.js';
import { matchSection, ProgramFlag, sectionTable } from '../../../lib/object/index.js';

test('knows the 116 patterns of libbpf, each once', () => {
  expect(sectionTable).toHaveLength(116);
  expect(new Set(sectionTable.map((rule) => rule.pattern)).size).toBe(116);
});

test.each(sectionTable.map((rule) => [rule.pattern, rule] as const))('%s is found by its own name', (pattern, rule) => {
  const name = pattern.replace('+', '');
  expect(matchSection(name)).toEqual({ rule, target: undefined, autoload: true });
  expect(matchSection(`?${name}`)).toEqual({ rule, target: undefined, autoload: false });
  if (pattern.endsWith('+')) {
    expect(matchSection(`${name}/a/b`)).toEqual({ rule, target: 'a/b', autoload: true });
  }
  expect(rule.kind).toMatch(/^[a-z0-9_]+(?:\.[a-z]+)?$/);
});

test.each([
  ['tracepoint/sched/sched_process_exec', 'tracepoint', ProgramType.TRACEPOINT, 0, 'sched/sched_process_exec'],
  ['tp/syscalls/sys_enter_openat', 'tracepoint', ProgramType.TRACEPOINT, 0, 'syscalls/sys_enter_openat'],
  ['raw_tp/sys_enter', 'raw_tp', ProgramType.RAW_TRACEPOINT, 0, 'sys_enter'],
  ['raw_tracepoint.w/x', 'raw_tp.w', ProgramType.RAW_TRACEPOINT_WRITABLE, 0, 'x'],
  ['tp_btf/sched_process_exec', 'tp_btf', ProgramType.TRACING, AttachType.TRACE_RAW_TP, 'sched_process_exec'],
  ['fentry/module:function', 'fentry', ProgramType.TRACING, AttachType.TRACE_FENTRY, 'module:function'],
  ['fmod_ret/x', 'fmod_ret', ProgramType.TRACING, AttachType.MODIFY_RETURN, 'x'],
  ['lsm/file_open', 'lsm', ProgramType.LSM, AttachType.LSM_MAC, 'file_open'],
  ['uprobe//bin/bash:readline', 'uprobe', ProgramType.KPROBE, 0, '/bin/bash:readline'],
  ['kretprobe.multi/tcp_*', 'kretprobe.multi', ProgramType.KPROBE, AttachType.TRACE_KPROBE_MULTI, 'tcp_*'],
  ['cgroup/sendmsg4', 'cgroup_sock_addr', ProgramType.CGROUP_SOCK_ADDR, AttachType.CGROUP_UDP4_SENDMSG, undefined],
  ['tc/ingress', 'tcx', ProgramType.SCHED_CLS, AttachType.TCX_INGRESS, undefined],
  ['classifier', 'tc', ProgramType.SCHED_CLS, 0, undefined],
  ['struct_ops/init', 'struct_ops', ProgramType.STRUCT_OPS, 0, 'init'],
])('%s', (section, kind, type, attachType, target) => {
  const match = matchSection(section);
  expect(match.rule).toMatchObject({ kind, type, attachType });
  expect(match.target).toBe(target);
});

test.each(['socket1', 'xdp/foo', 'tc/foo', 'cgroup/skb/x', 'kprobefoo/x', 'raw_tracepiont/x', 'XDP', '', '?', '??xdp'])(
  '%j says nothing about its programs',
  (section) => {
    expect(matchSection(section).rule).toBeUndefined();
  },
);

test('a slash without a target is no target', () => {
  expect(matchSection('kprobe/')).toMatchObject({ rule: { kind: 'kprobe' }, target: undefined });
});

test('sleepable and multi-buffer sections carry their flag', () => {
  expect(matchSection('tp_btf.s/x').rule).toMatchObject({ kind: 'tp_btf', flags: ProgramFlag.SLEEPABLE });
  expect(matchSection('syscall').rule?.flags).toBe(ProgramFlag.SLEEPABLE);
  expect(matchSection('xdp.frags').rule).toMatchObject({ kind: 'xdp', flags: ProgramFlag.XDP_HAS_FRAGS });
  for (const rule of sectionTable) {
    const sleepable = /\.s\+$/.test(rule.pattern) || rule.pattern === 'syscall';
    expect([rule.pattern, (rule.flags & ProgramFlag.SLEEPABLE) !== 0]).toEqual([rule.pattern, sleepable]);
  }
});
