import { constants } from 'node:os';

import { KernelError } from '../errors/index.js';
import type { Handle } from './handle.js';
import { routeRequest } from './netlink-calls.js';
import { attributeU32, NETLINK_NESTED, NetlinkRequest, parseAttributes } from './netlink-message.js';

// include/uapi/linux/rtnetlink.h, if_link.h
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const IFLA_XDP = 43;
const IFLA_XDP_FD = 1;
const IFLA_XDP_FLAGS = 3;
const IFLA_XDP_EXPECTED_FD = 8;
const IFLA_XDP_PROG_ID = 4;
/** IFLA_XDP_ATTACHED, one byte: how many of the modes have a program, or which. */
const IFLA_XDP_ATTACHED = 2;
/** IFLA_XDP_DRV_PROG_ID, SKB_PROG_ID and HW_PROG_ID, and XDP_ATTACHED_* */
const modes = [
  { mode: 'native', attribute: 5, attached: 1 },
  { mode: 'generic', attribute: 6, attached: 2 },
  { mode: 'offload', attribute: 7, attached: 3 },
] as const;
/** struct ifinfomsg: family, padding, type, index, flags, change. */
const INFO_SIZE = 16;
const noProgram = 0xffff_ffff;

/** XDP_FLAGS_* of include/uapi/linux/if_link.h. */
export const XdpFlag = { ONLY_IF_NONE: 1, GENERIC: 2, NATIVE: 4, OFFLOAD: 8, REPLACE: 16 } as const;

/**
 * Where an XDP program runs: in the network driver, before it makes anything of a packet; in the kernel's stack, which any
 * interface can do; or in the network card.
 */
export type XdpMode = (typeof modes)[number]['mode'];

/** An XDP program that is attached to an interface, by whomever. */
export interface AttachedXdp {
  readonly programId: number;
  readonly mode: XdpMode;
}

export interface SetXdpOptions {
  readonly interfaceIndex: number;
  /** Undefined: none any more. */
  readonly program: Handle | undefined;
  /** A sum of {@link XdpFlag}. */
  readonly flags: number;
  /** With REPLACE: what must be attached now; undefined: nothing. EEXIST when that is not so. */
  readonly expected?: Handle | undefined;
  readonly networkNamespace?: Handle | undefined;
}

/** Attaches an XDP program without a link, replaces or detaches it, off the event loop. */
export async function setXdp(options: SetXdpOptions): Promise<void> {
  const { interfaceIndex, program, flags, expected, networkNamespace } = options;
  const request = linkRequest(RTM_SETLINK, interfaceIndex).begin(IFLA_XDP | NETLINK_NESTED);
  withDescriptor(request, IFLA_XDP_FD, program);
  request.u32(IFLA_XDP_FLAGS, flags);
  if ((flags & XdpFlag.REPLACE) !== 0) withDescriptor(request, IFLA_XDP_EXPECTED_FD, expected);
  const what = program === undefined ? 'detach the XDP program of' : `attach ${program.describe()} to`;
  await routeRequest(request.end(), `${what} network interface ${interfaceIndex}`, networkNamespace);
}

function withDescriptor(request: NetlinkRequest, type: number, program: Handle | undefined): void {
  if (program === undefined) request.u32(type, noProgram);
  else request.descriptor(type, program);
}

/** The XDP programs of an interface: none, or one in a mode, and perhaps one in the network card. */
export async function queryXdp(interfaceIndex: number, networkNamespace?: Handle): Promise<AttachedXdp[]> {
  const what = `ask for the XDP programs of network interface ${interfaceIndex}`;
  const [answer] = await routeRequest(linkRequest(RTM_GETLINK, interfaceIndex), what, networkNamespace);
  if (answer === undefined) throw new KernelError(what, 'netlink', -constants.errno.ENODEV);
  const xdp = parseAttributes(answer.payload, INFO_SIZE).get(IFLA_XDP);
  if (xdp === undefined) return [];
  const attributes = parseAttributes(xdp, 0);
  const attached: AttachedXdp[] = [];
  for (const { mode, attribute, attached: only } of modes) {
    const id =
      attributeU32(attributes.get(attribute)) ??
      // What drivers without modes of their own tell.
      (attributes.get(IFLA_XDP_ATTACHED)?.[0] === only ? attributeU32(attributes.get(IFLA_XDP_PROG_ID)) : undefined);
    if (id !== undefined && id !== 0) attached.push({ programId: id, mode });
  }
  return attached;
}

function linkRequest(type: number, index: number): NetlinkRequest {
  return new NetlinkRequest(type, 0).fixed([0, 1], [0, 1], [0, 2], [index, 4], [0, 4], [0, 4]);
}
