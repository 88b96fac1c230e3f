import { BpfCommand } from '../abi/index.js';
import { KernelError, UnsupportedError, UsageError, quote } from '../errors/index.js';
import { commandName, mapShape, type Handle } from '../sys/index.js';

import { E2BIG, EBUSY, EINVAL, ENOSPC, ENOTSUPP, EOPNOTSUPP, EPERM } from './errno.js';
import { mapTypeName } from './map-type-name.js';

/** What an error says of a map. @internal */
export interface FailedMap {
  readonly handle: Handle;
  readonly name: string;
  readonly keySize: number;
  readonly maxEntries: number;
}

/** The buffers of a call that was refused; undefined for those it has not. @internal */
export interface CallBuffers {
  readonly key?: Uint8Array | null | undefined;
  readonly value?: Uint8Array | undefined;
}

/**
 * Why a call on the elements of a map was refused: closed, given buffers of the wrong length, of a type that has no such
 * command, or the kernel's own reason. `what` is a verb that the map follows: `update`.
 * @internal
 */
export function callFailure(
  map: FailedMap,
  what: string,
  command: BpfCommand,
  errno: number,
  buffers: CallBuffers = {},
): Error {
  const { handle, name } = map;
  if (handle.closed) return UsageError.closed(`map ${quote(name)}`);
  const wrong = errno === EINVAL ? wrongBuffer(map, buffers) : undefined;
  if (wrong !== undefined) return wrong;
  const failure = new KernelError(`${what} map ${quote(name)}`, commandName(command), errno, advice(map, errno));
  return errno === ENOTSUPP || errno === EOPNOTSUPP ? withoutCommand(map, command, failure) : failure;
}

function wrongBuffer({ handle, name, keySize }: FailedMap, { key, value }: CallBuffers): UsageError | undefined {
  if (key !== undefined && (key?.length ?? 0) !== keySize) {
    const given = key === null ? 'it is null' : `it has ${key.length} bytes`;
    const wanted = keySize === 0 ? `map ${quote(name)} has no keys` : `keys of map ${quote(name)} have ${keySize}`;
    return UsageError.invalidValue('key', `${given}; ${wanted}`);
  }
  const { valueBytes } = mapShape(handle);
  if (value === undefined || value.length >= valueBytes) return undefined;
  const problem = `it has ${value.length} bytes; values of map ${quote(name)} have ${valueBytes}`;
  return UsageError.invalidValue('value', problem);
}

function advice({ maxEntries }: FailedMap, errno: number): { advice?: string } {
  switch (errno) {
    // Of a trie: ENOSPC.
    case E2BIG:
    case ENOSPC:
      return { advice: `the map is full: it holds ${maxEntries} entries; load it with a larger maxEntries` };
    case EPERM:
      return { advice: 'the map is frozen, or was opened or made for the other direction only (access)' };
    case EBUSY:
      return { advice: 'others hold a lock of the map at this moment; try again' };
    default:
      return {};
  }
}

/** The first kernel that takes values out of hashes (3e87f192b405). */
const takeSince = '5.14';

function withoutCommand({ handle, name }: FailedMap, command: BpfCommand, failure: KernelError): UnsupportedError {
  const type = mapTypeName(mapShape(handle).type);
  const { errno, errnoName, syscall } = failure;
  const hash = /HASH$/.test(type) && !/SOCK|MAPS|DEVMAP/.test(type);
  const since = command === BpfCommand.MAP_LOOKUP_AND_DELETE_ELEM && hash ? takeSince : undefined;
  const explanation =
    since === undefined
      ? `maps of type ${type} have no such command on this kernel (map ${quote(name)})`
      : `map ${quote(name)} is of type ${type}, of which this needs Linux ${since}; get and delete are two steps, between which a program may change the value`;
  return new UnsupportedError(commandName(command), explanation, {
    cause: failure,
    failure: { errno, errnoName, syscall },
    ...(since === undefined ? {} : { since }),
  });
}
