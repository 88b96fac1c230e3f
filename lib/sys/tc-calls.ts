import { constants } from 'node:os';

import { EbpfError, quote } from '../errors/index.js';
import type { Handle } from './handle.js';
import { routeRequest } from './netlink-calls.js';
import {
  attributeText,
  attributeU32,
  NetlinkFlag,
  NetlinkRequest,
  NETLINK_NESTED,
  parseAttributes,
  readerOf,
} from './netlink-message.js';
import type { NetlinkMessage } from './netlink-message.js';

// include/uapi/linux/rtnetlink.h, pkt_sched.h, pkt_cls.h
const RTM_NEWQDISC = 36;
const RTM_NEWTFILTER = 44;
const RTM_DELTFILTER = 45;
const RTM_GETTFILTER = 46;
const TCA_KIND = 1;
const TCA_OPTIONS = 2;
const TCA_BPF_ACT = 1;
const TCA_BPF_CLASSID = 3;
const TCA_BPF_OPS_LEN = 4;
const TCA_BPF_OPS = 5;
const TCA_BPF_FD = 6;
const TCA_BPF_NAME = 7;
const TCA_BPF_FLAGS = 8;
const TCA_BPF_ID = 11;
const TCA_CHAIN = 11;
// Of an action: include/uapi/linux/tc_act/tc_bpf.h
const TCA_ACT_KIND = 1;
const TCA_ACT_OPTIONS = 2;
const TCA_ACT_BPF_PARMS = 2;
const TCA_ACT_BPF_FD = 5;
const TCA_ACT_BPF_NAME = 6;
const TCA_ACT_BPF_ID = 9;
/** The program's return value decides, no action of its own is needed. */
const TCA_BPF_FLAG_ACT_DIRECT = 1;
/** The next filter decides. */
const TC_ACT_UNSPEC = -1;
const TC_H_CLSACT = 0xffff_fff1;
const CLSACT_HANDLE = 0xffff_0000;
/** TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS) and TC_H_MIN_EGRESS. */
const parents = { ingress: 0xffff_fff2, egress: 0xffff_fff3 } as const;
/** ETH_P_ALL */
const ALL_PROTOCOLS = 3;
/** struct tcmsg: family, padding, index, handle, parent, info. */
const MESSAGE_SIZE = 20;
const MESSAGE_HANDLE = 8;
const MESSAGE_INFO = 16;

/** Which side of an interface. */
export type TcDirection = 'ingress' | 'egress';

/** A filter of the kind `bpf` on one side of an interface. */
export interface TcFilter {
  readonly interfaceIndex: number;
  readonly direction: TcDirection;
  /** 1 to 65535, lower ones first; 0 lets the kernel choose. */
  readonly priority: number;
  /** 0 lets the kernel choose. */
  readonly handle: number;
  /** Absent and 0 for none. */
  readonly classId?: number | undefined;
  /** The program is the action of a filter that takes every packet. */
  readonly action?: boolean | undefined;
}

/** A filter that is attached to one side of an interface, by whomever. */
export interface AttachedTcFilter {
  /** Lower ones run first. */
  readonly priority: number;
  /** Its number among those of its priority. */
  readonly handle: number;
  /** `'bpf'`, or another classifier: `'flower'`. */
  readonly kind: string;
  /** The Ethernet protocol whose packets it sees, as `0x0800`; 3 stands for all (ETH_P_ALL). */
  readonly protocol: number;
  /** Chains other than 0 run when a filter goes to them. */
  readonly chain: number;
  /** What it is called by whoever made it; absent where filters of that kind have no names. */
  readonly name?: string;
  /** Of kind `bpf`: the program; absent where it runs classic BPF. */
  readonly programId?: number;
  /** Of kind `bpf`: the programs of its actions, in their order; absent where it has none. */
  readonly actionProgramIds?: readonly number[];
  /** Of kind `bpf`: the program's return value decides (`direct-action`). */
  readonly directAction?: boolean;
  /** Of kind `bpf`: the class that it puts packets into, as 0x10_0002 for `10:2`; absent without one. */
  readonly classId?: number;
}

