import { inspect } from 'node:util';

import { UsageError } from '../errors/index.js';
import { descriptorNumber, type DescriptorSource } from './descriptor-calls.js';

/**
 * An open socket: a `Socket` or `Server` of `node:net`, a `Socket` of `node:dgram`, a file descriptor, or an object with an
 * `fd`. It is looked at during the call only and stays its owner's to close.
 */
export type SocketLike = DescriptorSource | object;

/**
 * The descriptor of a socket. Throws UsageError for what has none: something else, or a socket that is not listening, bound or
 * connected yet.
 */
export function socketDescriptor(path: string, socket: SocketLike): number {
  if (typeof socket === 'number') return descriptorNumber(socket, path);
  const descriptor = descriptorIn(socket);
  if (descriptor !== undefined && descriptor >= 0) return descriptorNumber(descriptor, path);
  const what = inspect(socket, { depth: -1 });
  throw UsageError.invalidValue(
    path,
    `${what} has no open socket; listen, bind or connect first, or give its file descriptor`,
  );
}

/** Node has no public way to a socket's descriptor: `_handle` of net, a state under a symbol of dgram. */
function descriptorIn(socket: unknown): number | undefined {
  if (typeof socket !== 'object' || socket === null) return undefined;
  const own = numberOf(socket, 'fd');
  if (own !== undefined) return own;
  const state = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  const inner = state === undefined ? socket : (socket as Record<symbol, unknown>)[state];
  if (typeof inner !== 'object' || inner === null) return undefined;
  const handle = (inner as Record<string, unknown>)[state === undefined ? '_handle' : 'handle'];
  return typeof handle === 'object' && handle !== null ? numberOf(handle, 'fd') : undefined;
}

function numberOf(holder: object, name: string): number | undefined {
  const value = (holder as Record<string, unknown>)[name];
  return typeof value === 'number' ? value : undefined;
}
