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

type Row = readonly [patterns: string, type: string, attachType: string | number, flags?: 'S' | 'FRAGS' | 'OPT'];

/**
 * libbpf's section_defs (1.8), by hand: S is BPF_F_SLEEPABLE, FRAGS BPF_F_XDP_HAS_FRAGS, OPT an attach type that is left out
 * on kernels that do not know it.
 */
const rows: readonly Row[] = [
  ['socket', 'SOCKET_FILTER', 0],
  ['sk_reuseport/migrate', 'SK_REUSEPORT', 'SK_REUSEPORT_SELECT_OR_MIGRATE'],
  ['sk_reuseport', 'SK_REUSEPORT', 'SK_REUSEPORT_SELECT'],
  ['kprobe+ kretprobe+ uprobe+ uretprobe+ ksyscall+ kretsyscall+ usdt+', 'KPROBE', 0],
  ['uprobe.s+ uretprobe.s+ usdt.s+', 'KPROBE', 0, 'S'],
  ['kprobe.multi+ kretprobe.multi+', 'KPROBE', 'TRACE_KPROBE_MULTI'],
  ['kprobe.session+', 'KPROBE', 'TRACE_KPROBE_SESSION'],
  ['uprobe.multi+ uretprobe.multi+', 'KPROBE', 'TRACE_UPROBE_MULTI'],
  ['uprobe.multi.s+ uretprobe.multi.s+', 'KPROBE', 'TRACE_UPROBE_MULTI', 'S'],
  ['uprobe.session+', 'KPROBE', 'TRACE_UPROBE_SESSION'],
  ['uprobe.session.s+', 'KPROBE', 'TRACE_UPROBE_SESSION', 'S'],
  ['tc/ingress tcx/ingress', 'SCHED_CLS', 'TCX_INGRESS'],
  ['tc/egress tcx/egress', 'SCHED_CLS', 'TCX_EGRESS'],
  ['tc classifier', 'SCHED_CLS', 0],
  ['action', 'SCHED_ACT', 0],
  ['netkit/primary', 'SCHED_CLS', 'NETKIT_PRIMARY'],
  ['netkit/peer', 'SCHED_CLS', 'NETKIT_PEER'],
  ['tracepoint+ tp+', 'TRACEPOINT', 0],
  ['tracepoint.s+ tp.s+', 'TRACEPOINT', 0, 'S'],
  ['raw_tracepoint+ raw_tp+', 'RAW_TRACEPOINT', 0],
  ['raw_tracepoint.s+ raw_tp.s+', 'RAW_TRACEPOINT', 0, 'S'],
  ['raw_tracepoint.w+ raw_tp.w+', 'RAW_TRACEPOINT_WRITABLE', 0],
  ['tp_btf+', 'TRACING', 'TRACE_RAW_TP'],
  ['tp_btf.s+', 'TRACING', 'TRACE_RAW_TP', 'S'],
  ['fentry+', 'TRACING', 'TRACE_FENTRY'],
  ['fentry.s+', 'TRACING', 'TRACE_FENTRY', 'S'],
  ['fexit+', 'TRACING', 'TRACE_FEXIT'],
  ['fexit.s+', 'TRACING', 'TRACE_FEXIT', 'S'],
  ['fmod_ret+', 'TRACING', 'MODIFY_RETURN'],
  ['fmod_ret.s+', 'TRACING', 'MODIFY_RETURN', 'S'],
  ['fsession+', 'TRACING', 58],
  ['fsession.s+', 'TRACING', 58, 'S'],
  ['fentry.multi+', 'TRACING', 59],
  ['fentry.multi.s+', 'TRACING', 59, 'S'],
  ['fexit.multi+', 'TRACING', 60],
  ['fexit.multi.s+', 'TRACING', 60, 'S'],
  ['fsession.multi+', 'TRACING', 61],
  ['fsession.multi.s+', 'TRACING', 61, 'S'],
  ['freplace+', 'EXT', 0],
  ['lsm+', 'LSM', 'LSM_MAC'],
  ['lsm.s+', 'LSM', 'LSM_MAC', 'S'],
  ['lsm_cgroup+', 'LSM', 'LSM_CGROUP'],
  ['iter+', 'TRACING', 'TRACE_ITER'],
  ['iter.s+', 'TRACING', 'TRACE_ITER', 'S'],
  ['syscall', 'SYSCALL', 0, 'S'],
  ['xdp.frags/devmap', 'XDP', 'XDP_DEVMAP', 'FRAGS'],
  ['xdp.frags/cpumap', 'XDP', 'XDP_CPUMAP', 'FRAGS'],
  ['xdp.frags', 'XDP', 'XDP', 'FRAGS'],
  ['xdp/devmap', 'XDP', 'XDP_DEVMAP'],
  ['xdp/cpumap', 'XDP', 'XDP_CPUMAP'],
  ['xdp', 'XDP', 'XDP', 'OPT'],
  ['perf_event', 'PERF_EVENT', 0],
  ['lwt_in', 'LWT_IN', 0],
  ['lwt_out', 'LWT_OUT', 0],
  ['lwt_xmit', 'LWT_XMIT', 0],
  ['lwt_seg6local', 'LWT_SEG6LOCAL', 0],
  ['sockops', 'SOCK_OPS', 'CGROUP_SOCK_OPS', 'OPT'],
  ['sk_skb/stream_parser', 'SK_SKB', 'SK_SKB_STREAM_PARSER', 'OPT'],
  ['sk_skb/stream_verdict', 'SK_SKB', 'SK_SKB_STREAM_VERDICT', 'OPT'],
  ['sk_skb/verdict', 'SK_SKB', 'SK_SKB_VERDICT', 'OPT'],
  ['sk_skb', 'SK_SKB', 0],
  ['sk_msg', 'SK_MSG', 'SK_MSG_VERDICT', 'OPT'],
  ['lirc_mode2', 'LIRC_MODE2', 'LIRC_MODE2', 'OPT'],
  ['flow_dissector', 'FLOW_DISSECTOR', 'FLOW_DISSECTOR', 'OPT'],
  ['cgroup_skb/ingress', 'CGROUP_SKB', 'CGROUP_INET_INGRESS', 'OPT'],
  ['cgroup_skb/egress', 'CGROUP_SKB', 'CGROUP_INET_EGRESS', 'OPT'],
  ['cgroup/skb', 'CGROUP_SKB', 0],
  ['cgroup/sock_create', 'CGROUP_SOCK', 'CGROUP_INET_SOCK_CREATE'],
  ['cgroup/sock_release', 'CGROUP_SOCK', 'CGROUP_INET_SOCK_RELEASE'],
  ['cgroup/sock', 'CGROUP_SOCK', 'CGROUP_INET_SOCK_CREATE', 'OPT'],
  ['cgroup/post_bind4', 'CGROUP_SOCK', 'CGROUP_INET4_POST_BIND'],
  ['cgroup/post_bind6', 'CGROUP_SOCK', 'CGROUP_INET6_POST_BIND'],
  ['cgroup/bind4', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_BIND'],
  ['cgroup/bind6', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_BIND'],
  ['cgroup/connect4', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_CONNECT'],
  ['cgroup/connect6', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_CONNECT'],
  ['cgroup/connect_unix', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_CONNECT'],
  ['cgroup/sendmsg4', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP4_SENDMSG'],
  ['cgroup/sendmsg6', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP6_SENDMSG'],
  ['cgroup/sendmsg_unix', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_SENDMSG'],
  ['cgroup/recvmsg4', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP4_RECVMSG'],
  ['cgroup/recvmsg6', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP6_RECVMSG'],
  ['cgroup/recvmsg_unix', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_RECVMSG'],
  ['cgroup/getpeername4', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_GETPEERNAME'],
  ['cgroup/getpeername6', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_GETPEERNAME'],
  ['cgroup/getpeername_unix', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_GETPEERNAME'],
  ['cgroup/getsockname4', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_GETSOCKNAME'],
  ['cgroup/getsockname6', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_GETSOCKNAME'],
  ['cgroup/getsockname_unix', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_GETSOCKNAME'],
  ['cgroup/sysctl', 'CGROUP_SYSCTL', 'CGROUP_SYSCTL'],
  ['cgroup/getsockopt', 'CGROUP_SOCKOPT', 'CGROUP_GETSOCKOPT'],
  ['cgroup/setsockopt', 'CGROUP_SOCKOPT', 'CGROUP_SETSOCKOPT'],
  ['cgroup/dev', 'CGROUP_DEVICE', 'CGROUP_DEVICE', 'OPT'],
  ['struct_ops+', 'STRUCT_OPS', 0],
  ['struct_ops.s+', 'STRUCT_OPS', 0, 'S'],
  ['sk_lookup', 'SK_LOOKUP', 'SK_LOOKUP'],
  ['netfilter', 'NETFILTER', 'NETFILTER'],
];

/** The load names a type or function of the kernel by its BTF id. */
const byBtf = /^(?:tp_btf|fentry|fexit|fmod_ret|fsession|freplace|lsm|lsm_cgroup|iter)(?:\.s)?\+$/;

test('each of the 116 patterns means what it means to libbpf', () => {
  const wanted = rows.flatMap(([patterns, type, attachType, flags]) =>
    patterns.split(' ').map((pattern) => ({
      pattern,
      type: (ProgramType as Record<string, number>)[type],
      attachType: typeof attachType === 'number' ? attachType : (AttachType as Record<string, number>)[attachType],
      flags: flags === 'S' ? 0x10 : flags === 'FRAGS' ? 0x20 : 0,
      attachTypeOptional: flags === 'OPT',
      attachesByBtf: byBtf.test(pattern),
    })),
  );
  const found = sectionTable.map(({ kind: _, ...rule }) => rule);
  const inOrder = (list: readonly { pattern: string }[]): unknown[] =>
    [...list].sort((a, b) => (a.pattern < b.pattern ? -1 : 1));
  expect(wanted).toHaveLength(116);
  expect(inOrder(found)).toEqual(inOrder(wanted));
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
