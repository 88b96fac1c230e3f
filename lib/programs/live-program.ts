import { BtfTracepoint } from './btf-tracepoint.js';
import { CgroupDevice } from './cgroup-device.js';
import { CgroupSkb } from './cgroup-skb.js';
import { CgroupSock } from './cgroup-sock.js';
import { CgroupSockAddr } from './cgroup-sock-addr.js';
import { CgroupSockopt } from './cgroup-sockopt.js';
import { CgroupSysctl } from './cgroup-sysctl.js';
import { Fentry } from './fentry.js';
import { Fexit } from './fexit.js';
import { FmodRet } from './fmod-ret.js';
import { Freplace } from './freplace.js';
import { Fsession } from './fsession.js';
import { FunctionProgram } from './function-program.js';
import { FlowDissector } from './flow-dissector.js';
import { IteratorProgram } from './iterator-program.js';
import { Kprobe } from './kprobe.js';
import { KprobeMulti } from './kprobe-multi.js';
import { KprobeSession } from './kprobe-session.js';
import { Kretprobe } from './kretprobe.js';
import { KretprobeMulti } from './kretprobe-multi.js';
import { Kretsyscall } from './kretsyscall.js';
import { Ksyscall } from './ksyscall.js';
import { LircMode2 } from './lirc-mode2.js';
import { Lsm } from './lsm.js';
import { LsmCgroup } from './lsm-cgroup.js';
import { LwtIn } from './lwt-in.js';
import { LwtOut } from './lwt-out.js';
import { LwtSeg6local } from './lwt-seg6local.js';
import { LwtXmit } from './lwt-xmit.js';
import { Netfilter } from './netfilter.js';
import { Netkit } from './netkit.js';
import { PerfEvent } from './perf-event.js';
import { functionKind, registerProgramClasses, type ProgramClass } from './open-program.js';
import { Program, type ProgramDetails } from './program.js';
import { RawTracepointWritable } from './raw-tracepoint-writable.js';
import { RawTracepoint } from './raw-tracepoint.js';
import { SchedAction } from './sched-action.js';
import { SkLookup } from './sk-lookup.js';
import { SkMsg } from './sk-msg.js';
import { SkReuseport } from './sk-reuseport.js';
import { SkSkb } from './sk-skb.js';
import { SockOps } from './sock-ops.js';
import { SocketFilter } from './socket-filter.js';
import { SyscallProgram } from './syscall-program.js';
import { Tc } from './tc.js';
import { Tracepoint } from './tracepoint.js';
import { Uprobe } from './uprobe.js';
import { UprobeMulti } from './uprobe-multi.js';
import { UprobeSession } from './uprobe-session.js';
import { Uretprobe } from './uretprobe.js';
import { UretprobeMulti } from './uretprobe-multi.js';
import { Usdt } from './usdt.js';
import { Xdp } from './xdp.js';

/** The live program that a handle stands for, of the class of its kind. @internal */
export const liveProgram: (details: ProgramDetails) => Program = registerProgramClasses(classOf);

/** The class of a kind of section (`lib/object/section-table.ts`). A new program type is one file and a line here. */
function classOf(kind: string): ProgramClass {
  switch (kind) {
    case 'tracepoint':
      return Tracepoint;
    case 'raw_tp':
      return RawTracepoint;
    case 'tp_btf':
      return BtfTracepoint;
    case 'kprobe':
      return Kprobe;
    case 'kretprobe':
      return Kretprobe;
    case 'uprobe':
      return Uprobe;
    case 'uretprobe':
      return Uretprobe;
    case 'ksyscall':
      return Ksyscall;
    case 'kretsyscall':
      return Kretsyscall;
    case 'kprobe.multi':
      return KprobeMulti;
    case 'kretprobe.multi':
      return KretprobeMulti;
    case 'kprobe.session':
      return KprobeSession;
    case 'uprobe.multi':
      return UprobeMulti;
    case 'uretprobe.multi':
      return UretprobeMulti;
    case 'uprobe.session':
      return UprobeSession;
    case 'usdt':
      return Usdt;
    case functionKind:
      return FunctionProgram;
    case 'fentry':
      return Fentry;
    case 'fexit':
      return Fexit;
    case 'fmod_ret':
      return FmodRet;
    case 'fsession':
      return Fsession;
    case 'freplace':
      return Freplace;
    case 'lsm':
      return Lsm;
    case 'lsm_cgroup':
      return LsmCgroup;
    case 'raw_tp.w':
      return RawTracepointWritable;
    case 'iter':
      return IteratorProgram;
    case 'perf_event':
      return PerfEvent;
    case 'cgroup_skb':
      return CgroupSkb;
    case 'cgroup_sock':
      return CgroupSock;
    case 'cgroup_sock_addr':
      return CgroupSockAddr;
    case 'cgroup_sockopt':
      return CgroupSockopt;
    case 'cgroup_sysctl':
      return CgroupSysctl;
    case 'cgroup_device':
      return CgroupDevice;
    case 'syscall':
      return SyscallProgram;
    case 'action':
      return SchedAction;
    case 'tc':
    case 'tcx':
      return Tc;
    case 'netkit':
      return Netkit;
    case 'netfilter':
      return Netfilter;
    case 'flow_dissector':
      return FlowDissector;
    case 'lirc_mode2':
      return LircMode2;
    case 'lwt_in':
      return LwtIn;
    case 'lwt_out':
      return LwtOut;
    case 'lwt_xmit':
      return LwtXmit;
    case 'lwt_seg6local':
      return LwtSeg6local;
    case 'xdp':
      return Xdp;
    case 'socket':
      return SocketFilter;
    case 'sk_reuseport':
      return SkReuseport;
    case 'sk_lookup':
      return SkLookup;
    case 'sk_skb':
      return SkSkb;
    case 'sk_msg':
      return SkMsg;
    case 'sockops':
      return SockOps;
    default:
      return Program;
  }
}
