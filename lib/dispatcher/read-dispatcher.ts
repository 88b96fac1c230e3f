import { EbpfError, UsageError } from '../errors/index.js';
import {
  mapLookup,
  mapShape,
  objectInfo,
  openById,
  type AttachedXdp,
  type Handle,
  type XdpMode,
} from '../sys/index.js';

import { componentOf, type Component } from './component.js';
import { decodeConfig, type DispatcherConfig } from './dispatcher-config.js';
import type { DispatcherFolder } from './dispatcher-folder.js';
import { dispatcherName } from './dispatcher-program.js';

/** A dispatcher that is attached to an interface, whoever made it. To be closed. */
export interface PresentDispatcher {
  readonly handle: Handle;
  readonly id: number;
  readonly mode: XdpMode;
  readonly version: number;
  /** In the order in which they run. */
  readonly components: readonly Component[];
}

/**
 * Opens the dispatcher of an interface. Its folder is to be locked. `undefined` when it has gone since it was asked for.
 *
 * @throws {@link UsageError} `ERR_EBPF_BUSY` when the program that is attached is no dispatcher, or one whose programs are pinned
 * elsewhere; {@link UnsupportedError} for other versions of the protocol.
 */
export function readDispatcher(
  { programId, mode }: AttachedXdp,
  { index, folder, words }: { readonly index: number; readonly folder: DispatcherFolder; readonly words: string },
): PresentDispatcher | undefined {
  const handle = openIfThere(programId);
  if (handle === undefined) return undefined;
  const components: Component[] = [];
  try {
    const config = configOf(handle);
    if (config === undefined) {
      throw UsageError.busy(
        words,
        `program ${programId} is attached there alone, without a dispatcher; detach it first`,
      );
    }
    for (const [slot, one] of config.slots.entries()) {
      components.push(componentOf(openSlot(folder, { index, programId, slot, words }), one));
    }
    return { handle, id: programId, mode, version: config.version, components };
  } catch (error) {
    closeAll({ handle, components });
    throw error;
  }
}

/** Closes what {@link readDispatcher} opened. */
export function closeAll({ handle, components }: Pick<PresentDispatcher, 'handle' | 'components'>): void {
  handle.close();
  for (const component of components) component.handle.close();
}

function openSlot(
  folder: DispatcherFolder,
  { index, programId, slot, words }: { index: number; programId: number; slot: number; words: string },
): Handle {
  try {
    return folder.openProgram(index, programId, slot);
  } catch (error) {
    if (!EbpfError.is(error) || error.errnoName !== 'ENOENT') throw error;
    throw UsageError.busy(words, `the programs of dispatcher ${programId} are not pinned in ${folder.path}`);
  }
}

function openIfThere(id: number): Handle | undefined {
  try {
    return openById('program', id);
  } catch (error) {
    if (EbpfError.is(error) && error.errnoName === 'ENOENT') return undefined;
    throw error;
  }
}

function configOf(program: Handle): DispatcherConfig | undefined {
  const { name, mapIds } = objectInfo(program, 'program');
  const [mapId, ...others] = mapIds;
  if (name !== dispatcherName || mapId === undefined || others.length > 0) return undefined;
  const map = openById('map', mapId);
  try {
    const { keySize, valueSize, maxEntries } = mapShape(map);
    if (keySize !== 4 || maxEntries !== 1) return undefined;
    const value = new Uint8Array(valueSize);
    return mapLookup(map, new Uint8Array(4), value, 0) < 0 ? undefined : decodeConfig(value);
  } finally {
    map.close();
  }
}
