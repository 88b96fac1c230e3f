import { EbpfError, UsageError } from '../errors/index.js';
import { atNotedPlace, DispatchedXdpLink, type LinkDetails, type LinkNote } from '../links/index.js';
import type { AttachmentOfDispatcher } from '../programs/index.js';
import { duplicateHandle, objectInfo, type Handle } from '../sys/index.js';

import { changeDispatcher, lookAt, requirePresent, type DispatcherPlace } from './change-dispatcher.js';
import { componentOf, type Component } from './component.js';
import { defaultVersion } from './dispatcher-config.js';
import { DispatcherFolder } from './dispatcher-folder.js';

/** The last dispatcher that is known to have been made for a place: to be cleared away when its interface is gone. */
export interface Last {
  id: number;
}

interface NewEntry {
  readonly component: Component;
  readonly last: Last;
  readonly keep: boolean;
}

/** How a program that is in a dispatcher now is taken off or replaced later. */
export function dispatchedAttachment(
  { networkNamespace, ...place }: DispatcherPlace,
  { component: { id, priority, continueOn, fragments }, last, keep }: NewEntry,
): AttachmentOfDispatcher {
  // The interface is to be found again when the namespace's file is gone.
  const space = networkNamespace === undefined ? undefined : duplicateHandle(networkNamespace);
  const later: DispatcherPlace = { ...place, networkNamespace: space };
  let current = id;
  const remove = async (): Promise<void> => {
    try {
      last.id = await changeDispatcher(later, (present) => present.filter((one) => one.id !== current));
    } catch (error) {
      if (!EbpfError.is(error) || error.errnoName !== 'ENODEV') throw error;
      // The interface is gone, and with it what was attached.
      place.folder.unpin(place.index, last.id);
    } finally {
      space?.close();
    }
  };
  const leave = async (): Promise<void> => Promise.resolve(space?.close());
  return {
    ...withoutLink(place.words),
    ...{ detach: keep ? leave : remove, undo: remove, leave },
    isAttached: async () => hasAny(later, new Set([current])),
    replace: async (newer: Handle, expected: Handle | undefined) => {
      const component = componentOf(newer, { priority, continueOn, fragments });
      if (expected !== undefined && objectInfo(expected, 'program').id !== current) {
        throw UsageError.busy(place.words, 'another program than the expected one is attached by this link');
      }
      last.id = await changeDispatcher(later, (present) => {
        requirePresent(present, new Set([current]));
        return present.map((one) => (one.id === current ? component : one));
      });
      current = component.id;
    },
  };
}

/** Of a program that another process, or an earlier one, attached and pinned. */
export function openDispatched(note: LinkNote): { readonly kind: typeof DispatchedXdpLink } & Partial<LinkDetails> {
  const { namespaceId, target: words } = note;
  const ids = new Set(note.programIds);
  const folder = new DispatcherFolder(note.bpffs);
  const atPlace = async <Result>(use: (place: DispatcherPlace) => Promise<Result>): Promise<Result | undefined> =>
    atNotedPlace(note, async ({ index, networkNamespace }) =>
      use({ index, networkNamespace, namespaceId, folder, mode: undefined, version: defaultVersion, words }),
    );
  return {
    kind: DispatchedXdpLink,
    ...withoutLink(words),
    isAttached: async () => (await atPlace(async (place) => hasAny(place, ids))) === true,
    detach: async () => {
      const wasThere = await atPlace(async (place) => {
        const isThere = await hasAny(place, ids);
        if (isThere) await changeDispatcher(place, (present) => present.filter(({ id }) => !ids.has(id)));
        return isThere;
      });
      // Taken off by others, or gone with the interface; its pins are not.
      if (wasThere !== true && folder.exists) {
        await folder.locked(undefined, async () => {
          folder.unpinWith(note.interface, ids);
          return Promise.resolve();
        });
      }
    },
    replace: async (newer: Handle, expected: Handle | undefined) => {
      if (expected !== undefined && !ids.has(objectInfo(expected, 'program').id)) {
        throw UsageError.busy(words, 'another program than the expected one is attached by this link');
      }
      const replaced = await atPlace(async (place) =>
        changeDispatcher(place, (present) => {
          const older = present.find(({ id }) => ids.has(id));
          if (older === undefined) requirePresent(present, ids);
          return present.map((one) => (one === older ? componentOf(newer, one) : one));
        }),
      );
      if (replaced === undefined) throw UsageError.invalidValue('link', `the interface of ${words} is gone`);
      ids.clear();
      ids.add(objectInfo(newer, 'program').id);
    },
  };
}

function withoutLink(words: string): Required<Pick<LinkDetails, 'withoutLink' | 'survivesProcess'>> {
  const explanation = `the dispatcher of ${words} has the link`;
  return { withoutLink: { feature: 'links of dispatched programs', explanation }, survivesProcess: true };
}

/** Whether one of the programs is in the dispatcher. */
async function hasAny(place: DispatcherPlace, programIds: ReadonlySet<number>): Promise<boolean> {
  try {
    const present = await lookAt(place);
    return present?.components.some(({ id }) => programIds.has(id)) === true;
  } catch (error) {
    // With the interface it is gone; another program alone has taken the dispatcher's place.
    if (EbpfError.is(error) && (error.errnoName === 'ENODEV' || error.code === 'ERR_EBPF_BUSY')) return false;
    throw error;
  }
}
