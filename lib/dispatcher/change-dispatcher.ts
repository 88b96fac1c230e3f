import { EbpfError, UsageError } from '../errors/index.js';
import {
  createLink,
  objectInfo,
  queryXdp,
  setXdp,
  XdpFlag,
  type AttachedXdp,
  type Handle,
  type XdpMode,
} from '../sys/index.js';

import { inRunOrder, type Component } from './component.js';
import { mostPrograms } from './dispatcher-config.js';
import type { DispatcherFolder, InterfaceKey, PinnedSlot } from './dispatcher-folder.js';
import { loadDispatcher } from './dispatcher-program.js';
import { closeAll, readDispatcher, type PresentDispatcher } from './read-dispatcher.js';

/** Where a dispatcher is, or is to be. */
export interface DispatcherPlace extends InterfaceKey {
  readonly networkNamespace: Handle | undefined;
  readonly folder: DispatcherFolder;
  /** The one to attach in; the one that is attached must be in it. */
  readonly mode: XdpMode | undefined;
  /** Of the protocol, for a new one. */
  readonly version: number;
  /** For people. */
  readonly words: string;
}

/** How often others may be quicker. */
const mostAttempts = 20;

const modeFlags: Readonly<Record<XdpMode, number>> = {
  native: XdpFlag.NATIVE,
  generic: XdpFlag.GENERIC,
  offload: XdpFlag.OFFLOAD,
};

/** The program in native or generic mode: one in the card is beside it. */
function attachedTo(programs: readonly AttachedXdp[]): AttachedXdp | undefined {
  return programs.find(({ mode }) => mode !== 'offload');
}

/**
 * Puts another dispatcher in the place of the present one, with the programs that `edit` makes of the present ones: at once for all
 * packets. Begins anew when somebody else has changed something meanwhile. Resolves with the id of the dispatcher; 0 for none.
 */
export async function changeDispatcher(
  place: DispatcherPlace,
  edit: (present: readonly Component[]) => readonly Component[],
  signal?: AbortSignal,
): Promise<number> {
  return place.folder.locked(signal, async () => {
    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted();
      const { index, networkNamespace, mode, words } = place;
      const attached = attachedTo(await queryXdp(index, networkNamespace));
      place.folder.finishInterrupted(place, attached?.programId ?? 0);
      if (attached !== undefined && mode !== undefined && attached.mode !== mode) {
        throw UsageError.busy(words, `the programs there run in ${attached.mode} mode, not in ${mode} mode`);
      }
      const present = attached === undefined ? undefined : readDispatcher(attached, place);
      // It went between two questions.
      if (attached !== undefined && present === undefined && attempt < mostAttempts) continue;
      try {
        return await replace(place, present, inRunOrder(edit(present?.components ?? [])));
      } catch (error) {
        // EEXIST: another one than expected. EBUSY: one where none was. Of a link it stays that way.
        const changed = EbpfError.is(error) && (error.errnoName === 'EEXIST' || error.errnoName === 'EBUSY');
        if (!changed || attempt >= mostAttempts) throw error;
      } finally {
        if (present !== undefined) closeAll(present);
      }
    }
  });
}

/** The dispatcher that is attached now; its handles are closed. The folder is not to be locked. */
export async function lookAt(place: DispatcherPlace): Promise<PresentDispatcher | undefined> {
  const { index, networkNamespace, folder } = place;
  const attached = attachedTo(await queryXdp(index, networkNamespace));
  if (attached === undefined && !folder.exists) return undefined;
  return folder.locked(undefined, async () => {
    const now = attachedTo(await queryXdp(index, networkNamespace));
    folder.finishInterrupted(place, now?.programId ?? 0);
    const present = now === undefined ? undefined : readDispatcher(now, place);
    if (present !== undefined) closeAll(present);
    return present;
  });
}

/** @throws {@link UsageError} `ERR_EBPF_NOT_FOUND` when one of the programs is not in the dispatcher. */
export function requirePresent(present: readonly Component[], wanted: ReadonlySet<number>): void {
  const ids = present.map(({ id }) => String(id));
  for (const id of wanted) {
    if (!ids.includes(String(id))) throw UsageError.notFound('program of the dispatcher', String(id), ids);
  }
}

async function replace(
  place: DispatcherPlace,
  present: PresentDispatcher | undefined,
  wanted: readonly Component[],
): Promise<number> {
  const { index, folder, words } = place;
  if (wanted.length > mostPrograms) {
    throw UsageError.busy(
      words,
      `a dispatcher has room for ${mostPrograms} programs, and these would be ${wanted.length}`,
    );
  }
  if (wanted.length === 0) {
    if (present === undefined) return 0;
    await folder.noted(place, present.id, 0, async () => swap(place, present, undefined));
    return 0;
  }
  const { handle, slotIds } = await loadDispatcher({ version: present?.version ?? place.version, slots: wanted });
  const slots: PinnedSlot[] = [];
  try {
    for (const [slot, { handle: program }] of wanted.entries()) {
      const link = await createLink({
        program,
        target: handle,
        attachType: 0,
        fields: { target_btf_id: slotIds[slot] ?? 0 },
      });
      slots.push({ program, link });
    }
    const { id } = objectInfo(handle, 'program');
    await folder.noted(place, present?.id ?? 0, id, async () => {
      folder.pin(index, id, slots);
      await swap(place, present, handle);
    });
    return id;
  } finally {
    handle.close();
    // By now they are pinned, or not wanted.
    await Promise.all(slots.map(async ({ link }) => link.closeAsync()));
  }
}

async function swap(
  { index, networkNamespace, mode }: DispatcherPlace,
  present: PresentDispatcher | undefined,
  program: Handle | undefined,
): Promise<void> {
  const chosen = present?.mode ?? mode;
  const modeFlag = chosen === undefined ? 0 : modeFlags[chosen];
  await setXdp({
    interfaceIndex: index,
    program,
    flags: modeFlag | (present === undefined ? XdpFlag.ONLY_IF_NONE : XdpFlag.REPLACE),
    expected: present?.handle,
    networkNamespace,
  });
}