/** Makes the queueing discipline `clsact`, which has room for filters, where there is none. */
export async function addClsact(interfaceIndex: number, networkNamespace?: Handle): Promise<void> {
  const request = tcRequest(RTM_NEWQDISC, NetlinkFlag.CREATE | NetlinkFlag.EXCL, {
    index: interfaceIndex,
    handle: CLSACT_HANDLE,
    parent: TC_H_CLSACT,
    info: 0,
  }).string(TCA_KIND, 'clsact');
  try {
    await routeRequest(request, `add clsact to network interface ${interfaceIndex}`, networkNamespace);
  } catch (error) {
    if (!EbpfError.is(error) || error.errno !== -constants.errno.EEXIST) throw error;
  }
}

/**
 * Attaches a program as a filter; with `replace` in the place of one with the same priority and handle. Returns it with the
 * numbers that the kernel chose.
 */
export async function setTcFilter(
  filter: TcFilter,
  program: Handle,
  { replace, networkNamespace }: { readonly replace: boolean; readonly networkNamespace?: Handle | undefined },
): Promise<TcFilter> {
  const flags = NetlinkFlag.CREATE | NetlinkFlag.ECHO | (replace ? NetlinkFlag.REPLACE : NetlinkFlag.EXCL);
  const request = filterRequest(RTM_NEWTFILTER, flags, filter).begin(TCA_OPTIONS);
  if (filter.action === true) addAction(request, program);
  else {
    request
      .descriptor(TCA_BPF_FD, program)
      .string(TCA_BPF_NAME, program.name ?? '')
      .u32(TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
  }
  // What is replaced loses the class that is not named again (cls_bpf_change of net/sched/cls_bpf.c).
  if (filter.classId !== undefined && filter.classId !== 0) request.u32(TCA_BPF_CLASSID, filter.classId);
  request.end();
  const what = `attach ${program.describe()} to network interface ${filter.interfaceIndex}`;
  const answer = await routeRequest(request, what, networkNamespace);
  const echo = answer.find(({ type }) => type === RTM_NEWTFILTER);
  if (echo === undefined) return filter;
  const reader = readerOf(echo.payload);
  return { ...filter, priority: reader.u32(MESSAGE_INFO) >>> 16, handle: reader.u32(MESSAGE_HANDLE) };
}

/** A filter in classic BPF, `ret #-1`, which takes every packet, with the program as its action. */
function addAction(request: NetlinkRequest, program: Handle): void {
  // struct sock_filter: code BPF_RET | BPF_K, jt, jf, k.
  const takeAll = Uint8Array.of(...new Uint8Array(Uint16Array.of(6).buffer), 0, 0, 0xff, 0xff, 0xff, 0xff);
  // struct tc_act_bpf: index, capab, action, refcnt, bindcnt. The action is what TC_ACT_UNSPEC of the program stands for: itself.
  const parameters = new Uint8Array(Int32Array.of(0, 0, TC_ACT_UNSPEC, 0, 0).buffer);
  request
    .u16(TCA_BPF_OPS_LEN, 1)
    .bytes(TCA_BPF_OPS, takeAll)
    .begin(TCA_BPF_ACT | NETLINK_NESTED)
    // The first of its actions.
    .begin(1 | NETLINK_NESTED)
    .string(TCA_ACT_KIND, 'bpf')
    .begin(TCA_ACT_OPTIONS | NETLINK_NESTED)
    .bytes(TCA_ACT_BPF_PARMS, parameters)
    .descriptor(TCA_ACT_BPF_FD, program)
    .string(TCA_ACT_BPF_NAME, program.name ?? '')
    .end()
    .end()
    .end();
}

/** The programs of a filter's actions of kind `bpf`. */
function actionPrograms(actions: Uint8Array | undefined): number[] {
  if (actions === undefined) return [];
  return [...parseAttributes(actions, 0).values()].flatMap((bytes) => {
    const action = parseAttributes(bytes, 0);
    const options = action.get(TCA_ACT_OPTIONS);
    if (options === undefined || attributeText(action.get(TCA_ACT_KIND)) !== 'bpf') return [];
    return attributeU32(parseAttributes(options, 0).get(TCA_ACT_BPF_ID)) ?? [];
  });
}

/** Removes a filter; KernelError ENOENT when there is none. */
export async function removeTcFilter(filter: TcFilter, networkNamespace?: Handle): Promise<void> {
  const what = `remove the filter ${quote(String(filter.handle))} of network interface ${filter.interfaceIndex}`;
  await routeRequest(filterRequest(RTM_DELTFILTER, 0, filter), what, networkNamespace);
}

/** The filters of one side of an interface in the order in which they run; none where there is no clsact. */
export async function listTcFilters(
  interfaceIndex: number,
  direction: TcDirection,
  networkNamespace?: Handle,
): Promise<AttachedTcFilter[]> {
  const place = { index: interfaceIndex, handle: 0, parent: parents[direction], info: 0 };
  const what = `list the filters of network interface ${interfaceIndex}`;
  const answer = await routeRequest(tcRequest(RTM_GETTFILTER, NetlinkFlag.DUMP, place), what, networkNamespace);
  return answer.flatMap(filterOf);
}

function filterOf({ payload }: NetlinkMessage): AttachedTcFilter[] {
  const reader = readerOf(payload);
  const handle = reader.u32(MESSAGE_HANDLE);
  const info = reader.u32(MESSAGE_INFO);
  const attributes = parseAttributes(payload, MESSAGE_SIZE);
  const options = attributes.get(TCA_OPTIONS);
  // Of each priority the kernel also tells that it is there.
  if (options === undefined) return [];
  const kind = attributeText(attributes.get(TCA_KIND));
  const common = {
    priority: info >>> 16,
    handle,
    kind,
    protocol: networkOrder(info & 0xffff),
    chain: attributeU32(attributes.get(TCA_CHAIN)) ?? 0,
  };
  return [kind === 'bpf' ? { ...common, ...bpfOptions(options) } : common];
}

function bpfOptions(
  options: Uint8Array,
): Omit<AttachedTcFilter, 'priority' | 'handle' | 'kind' | 'protocol' | 'chain'> {
  const attributes = parseAttributes(options, 0);
  const name = attributes.get(TCA_BPF_NAME);
  const programId = attributeU32(attributes.get(TCA_BPF_ID));
  const flags = attributeU32(attributes.get(TCA_BPF_FLAGS)) ?? 0;
  const classId = attributeU32(attributes.get(TCA_BPF_CLASSID));
  const actionProgramIds = actionPrograms(attributes.get(TCA_BPF_ACT));
  return {
    ...(name === undefined ? {} : { name: attributeText(name) }),
    ...(programId === undefined ? {} : { programId }),
    ...(actionProgramIds.length === 0 ? {} : { actionProgramIds }),
    directAction: (flags & TCA_BPF_FLAG_ACT_DIRECT) !== 0,
    ...(classId === undefined ? {} : { classId }),
  };
}

function filterRequest(type: number, flags: number, filter: TcFilter): NetlinkRequest {
  return tcRequest(type, flags, {
    index: filter.interfaceIndex,
    handle: filter.handle,
    parent: parents[filter.direction],
    info: filter.priority * 0x1_0000 + networkOrder(ALL_PROTOCOLS),
  }).string(TCA_KIND, 'bpf');
}

function tcRequest(
  type: number,
  flags: number,
  { index, handle, parent, info }: { index: number; handle: number; parent: number; info: number },
): NetlinkRequest {
  return new NetlinkRequest(type, flags).fixed([0, 1], [0, 1], [0, 2], [index, 4], [handle, 4], [parent, 4], [info, 4]);
}

function networkOrder(value: number): number {
  const bytes = new Uint8Array(2);
  new DataView(bytes.buffer).setUint16(0, value);
  return new Uint16Array(bytes.buffer)[0] ?? 0;
}
