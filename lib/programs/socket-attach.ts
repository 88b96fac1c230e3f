import { constants } from 'node:os';

import { KernelError, UsageError } from '../errors/index.js';
import {
  getSocketOption,
  setSocketOption,
  socketDescriptor,
  SocketOption,
  type Handle,
  type SocketLike,
} from '../sys/index.js';

import type { AttachmentWithoutLink, AttachOptions } from './program.js';

const EINVAL = -constants.errno.EINVAL;

/** Which socket a program attaches to. */
export interface SocketAttachOptions extends AttachOptions {
  /** A socket that is open: listening, bound or connected. It stays its owner's to close. */
  readonly socket: SocketLike;
}

/** The two places of a socket for programs: its own filter, and what chooses in its group. */
export interface SocketSlot {
  readonly attach: SocketOption;
  readonly detach: SocketOption;
  /** What EINVAL of the attach means. */
  readonly advice?: string;
}

export const filterSlot: SocketSlot = { attach: SocketOption.ATTACH_BPF, detach: SocketOption.DETACH_BPF };
export const reuseportSlot: SocketSlot = {
  attach: SocketOption.ATTACH_REUSEPORT_EBPF,
  detach: SocketOption.DETACH_REUSEPORT_BPF,
  // reuseport_attach_prog in net/core/sock_reuseport.c
  advice: 'the socket must share its port: bind or listen with SO_REUSEPORT (reusePort)',
};

/** Attaches a program to a socket; detaching later does nothing once the descriptor is another socket's. */
export function attachToSocket(
  program: Handle,
  socket: SocketLike,
  slot: SocketSlot,
  words: string,
): AttachmentWithoutLink {
  const descriptor = socketDescriptor('socket', socket);
  const cookie = socketCookie(descriptor);
  if (cookie === undefined)
    throw UsageError.invalidValue('socket', `descriptor ${descriptor} is not of an open socket`);
  const result = setSocketOption(descriptor, slot.attach, program);
  if (result < 0) {
    const { advice } = slot;
    const options = result === EINVAL && advice !== undefined ? { advice } : {};
    throw new KernelError(`attach ${program.describe()} to ${words}`, 'setsockopt', result, options);
  }
  return {
    withoutLink: {
      feature: 'links of sockets',
      explanation: `the kernel attached the program to ${words} without one; there are none`,
    },
    survivesProcess: false,
    detach: async () => {
      if (socketCookie(descriptor) === cookie) detachFromSocket(descriptor, slot, words);
      return Promise.resolve();
    },
  };
}

/** Takes off whatever program is in the place; false when there was none. */
export function detachFromSocket(socket: SocketLike, slot: SocketSlot, words: string): boolean {
  const descriptor = socketDescriptor('socket', socket);
  const result = setSocketOption(descriptor, slot.detach, new Uint8Array(4));
  if (result === 0) return true;
  const error = new KernelError(`detach the program of ${words}`, 'setsockopt', result);
  if (error.errnoName === 'ENOENT') return false;
  throw error;
}

/** `socket 12`, for people. */
export function socketWords(kind: string, socket: SocketLike): string {
  return `${kind} socket ${socketDescriptor('socket', socket)}`;
}

/** What tells a socket from every other, as descriptors do not; undefined when it is not an open socket. */
function socketCookie(descriptor: number): bigint | undefined {
  const cookie = new BigUint64Array(1);
  const size = getSocketOption(descriptor, SocketOption.COOKIE, new Uint8Array(cookie.buffer));
  return size < 0 ? undefined : cookie[0];
}
