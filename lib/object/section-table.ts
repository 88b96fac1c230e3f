import { AttachType, ProgramType } from '../abi/index.js';
import { ProgramFlag } from './program-flag.js';

/** What an ELF section's name says about the programs in it. */
export interface SectionRule {
  /** `name+` matches `name` and `name/<target>`; without `+` only the name itself. */
  readonly pattern: string;
  /** One word for all spellings of a kind: `tp`, `tp.s` and `tracepoint` are all `tracepoint`. */
  readonly kind: string;
  readonly type: ProgramType;
  /** `expected_attach_type` of the load. */
  readonly attachType: AttachType;
  /** BPF_PROG_LOAD flags. */
  readonly flags: number;
  /** `expected_attach_type` came later than the program type and is left out on kernels that refuse it. */
  readonly attachTypeOptional: boolean;
  /** The load names a kernel type or function to attach to by its BTF id. */
  readonly attachesByBtf: boolean;
}

const S: RuleOptions = { flags: ProgramFlag.SLEEPABLE };
const BTF: RuleOptions = { byBtf: true };
const BTF_S: RuleOptions = { byBtf: true, flags: ProgramFlag.SLEEPABLE };
const FRAGS: RuleOptions = { flags: ProgramFlag.XDP_HAS_FRAGS };
const OPTIONAL: RuleOptions = { optional: true };

