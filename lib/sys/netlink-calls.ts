import { constants } from 'node:os';

import { KernelError, escapeControl } from '../errors/index.js';
import { addon, completed } from './addon.js';
import type { Handle } from './handle.js';
import { NetlinkType, parseError, parseMessages, type NetlinkMessage } from './netlink-message.js';
import type { NetlinkRequest } from './netlink-message.js';
import { openSocket, SocketDomain, SocketType } from './socket-calls.js';
import { trace } from './trace.js';

/** NETLINK_ROUTE and NETLINK_GENERIC of include/uapi/linux/netlink.h. */
const Protocol = { ROUTE: 0, GENERIC: 16 } as const;

/** A datagram of a dump has at most 32 KiB (netlink_dump in net/netlink/af_netlink.c). */
const datagramSize = 64 * 1024;

const EAGAIN = -constants.errno.EAGAIN;
const EMSGSIZE = -constants.errno.EMSGSIZE;

/**
 * Asks rtnetlink, in another network namespace if one is given, off the event loop: the kernel may have to wait for other
 * changes of the network. Returns the messages of the answer. KernelError with the kernel's own sentence where it has one.
 */
export async function routeRequest(
  request: NetlinkRequest,
  what: string,
  networkNamespace?: Handle,
): Promise<NetlinkMessage[]> {
  return ask(Protocol.ROUTE, request, what, networkNamespace);
}

/** As {@link routeRequest}, of generic netlink. */
export async function genericRequest(
  request: NetlinkRequest,
  what: string,
  networkNamespace?: Handle,
): Promise<NetlinkMessage[]> {
  return ask(Protocol.GENERIC, request, what, networkNamespace);
}

async function ask(
  protocol: number,
  request: NetlinkRequest,
  what: string,
  networkNamespace: Handle | undefined,
): Promise<NetlinkMessage[]> {
  const socket = openSocket({ domain: SocketDomain.NETLINK, type: SocketType.RAW, protocol, networkNamespace });
  try {
    const native = addon();
    const { message, patches } = request.finish();
    const sent = await completed((completion) => native.netlinkSend(socket.token, [message], patches, completion));
    trace('write(netlink)', sent);
    if (sent < 0) throw new KernelError(what, 'write(netlink)', sent);
    return receiveAnswer(socket, what);
  } finally {
    socket.close();
  }
}

/** The kernel has answered when the request was sent; only of a dump it makes the rest as it is read. */
function receiveAnswer(socket: Handle, what: string): NetlinkMessage[] {
  const answer: NetlinkMessage[] = [];
  const buffer = new Uint8Array(datagramSize);
  for (;;) {
    const size = addon().netlinkReceive(socket.token, buffer);
    if (size < 0) throw new KernelError(what, 'recv(netlink)', size);
    if (size > buffer.byteLength) throw new KernelError(what, 'recv(netlink)', EMSGSIZE);
    if (size === 0) throw new KernelError(what, 'recv(netlink)', EAGAIN);
    for (const message of parseMessages(buffer.slice(0, size))) {
      if (message.type === NetlinkType.DONE) return answer;
      if (message.type === NetlinkType.ERROR) {
        const { errno, sentence } = parseError(message);
        if (errno === 0) return answer;
        const advice = sentence === undefined ? {} : { advice: `the kernel says: ${escapeControl(sentence)}` };
        throw new KernelError(what, 'netlink', errno, advice);
      }
      answer.push(message);
    }
  }
}
