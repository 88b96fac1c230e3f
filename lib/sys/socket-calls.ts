import { KernelError, UsageError } from '../errors/index.js';
import { addon } from './addon.js';
import { Handle } from './handle.js';
import { trace } from './trace.js';

/** SOL_SOCKET of include/uapi/asm-generic/socket.h, as on every architecture that Node runs on but MIPS. */
const solSocket = 1;

/** Options of include/uapi/asm-generic/socket.h. */
export const SocketOption = {
  /** Linux 3.19. The value is a program. */
  ATTACH_BPF: 50,
  /** Takes off a program or a classic filter. The value is not looked at. */
  DETACH_BPF: 27,
  /** Linux 4.5. The value is a program. */
  ATTACH_REUSEPORT_EBPF: 52,
  /** Linux 4.12. 64 bits that no other socket has since the machine started. */
  COOKIE: 57,
  /** Linux 5.3. The value is not looked at. */
  DETACH_REUSEPORT_BPF: 68,
} as const;
export type SocketOption = (typeof SocketOption)[keyof typeof SocketOption];

/**
 * setsockopt(2) on one of the process's own sockets, of SOL_SOCKET or another level. Returns 0 or -errno. A value that is a
 * program stands for its descriptor.
 */
export function setSocketOption(
  descriptor: number,
  option: number,
  value: Uint8Array | Handle,
  level: number = solSocket,
): number {
  const given = value instanceof Uint8Array ? value : value.token;
  const call = `setsockopt(${descriptor}, ${level}, ${option})`;
  return trace(call, addon().setSocketOption(descriptor, level, option, given));
}

/** getsockopt(SOL_SOCKET). Returns the bytes written into `value`, or -errno. */
export function getSocketOption(descriptor: number, option: SocketOption, value: Uint8Array): number {
  return trace(`getsockopt(${descriptor}, ${option})`, addon().getSocketOption(descriptor, solSocket, option, value));
}

/** AF_* of include/linux/socket.h. */
export const SocketDomain = { INET: 2, NETLINK: 16, XDP: 44 } as const;
/** SOCK_* of include/linux/net.h, the same on every architecture that Node runs on but MIPS. */
export const SocketType = { STREAM: 1, DATAGRAM: 2, RAW: 3 } as const;

/** Which socket to make. */
export interface OpenSocketOptions {
  readonly domain: number;
  readonly type: number;
  readonly protocol: number;
  /** Where; in the process's own network namespace without it. */
  readonly networkNamespace?: Handle | undefined;
}

/** socket(2), which does not wait. Throws KernelError, for the entering of a namespace one of `setns`. */
export function openSocket({ domain, type, protocol, networkNamespace }: OpenSocketOptions): Handle {
  if (networkNamespace?.closed === true) throw UsageError.closed(networkNamespace.describe());
  const token = trace(`socket(${domain})`, addon().socketOpen(domain, type, protocol, networkNamespace?.token ?? 0));
  if (token >= 0) return new Handle('socket', token);
  if (networkNamespace === undefined) throw new KernelError('open a socket', 'socket', token);
  throw new KernelError(`enter ${networkNamespace.describe()}`, 'setns', token);
}