/** Every section name that libbpf knows, in its order: the first match counts. */
export const sectionTable: readonly SectionRule[] = [
  rule('socket', 'socket', 'SOCKET_FILTER'),
  rule('sk_reuseport/migrate', 'sk_reuseport', 'SK_REUSEPORT', 'SK_REUSEPORT_SELECT_OR_MIGRATE'),
  rule('sk_reuseport', 'sk_reuseport', 'SK_REUSEPORT', 'SK_REUSEPORT_SELECT'),
  rule('kprobe+', 'kprobe', 'KPROBE'),
  rule('uprobe+', 'uprobe', 'KPROBE'),
  rule('uprobe.s+', 'uprobe', 'KPROBE', undefined, S),
  rule('kretprobe+', 'kretprobe', 'KPROBE'),
  rule('uretprobe+', 'uretprobe', 'KPROBE'),
  rule('uretprobe.s+', 'uretprobe', 'KPROBE', undefined, S),
  rule('kprobe.multi+', 'kprobe.multi', 'KPROBE', 'TRACE_KPROBE_MULTI'),
  rule('kretprobe.multi+', 'kretprobe.multi', 'KPROBE', 'TRACE_KPROBE_MULTI'),
  rule('kprobe.session+', 'kprobe.session', 'KPROBE', 'TRACE_KPROBE_SESSION'),
  rule('uprobe.multi+', 'uprobe.multi', 'KPROBE', 'TRACE_UPROBE_MULTI'),
  rule('uretprobe.multi+', 'uretprobe.multi', 'KPROBE', 'TRACE_UPROBE_MULTI'),
  rule('uprobe.session+', 'uprobe.session', 'KPROBE', 'TRACE_UPROBE_SESSION'),
  rule('uprobe.multi.s+', 'uprobe.multi', 'KPROBE', 'TRACE_UPROBE_MULTI', S),
  rule('uretprobe.multi.s+', 'uretprobe.multi', 'KPROBE', 'TRACE_UPROBE_MULTI', S),
  rule('uprobe.session.s+', 'uprobe.session', 'KPROBE', 'TRACE_UPROBE_SESSION', S),
  rule('ksyscall+', 'ksyscall', 'KPROBE'),
  rule('kretsyscall+', 'kretsyscall', 'KPROBE'),
  rule('usdt+', 'usdt', 'KPROBE'),
  rule('usdt.s+', 'usdt', 'KPROBE', undefined, S),

  rule('tc/ingress', 'tcx', 'SCHED_CLS', 'TCX_INGRESS'),
  rule('tc/egress', 'tcx', 'SCHED_CLS', 'TCX_EGRESS'),
  rule('tcx/ingress', 'tcx', 'SCHED_CLS', 'TCX_INGRESS'),
  rule('tcx/egress', 'tcx', 'SCHED_CLS', 'TCX_EGRESS'),
  rule('tc', 'tc', 'SCHED_CLS'),
  rule('classifier', 'tc', 'SCHED_CLS'),
  rule('action', 'action', 'SCHED_ACT'),
  rule('netkit/primary', 'netkit', 'SCHED_CLS', 'NETKIT_PRIMARY'),
  rule('netkit/peer', 'netkit', 'SCHED_CLS', 'NETKIT_PEER'),

  rule('tracepoint+', 'tracepoint', 'TRACEPOINT'),
  rule('tp+', 'tracepoint', 'TRACEPOINT'),
  rule('tracepoint.s+', 'tracepoint', 'TRACEPOINT', undefined, S),
  rule('tp.s+', 'tracepoint', 'TRACEPOINT', undefined, S),
  rule('raw_tracepoint+', 'raw_tp', 'RAW_TRACEPOINT'),
  rule('raw_tp+', 'raw_tp', 'RAW_TRACEPOINT'),
  rule('raw_tracepoint.s+', 'raw_tp', 'RAW_TRACEPOINT', undefined, S),
  rule('raw_tp.s+', 'raw_tp', 'RAW_TRACEPOINT', undefined, S),
  rule('raw_tracepoint.w+', 'raw_tp.w', 'RAW_TRACEPOINT_WRITABLE'),
  rule('raw_tp.w+', 'raw_tp.w', 'RAW_TRACEPOINT_WRITABLE'),
  rule('tp_btf+', 'tp_btf', 'TRACING', 'TRACE_RAW_TP', BTF),
  rule('tp_btf.s+', 'tp_btf', 'TRACING', 'TRACE_RAW_TP', BTF_S),

  rule('fentry+', 'fentry', 'TRACING', 'TRACE_FENTRY', BTF),
  rule('fmod_ret+', 'fmod_ret', 'TRACING', 'MODIFY_RETURN', BTF),
  rule('fexit+', 'fexit', 'TRACING', 'TRACE_FEXIT', BTF),
  rule('fsession+', 'fsession', 'TRACING', 'TRACE_FSESSION', BTF),
  rule('fentry.s+', 'fentry', 'TRACING', 'TRACE_FENTRY', BTF_S),
  rule('fmod_ret.s+', 'fmod_ret', 'TRACING', 'MODIFY_RETURN', BTF_S),
  rule('fexit.s+', 'fexit', 'TRACING', 'TRACE_FEXIT', BTF_S),
  rule('fsession.s+', 'fsession', 'TRACING', 'TRACE_FSESSION', BTF_S),
  rule('fentry.multi+', 'fentry.multi', 'TRACING', 'TRACE_FENTRY_MULTI'),
  rule('fexit.multi+', 'fexit.multi', 'TRACING', 'TRACE_FEXIT_MULTI'),
  rule('fsession.multi+', 'fsession.multi', 'TRACING', 'TRACE_FSESSION_MULTI'),
  rule('fentry.multi.s+', 'fentry.multi', 'TRACING', 'TRACE_FENTRY_MULTI', S),
  rule('fexit.multi.s+', 'fexit.multi', 'TRACING', 'TRACE_FEXIT_MULTI', S),
  rule('fsession.multi.s+', 'fsession.multi', 'TRACING', 'TRACE_FSESSION_MULTI', S),
  rule('freplace+', 'freplace', 'EXT', undefined, BTF),
  rule('lsm+', 'lsm', 'LSM', 'LSM_MAC', BTF),
  rule('lsm.s+', 'lsm', 'LSM', 'LSM_MAC', BTF_S),
  rule('lsm_cgroup+', 'lsm_cgroup', 'LSM', 'LSM_CGROUP', BTF),
  rule('iter+', 'iter', 'TRACING', 'TRACE_ITER', BTF),
  rule('iter.s+', 'iter', 'TRACING', 'TRACE_ITER', BTF_S),
  rule('syscall', 'syscall', 'SYSCALL', undefined, S),

  rule('xdp.frags/devmap', 'xdp', 'XDP', 'XDP_DEVMAP', FRAGS),
  rule('xdp/devmap', 'xdp', 'XDP', 'XDP_DEVMAP'),
  rule('xdp.frags/cpumap', 'xdp', 'XDP', 'XDP_CPUMAP', FRAGS),
  rule('xdp/cpumap', 'xdp', 'XDP', 'XDP_CPUMAP'),
  rule('xdp.frags', 'xdp', 'XDP', 'XDP', FRAGS),
  rule('xdp', 'xdp', 'XDP', 'XDP', OPTIONAL),
  rule('perf_event', 'perf_event', 'PERF_EVENT'),
  rule('lwt_in', 'lwt_in', 'LWT_IN'),
  rule('lwt_out', 'lwt_out', 'LWT_OUT'),
  rule('lwt_xmit', 'lwt_xmit', 'LWT_XMIT'),
  rule('lwt_seg6local', 'lwt_seg6local', 'LWT_SEG6LOCAL'),
  rule('sockops', 'sockops', 'SOCK_OPS', 'CGROUP_SOCK_OPS', OPTIONAL),
  rule('sk_skb/stream_parser', 'sk_skb', 'SK_SKB', 'SK_SKB_STREAM_PARSER', OPTIONAL),
  rule('sk_skb/stream_verdict', 'sk_skb', 'SK_SKB', 'SK_SKB_STREAM_VERDICT', OPTIONAL),
  rule('sk_skb/verdict', 'sk_skb', 'SK_SKB', 'SK_SKB_VERDICT', OPTIONAL),
  rule('sk_skb', 'sk_skb', 'SK_SKB'),
  rule('sk_msg', 'sk_msg', 'SK_MSG', 'SK_MSG_VERDICT', OPTIONAL),
  rule('lirc_mode2', 'lirc_mode2', 'LIRC_MODE2', 'LIRC_MODE2', OPTIONAL),
  rule('flow_dissector', 'flow_dissector', 'FLOW_DISSECTOR', 'FLOW_DISSECTOR', OPTIONAL),

  rule('cgroup_skb/ingress', 'cgroup_skb', 'CGROUP_SKB', 'CGROUP_INET_INGRESS', OPTIONAL),
  rule('cgroup_skb/egress', 'cgroup_skb', 'CGROUP_SKB', 'CGROUP_INET_EGRESS', OPTIONAL),
  rule('cgroup/skb', 'cgroup_skb', 'CGROUP_SKB'),
  rule('cgroup/sock_create', 'cgroup_sock', 'CGROUP_SOCK', 'CGROUP_INET_SOCK_CREATE'),
  rule('cgroup/sock_release', 'cgroup_sock', 'CGROUP_SOCK', 'CGROUP_INET_SOCK_RELEASE'),
  rule('cgroup/sock', 'cgroup_sock', 'CGROUP_SOCK', 'CGROUP_INET_SOCK_CREATE', OPTIONAL),
  rule('cgroup/post_bind4', 'cgroup_sock', 'CGROUP_SOCK', 'CGROUP_INET4_POST_BIND'),
  rule('cgroup/post_bind6', 'cgroup_sock', 'CGROUP_SOCK', 'CGROUP_INET6_POST_BIND'),
  rule('cgroup/bind4', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_BIND'),
  rule('cgroup/bind6', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_BIND'),
  rule('cgroup/connect4', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_CONNECT'),
  rule('cgroup/connect6', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_CONNECT'),
  rule('cgroup/connect_unix', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_CONNECT'),
  rule('cgroup/sendmsg4', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP4_SENDMSG'),
  rule('cgroup/sendmsg6', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP6_SENDMSG'),
  rule('cgroup/sendmsg_unix', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_SENDMSG'),
  rule('cgroup/recvmsg4', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP4_RECVMSG'),
  rule('cgroup/recvmsg6', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UDP6_RECVMSG'),
  rule('cgroup/recvmsg_unix', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_RECVMSG'),
  rule('cgroup/getpeername4', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_GETPEERNAME'),
  rule('cgroup/getpeername6', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_GETPEERNAME'),
  rule('cgroup/getpeername_unix', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_GETPEERNAME'),
  rule('cgroup/getsockname4', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET4_GETSOCKNAME'),
  rule('cgroup/getsockname6', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_INET6_GETSOCKNAME'),
  rule('cgroup/getsockname_unix', 'cgroup_sock_addr', 'CGROUP_SOCK_ADDR', 'CGROUP_UNIX_GETSOCKNAME'),
  rule('cgroup/sysctl', 'cgroup_sysctl', 'CGROUP_SYSCTL', 'CGROUP_SYSCTL'),
  rule('cgroup/getsockopt', 'cgroup_sockopt', 'CGROUP_SOCKOPT', 'CGROUP_GETSOCKOPT'),
  rule('cgroup/setsockopt', 'cgroup_sockopt', 'CGROUP_SOCKOPT', 'CGROUP_SETSOCKOPT'),
  rule('cgroup/dev', 'cgroup_device', 'CGROUP_DEVICE', 'CGROUP_DEVICE', OPTIONAL),
  rule('struct_ops+', 'struct_ops', 'STRUCT_OPS'),
  rule('struct_ops.s+', 'struct_ops', 'STRUCT_OPS', undefined, S),
  rule('sk_lookup', 'sk_lookup', 'SK_LOOKUP', 'SK_LOOKUP'),
  rule('netfilter', 'netfilter', 'NETFILTER', 'NETFILTER'),
];

/** A section's name taken apart. */
export interface SectionMatch {
  /** Undefined for a name that says nothing about its programs. */
  readonly rule: SectionRule | undefined;
  /** What follows the first `/`, of rules that take a target. */
  readonly target: string | undefined;
  /** False for names that begin with `?`. */
  readonly autoload: boolean;
}

/**
 * What the name of a program's section says.
 *
 * @example
 * ```js
 * matchSection('?tp_btf/sched_process_exec'); // { rule: { kind: 'tp_btf', … }, target: 'sched_process_exec', autoload: false }
 * ```
 */
export function matchSection(section: string): SectionMatch {
  const autoload = !section.startsWith('?');
  const name = autoload ? section : section.slice(1);
  for (const candidate of sectionTable) {
    if (!candidate.pattern.endsWith('+')) {
      if (name === candidate.pattern) return { rule: candidate, target: undefined, autoload };
      continue;
    }
    const length = candidate.pattern.length - 1;
    if (!name.startsWith(candidate.pattern.slice(0, -1))) continue;
    if (name.length === length) return { rule: candidate, target: undefined, autoload };
    if (name.charAt(length) === '/') {
      return { rule: candidate, target: name.slice(length + 1) || undefined, autoload };
    }
  }
  return { rule: undefined, target: undefined, autoload };
}

interface RuleOptions {
  readonly flags?: number;
  readonly optional?: boolean;
  readonly byBtf?: boolean;
}

function rule(
  pattern: string,
  kind: string,
  type: keyof typeof ProgramType,
  attachType?: keyof typeof AttachType,
  options: RuleOptions = {},
): SectionRule {
  return {
    pattern,
    kind,
    type: ProgramType[type],
    attachType: attachType === undefined ? 0 : AttachType[attachType],
    flags: options.flags ?? 0,
    attachTypeOptional: options.optional ?? false,
    attachesByBtf: options.byBtf ?? false,
  };
}
