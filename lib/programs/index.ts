export type { AttachAnchor, AttachOrder } from './attach-order.js';
export * from './btf-tracepoint.js';
export * from './cgroup-device.js';
export type { CgroupMode } from './cgroup-mode.js';
export * from './cgroup-program.js';
export * from './cgroup-skb.js';
export * from './cgroup-sock.js';
export * from './cgroup-sock-addr.js';
export * from './cgroup-sockopt.js';
export * from './cgroup-sysctl.js';
export * from './code.js';
export type { DispatchDefaults, ReplacedFunction } from './dispatched.js';
export * from './fentry.js';
export * from './fexit.js';
export * from './fmod-ret.js';
export * from './freplace.js';
export * from './fsession.js';
export * from './function-program.js';
export * from './flow-dissector.js';
export * from './kernel-probe.js';
export * from './iterator-program.js';
export * from './kprobe.js';
export * from './kprobe-multi.js';
export * from './kprobe-multi-program.js';
export * from './kprobe-session.js';
export * from './kretprobe.js';
export { LircMode2, type LircAttachOptions, type LircOptions } from './lirc-mode2.js';
export * from './list-programs.js';
export * from './kretprobe-multi.js';
export * from './kretsyscall.js';
export * from './ksyscall.js';
export * from './live-program.js';
export * from './load-programs.js';
export * from './lsm.js';
export * from './lsm-cgroup.js';
export * from './lwt-in.js';
export * from './lwt-out.js';
export * from './lwt-seg6local.js';
export * from './lwt-xmit.js';
export * from './netfilter.js';
export type { NetfilterFamily, NetfilterHook } from './netfilter-names.js';
export * from './netkit.js';
export * from './perf-event.js';
export { requireDevice, withDevices, type LoadDevice, type ProgramDevice } from './program-device.js';
export type { PerfEventNumbers } from './perf-event-names.js';
export type { PerfEventScope } from './perf-event-places.js';
export type { PerfSampling } from './perf-event-sampling.js';
export type { PerfBreakpoint, PerfEventSource } from './perf-event-source.js';
export type { OpenProgramOptions } from './open-program.js';
export * from './program-stream.js';
export * from './program.js';
export * from './program-kind.js';
export * from './program-stats.js';
export * from './raw-tracepoint.js';
export * from './raw-tracepoint-writable.js';
export * from './route-program.js';
export type {
  ContextInput,
  FlowDissectorContext,
  FlowKeys,
  NetfilterContext,
  SkBuffContext,
  SkLookupContext,
  XdpContext,
} from './run-contexts.js';
export * from './sched-action.js';
export * from './sk-lookup.js';
export * from './sk-msg.js';
export * from './sk-reuseport.js';
export * from './sk-skb.js';
export * from './sock-ops.js';
export type { SocketAttachOptions } from './socket-attach.js';
export * from './socket-filter.js';
export type { SocketMapAttachOptions, SocketMapQueryOptions } from './socket-map-attach.js';
export { interfaceTarget, type InterfaceOptions } from './interface-target.js';
export type { NetworkNamespaceOptions } from './network-namespace-attach.js';
export * from './syscall-program.js';
export * from './tc.js';
export type { TestRunOptions, TestRunResult } from './test-run.js';
export * from './tracepoint.js';
export * from './uprobe.js';
export * from './uprobe-multi.js';
export * from './uprobe-multi-program.js';
export * from './uprobe-session.js';
export * from './uretprobe.js';
export * from './uretprobe-multi.js';
export * from './usdt.js';
export type { UserProbeAttachOptions } from './user-probe.js';
export * from './xdp.js';
