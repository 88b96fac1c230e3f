import type { Handle } from './handle.js';
import { routeRequest } from './netlink-calls.js';
import { NETLINK_NESTED, NetlinkFlag, NetlinkRequest } from './netlink-message.js';

// include/uapi/linux/rtnetlink.h
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PRIORITY = 6;
const RTA_TABLE = 15;
const RTA_ENCAP_TYPE = 21;
const RTA_ENCAP = 22;
/** RTPROT_STATIC: made by an administrator. */
const madeByHand = 4;
/** RT_SCOPE_UNIVERSE, RT_SCOPE_LINK, RT_SCOPE_HOST: how far away the destination is. */
const Scope = { UNIVERSE: 0, LINK: 253, HOST: 254 } as const;
const routeTypes = { unicast: 1, local: 2 } as const;
/** AF_INET and AF_INET6, by the bytes of an address. */
const families: ReadonlyMap<number, number> = new Map([
  [4, 2],
  [16, 10],
]);

// include/uapi/linux/lwtunnel.h, seg6_local.h
const LWTUNNEL_ENCAP_SEG6_LOCAL = 7;
const LWTUNNEL_ENCAP_BPF = 6;
const LWT_BPF_PROG_FD = 1;
const LWT_BPF_PROG_NAME = 2;
const LWT_BPF_XMIT_HEADROOM = 4;
const SEG6_LOCAL_ACTION = 1;
const SEG6_LOCAL_BPF = 8;
const SEG6_LOCAL_ACTION_END_BPF = 15;
/** LWT_BPF_IN, OUT and XMIT */
const hooks = { in: 1, out: 2, xmit: 3 } as const;

/** When a program of a route runs: on packets that come in, go out, or leave for the next hop; or as a segment's end. */
export type RouteHook = keyof typeof hooks | 'seg6local';

/** A route of one network namespace. */
export interface Route {
  /** The destination: 4 or 16 bytes of an address, and how many of its bits count. */
  readonly address: Uint8Array;
  readonly prefixLength: number;
  /** To the machine itself, or on to others. */
  readonly type: keyof typeof routeTypes;
  readonly interfaceIndex: number;
  readonly gateway?: Uint8Array | undefined;
  readonly table: number;
  /** Lower ones are preferred; 0 is the kernel's choice. */
  readonly priority: number;
}

export interface RouteProgram {
  readonly hook: RouteHook;
  readonly program: Handle;
  /** Of `xmit`: bytes to leave free in front of packets, at most 256. */
  readonly headroom?: number | undefined;
}

/** Makes a route whose packets pass a program, or gives one that is there another program; EEXIST when there is one. */
export async function setRoute(
  route: Route,
  program: RouteProgram,
  { replace, networkNamespace }: { readonly replace: boolean; readonly networkNamespace?: Handle | undefined },
): Promise<void> {
  const flags = NetlinkFlag.CREATE | (replace ? NetlinkFlag.REPLACE : NetlinkFlag.EXCL);
  const request = withProgram(routeMessage(RTM_NEWROUTE, flags, route), program);
  await routeRequest(request, `attach ${program.program.describe()} to a route`, networkNamespace);
}

/** Removes a route; KernelError ESRCH when there is none. */
export async function removeRoute(route: Route, networkNamespace?: Handle): Promise<void> {
  await routeRequest(routeMessage(RTM_DELROUTE, 0, route), 'remove a route', networkNamespace);
}

function routeMessage(message: number, flags: number, route: Route): NetlinkRequest {
  const { address, prefixLength, type, interfaceIndex, gateway, table, priority } = route;
  const scope = type === 'local' ? Scope.HOST : gateway === undefined ? Scope.LINK : Scope.UNIVERSE;
  // Of IPv6 the kernel does not look at the scope. A table that does not fit into a byte is in an attribute alone.
  const request = new NetlinkRequest(message, flags)
    .fixed([families.get(address.byteLength) ?? 0, 1], [prefixLength, 1], [0, 1], [0, 1])
    .fixed([table < 256 ? table : 0, 1], [madeByHand, 1], [scope, 1], [routeTypes[type], 1], [0, 4])
    .bytes(RTA_DST, address)
    .u32(RTA_OIF, interfaceIndex)
    .u32(RTA_TABLE, table);
  if (gateway !== undefined) request.bytes(RTA_GATEWAY, gateway);
  if (priority !== 0) request.u32(RTA_PRIORITY, priority);
  return request;
}

function withProgram(request: NetlinkRequest, { hook, program, headroom }: RouteProgram): NetlinkRequest {
  const name = program.name ?? 'program';
  const isSegment = hook === 'seg6local';
  request
    .u16(RTA_ENCAP_TYPE, isSegment ? LWTUNNEL_ENCAP_SEG6_LOCAL : LWTUNNEL_ENCAP_BPF)
    .begin(RTA_ENCAP | NETLINK_NESTED);
  if (isSegment) request.u32(SEG6_LOCAL_ACTION, SEG6_LOCAL_ACTION_END_BPF);
  // SEG6_LOCAL_BPF_PROG and SEG6_LOCAL_BPF_PROG_NAME have the same numbers.
  request
    .begin((isSegment ? SEG6_LOCAL_BPF : hooks[hook]) | NETLINK_NESTED)
    .descriptor(LWT_BPF_PROG_FD, program)
    .string(LWT_BPF_PROG_NAME, name)
    .end();
  if (headroom !== undefined) request.u32(LWT_BPF_XMIT_HEADROOM, headroom);
  return request.end();
}
