import { LinkType, MapType, type AttachType } from '../abi/index.js';
import { EbpfError, UnsupportedError, UsageError } from '../errors/index.js';
import { features, supposed } from '../kernel/index.js';
import {
  attachProgram,
  createLink,
  detachProgram,
  duplicateHandle,
  objectInfo,
  queryPrograms,
  requireHandle,
  type AttachedProgram,
  type Handle,
  type HeldObject,
} from '../sys/index.js';

import type { AttachmentWithoutLink, AttachOptions } from './program.js';

/** Where a program that looks at the traffic of sockets attaches. */
export interface SocketMapAttachOptions extends AttachOptions {
  /** A {@link SockMap} or {@link SockHash}: the program runs for the sockets that are put into it from now on. */
  readonly map: HeldObject;
}

/** Which map of sockets is asked for its programs. */
export interface SocketMapQueryOptions {
  /** A {@link SockMap} or {@link SockHash}. */
  readonly map: HeldObject;
}

/** `sk_msg map "sockets"`, for people. */
export function socketMapTarget(
  kind: string,
  options: SocketMapAttachOptions | undefined,
): { map: Handle; words: string } {
  const given = (options ?? {}) as Partial<SocketMapAttachOptions>;
  const map = requireHandle('map', given.map, 'map');
  return { map, words: `${kind} ${map.describe()}` };
}

/**
 * The programs of a map of sockets of one attach type: one or none; none where the kernel was built without such programs.
 *
 * @throws {@link UsageError} for another map; {@link UnsupportedError} before Linux 5.18.
 */
export async function querySocketMap(map: Handle, attachType: AttachType): Promise<readonly AttachedProgram[]> {
  const { type } = objectInfo(map, 'map');
  if (type !== (MapType.SOCKMAP as number) && type !== (MapType.SOCKHASH as number)) {
    throw UsageError.invalidValue('map', `${map.describe()} is no SockMap or SockHash`);
  }
  try {
    return (await queryPrograms({ target: map, attachType })).programs;
  } catch (error) {
    if (!EbpfError.is(error)) throw error;
    if (error.errnoName === 'ENOTSUP') return [];
    if (error.errnoName !== 'EINVAL') throw error;
    const problem = `this kernel does not tell what is attached to ${map.describe()}`;
    throw new UnsupportedError('asking for the programs of a map of sockets', problem, { since: '5.18', cause: error });
  }
}

/** Attaches a program to a map of sockets: by a link (Linux 6.10), else as was done before, which behaves as one. */
export async function attachToSocketMap(
  program: Handle,
  map: Handle,
  attachType: AttachType,
  words: string,
): Promise<Handle | AttachmentWithoutLink> {
  try {
    if ((await supposed(features.linkType(LinkType.SOCKMAP))).supported) {
      return await createLink({ program, target: map, attachType });
    }
    await attachProgram(program, map, attachType);
  } catch (error) {
    if (EbpfError.is(error) && error.errnoName === 'EBUSY') {
      throw UsageError.busy(words, 'a program of this kind is attached already');
    }
    throw error;
  }
  return withoutLink(duplicateHandle(program), duplicateHandle(map), attachType, words);
}

/** The handles are its own: the program's object and the map's may be closed before it. */
function withoutLink(program: Handle, map: Handle, attachType: AttachType, words: string): AttachmentWithoutLink {
  return {
    withoutLink: {
      feature: 'links of maps of sockets',
      explanation: `this kernel attached the program to ${words} without one`,
      since: '6.10',
    },
    // Once neither this process nor a pin holds the map, the program is gone with it.
    survivesProcess: false,
    detach: async () => {
      try {
        await detachProgram(program, map, attachType);
      } catch (error) {
        // Somebody else attached another one in its place: that is theirs.
        if (!EbpfError.is(error) || error.errnoName !== 'ENOENT') throw error;
      } finally {
        program.close();
        map.close();
      }
    },
  };
}
