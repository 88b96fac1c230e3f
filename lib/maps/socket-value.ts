import type { EntryCodec } from '../codec/index.js';
import { EbpfError, UsageError, quote } from '../errors/index.js';
import { socketDescriptor, type SocketLike } from '../sys/index.js';

import type { BpfMap, MapDetails } from './bpf-map.js';

/** Of these bytes a value is that the kernel gives back: it has room for a cookie. */
const cookieSize = 8;

const littleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/**
 * The values of maps of sockets: a descriptor on the way in, the socket's cookie on the way out. Maps whose values have
 * four bytes give nothing out.
 * @internal
 */
export function socketCodec({ name, valueSize }: MapDetails): EntryCodec<bigint, SocketLike> {
  return {
    typeName: 'socket',
    size: valueSize,
    decode(view, offset) {
      requireCookies(name, valueSize);
      return view.getBigUint64(offset, littleEndian);
    },
    encode(socket, view, offset) {
      const descriptor = socketDescriptor('socket', socket);
      if (valueSize === cookieSize) view.setBigUint64(offset, BigInt(descriptor), littleEndian);
      else view.setUint32(offset, descriptor, littleEndian);
    },
  };
}

/** Refuses to look up what the kernel does not give: ENOSPC. @internal */
export function requireCookies(map: string, valueSize: number): void {
  if (valueSize === cookieSize) return;
  throw UsageError.invalidValue(
    `map ${quote(map)}`,
    'its values have 4 bytes, of which the kernel gives nothing back; declare them as __u64 to be told the sockets',
  );
}

/** Says what is wrong with a socket that the kernel did not take. `wanted` is what the map takes. @internal */
export function socketFailure(error: unknown, map: BpfMap, wanted: string): unknown {
  if (!EbpfError.is(error)) return error;
  switch (error.errnoName) {
    case 'EBADF':
    case 'ENOTSOCK':
      return UsageError.invalidValue('socket', 'its descriptor is not of an open socket', { cause: error });
    case 'ENOTSUP':
    case 'EINVAL':
      return UsageError.invalidValue('socket', `map ${quote(map.name)} takes ${wanted}`, { cause: error });
    case 'ENOBUFS':
      return UsageError.invalidValue('socket', 'it has no ring to receive by yet (XDP_RX_RING)', { cause: error });
    case 'EBUSY':
      return UsageError.busy('the socket', 'it is in another map of this kind already, or the map is being changed');
    default:
      return error;
  }
}
