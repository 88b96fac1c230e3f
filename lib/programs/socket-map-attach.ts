import { LinkType, type AttachType } from '../abi/index.js';
import { EbpfError, UsageError } from '../errors/index.js';
import { features, supposed } from '../kernel/index.js';
import {
  attachProgram,
  createLink,
  detachProgram,
  duplicateHandle,
  requireHandle,
  type Handle,
  type HeldObject,
} from '../sys/index.js';

import type { AttachmentWithoutLink, AttachOptions } from './program.js';

/** Where a program that looks at the traffic of sockets attaches. */
export interface SocketMapAttachOptions extends AttachOptions {
  /** A {@link SockMap} or {@link SockHash}: the program runs for the sockets that are put into it from now on. */
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
