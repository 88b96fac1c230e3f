import { constants } from 'node:os';

import { KernelError, quote } from '../errors/index.js';
import type { Handle } from './handle.js';
import { routeRequest } from './netlink-calls.js';
import { attributeText, NetlinkFlag, NetlinkRequest, parseAttributes, readerOf } from './netlink-message.js';
import type { NetlinkMessage } from './netlink-message.js';

// include/uapi/linux/rtnetlink.h, if_link.h
const RTM_GETLINK = 18;
const IFLA_IFNAME = 3;
/** struct ifinfomsg: family, padding, type, index, flags, change. */
const INFO_SIZE = 16;
const INFO_INDEX = 4;

/** A network interface of one network namespace. */
export interface NetworkInterface {
  readonly index: number;
  readonly name: string;
}

/** The interface of a name or index; KernelError ENODEV when there is none. */
export async function findInterface(wanted: string | number, networkNamespace?: Handle): Promise<NetworkInterface> {
  const request = typeof wanted === 'string' ? requestOf(0, 0).string(IFLA_IFNAME, wanted) : requestOf(0, wanted);
  const what = `find network interface ${quote(String(wanted))}`;
  const [found] = (await routeRequest(request, what, networkNamespace)).map(interfaceOf);
  if (found === undefined) throw new KernelError(what, 'netlink', -constants.errno.ENODEV);
  return found;
}

/** All interfaces. */
export async function listInterfaces(networkNamespace?: Handle): Promise<NetworkInterface[]> {
  const answer = await routeRequest(requestOf(NetlinkFlag.DUMP, 0), 'list network interfaces', networkNamespace);
  return answer.map(interfaceOf);
}

function requestOf(flags: number, index: number): NetlinkRequest {
  return new NetlinkRequest(RTM_GETLINK, flags).fixed([0, 1], [0, 1], [0, 2], [index, 4], [0, 4], [0, 4]);
}

function interfaceOf({ payload }: NetlinkMessage): NetworkInterface {
  const name = attributeText(parseAttributes(payload, INFO_SIZE).get(IFLA_IFNAME));
  return { index: readerOf(payload).i32(INFO_INDEX), name };
}
