// Sockets that Node does not make by itself: ones that share their port (Node 22.12 does), and AF_XDP ones.
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

import {
  openSocket,
  setSocketOption,
  socketDescriptor,
  SocketDomain,
  SocketType,
  type Handle,
} from '../../lib/sys/index.js';

/** SO_REUSEPORT of include/uapi/asm-generic/socket.h. */
const SO_REUSEPORT = 15;

/** Of include/linux/socket.h and include/uapi/linux/if_xdp.h. */
const SOL_XDP = 283;
const XDP_RX_RING = 2;

/** The sockets of this process: their inodes, with the descriptor of each. */
function socketsByInode(): Map<string, number> {
  const sockets = new Map<string, number>();
  for (const name of readdirSync('/proc/self/fd')) {
    try {
      const target = readlinkSync(`/proc/self/fd/${name}`);
      if (target.startsWith('socket:')) sockets.set(target, Number(name));
    } catch {
      // That of readdir itself is closed by now.
    }
  }
  return sockets;
}

/** A socket of the addon's, with the number of its descriptor, which the addon keeps to itself. */
interface RawSocket {
  readonly descriptor: number;
  readonly handle: Handle;
}

/** An AF_XDP socket with a ring to receive by, as maps want it since Linux 7, that is not bound. */
export function xdpSocket(): RawSocket {
  const socket = rawSocket(SocketDomain.XDP, SocketType.RAW);
  const entries = new Uint8Array(Uint32Array.of(64).buffer);
  check(setSocketOption(socket.descriptor, XDP_RX_RING, entries, SOL_XDP));
  return socket;
}

/** A UDP socket that is not bound. */
export function datagramSocket(): RawSocket {
  return rawSocket(SocketDomain.INET, SocketType.DATAGRAM);
}

function rawSocket(domain: number, type: number): RawSocket {
  const before = socketsByInode();
  const handle = openSocket({ domain, type, protocol: 0 });
  const [added] = [...socketsByInode()].filter(([inode]) => !before.has(inode));
  if (added === undefined) throw new Error('there is no new socket');
  return { descriptor: added[1], handle };
}

/**
 * The descriptor of a socket that will share its port. Node, which is given it, closes it; the addon, which has it too, would
 * only at the end of the process.
 */
function sharing(type: number): number {
  const { descriptor } = rawSocket(SocketDomain.INET, type);
  const on = new Uint8Array(Uint32Array.of(1).buffer);
  check(setSocketOption(descriptor, SO_REUSEPORT, on));
  return descriptor;
}

/** Node's own objects below sockets, which take a descriptor before they are bound. */
interface InnerSocket {
  open(descriptor: number): number;
  bind(address: string, port: number): number;
}
interface TcpBinding {
  readonly TCP: new (kind: number) => InnerSocket;
  readonly constants: { readonly SERVER: number };
}

/** A TCP server on 127.0.0.1 that shares its port; port 0 chooses one. */
export async function sharingServer(port: number): Promise<Server> {
  const { TCP, constants } = (process as unknown as { binding(name: string): TcpBinding }).binding('tcp_wrap');
  const inner = new TCP(constants.SERVER);
  check(inner.open(sharing(SocketType.STREAM)));
  check(inner.bind('127.0.0.1', port));
  const server = createServer();
  server.listen({ _handle: inner } as unknown as { fd: number });
  await once(server, 'listening');
  return server;
}

/** A UDP socket on 127.0.0.1 that shares its port; port 0 chooses one. */
export async function sharingDatagramSocket(port: number): Promise<DatagramSocket> {
  const socket = createSocket('udp4');
  const symbol = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  const state = (socket as unknown as Record<symbol, { handle: InnerSocket }>)[symbol ?? Symbol()];
  check(state?.handle.open(sharing(SocketType.DATAGRAM)) ?? -1);
  socket.bind(port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** The port of a server or datagram socket. */
export function portOf(socket: Server | DatagramSocket): number {
  const address = socket.address();
  if (address === null || typeof address === 'string') throw new Error('it has no port');
  return address.port;
}

function check(result: number): void {
  if (result < 0) throw new Error(`errno ${-result}`);
}

/** IPPROTO_IPV6 and IPV6_RTHDR of include/uapi/linux/in6.h. */
const IPPROTO_IPV6 = 41;
const IPV6_RTHDR = 57;

/** What an IPv6 socket sends to `::1` goes to `fc00::1` first, by a routing header (struct ipv6_sr_hdr of include/uapi/linux/seg6.h). */
export function goBySegment(socket: DatagramSocket): void {
  const header = new Uint8Array(8 + 2 * 16);
  // Its length after the first eight bytes, in units of those; type 4; one segment left, the second of the two.
  header.set([0, 4, 4, 1, 1]);
  header.set([0xfc, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], 24);
  check(setSocketOption(socketDescriptor('socket', socket), IPV6_RTHDR, header, IPPROTO_IPV6));
}
