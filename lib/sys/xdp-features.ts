import { constants } from 'node:os';

import { KernelError } from '../errors/index.js';
import type { Handle } from './handle.js';
import { genericRequest } from './netlink-calls.js';
import { attributeU32, NetlinkRequest, parseAttributes, readerOf } from './netlink-message.js';

// include/uapi/linux/genetlink.h: struct genlmsghdr has a command, a version and padding.
const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const HEADER_SIZE = 4;

// include/uapi/linux/netdev.h
const NETDEV_CMD_DEV_GET = 1;
const NETDEV_A_DEV_IFINDEX = 1;
const NETDEV_A_DEV_XDP_FEATURES = 3;
const NETDEV_A_DEV_XDP_ZC_MAX_SEGS = 4;
const NETDEV_A_DEV_XDP_RX_METADATA_FEATURES = 5;

/** The bits of enum netdev_xdp_act, from the lowest on. */
const features = ['basic', 'redirect', 'ndo-xmit', 'xsk-zerocopy', 'hw-offload', 'rx-sg', 'ndo-xmit-sg'] as const;
/** The bits of enum netdev_xdp_rx_metadata, from the lowest on. */
const metadata = ['timestamp', 'hash', 'vlan-tag'] as const;

/**
 * What the driver of an interface does, in the kernel's words. `basic`: programs in native mode, and their results to pass, drop, abort and
 * send back; `redirect`: the result to redirect; `ndo-xmit`: packets that others redirect to it; `xsk-zerocopy`: AF_XDP sockets without
 * copies; `hw-offload`: programs in the card; `rx-sg`: packets in several buffers, and `ndo-xmit-sg` such that are redirected to it.
 */
export type XdpFeature = (typeof features)[number];

/** What the driver of an interface tells about packets to programs that are bound to it. */
export type XdpMetadata = (typeof metadata)[number];

/** What an interface's driver can do for XDP. */
export interface XdpFeatures {
  readonly features: readonly XdpFeature[];
  readonly metadata: readonly XdpMetadata[];
  /** The most buffers of a packet that AF_XDP sockets take without copies; 0 where there are no such sockets. */
  readonly zeroCopySegments: number;
}

/** Asks what an interface's driver can do for XDP. KernelError ENOENT from kernels that do not tell: Linux 6.3. */
export async function xdpFeatures(interfaceIndex: number, networkNamespace?: Handle): Promise<XdpFeatures> {
  const what = `ask for the XDP features of network interface ${interfaceIndex}`;
  const family = genericMessage(GENL_ID_CTRL, CTRL_CMD_GETFAMILY).string(CTRL_ATTR_FAMILY_NAME, 'netdev');
  const [found] = await genericRequest(family, what, networkNamespace);
  const id = found && parseAttributes(found.payload, HEADER_SIZE).get(CTRL_ATTR_FAMILY_ID);
  if (id === undefined) throw new KernelError(what, 'netlink', -constants.errno.ENOENT);
  const request = genericMessage(readerOf(id).u16(0), NETDEV_CMD_DEV_GET).u32(NETDEV_A_DEV_IFINDEX, interfaceIndex);
  const [answer] = await genericRequest(request, what, networkNamespace);
  const attributes = answer === undefined ? undefined : parseAttributes(answer.payload, HEADER_SIZE);
  return {
    features: named(features, attributes?.get(NETDEV_A_DEV_XDP_FEATURES)),
    metadata: named(metadata, attributes?.get(NETDEV_A_DEV_XDP_RX_METADATA_FEATURES)),
    zeroCopySegments: attributeU32(attributes?.get(NETDEV_A_DEV_XDP_ZC_MAX_SEGS)) ?? 0,
  };
}

function genericMessage(type: number, command: number): NetlinkRequest {
  return new NetlinkRequest(type, 0).fixed([command, 1], [1, 1], [0, 2]);
}

/** The names of the bits that are set. */
function named<Name extends string>(names: readonly Name[], bits: Uint8Array | undefined): Name[] {
  if (bits === undefined || bits.byteLength < 8) return [];
  const value = readerOf(bits).u64(0);
  return names.filter((_, bit) => ((value >> BigInt(bit)) & 1n) === 1n);
}
