import { AttachType, MapFlag, MapType, ProgramType } from '../abi/index.js';
import { KernelError } from '../errors/index.js';
import { createMap, freezeMap, loadBtf, loadProgram, mapUpdate, type Handle } from '../sys/index.js';

import { dispatcherCode } from './dispatcher-code.js';
import {
  defaultVersion,
  encodeConfig,
  fragmentsFlag,
  takesFragments,
  type DispatcherConfig,
} from './dispatcher-config.js';
import { dispatcherTypes, functionInfo } from './dispatcher-types.js';

/** What other loaders find a dispatcher by. */
export const dispatcherName = 'xdp_dispatcher';

/** A loaded dispatcher, whose functions are not replaced yet. */
export interface LoadedDispatcher {
  readonly handle: Handle;
  /** The functions to be replaced, by slot, in the dispatcher's own types. */
  readonly slotIds: readonly number[];
}

/** Loads a dispatcher; the caller closes it. */
export async function loadDispatcher(config: DispatcherConfig): Promise<LoadedDispatcher> {
  const types = dispatcherTypes(config.slots.length, config.version);
  const btf = await loadBtf(types.bytes);
  try {
    const map = await configMap(config);
    try {
      const code = dispatcherCode(config.slots.length);
      const functions: [number, number][] = [[0, types.main]];
      for (const [slot, start] of code.stubs.entries()) functions.push([start, types.slots[slot] ?? 0]);
      const fragments = takesFragments(config) && config.slots.length > 0;
      const result = await loadProgram({
        type: ProgramType.XDP,
        name: dispatcherName,
        code: code.bytes,
        bindings: [{ offset: code.mapOffset, handle: map }],
        license: 'GPL',
        expectedAttachType: AttachType.XDP,
        flags: fragments ? fragmentsFlag : 0,
        btf,
        functionInfo: functionInfo(functions),
        functionInfoRecordSize: 8,
      });
      if (result.handle !== undefined) return { handle: result.handle, slotIds: types.slots };
      throw new KernelError('load an XDP dispatcher', 'bpf(BPF_PROG_LOAD)', result.errno, {
        advice: `the verifier says: ${result.log}`,
      });
    } finally {
      map.close();
    }
  } finally {
    btf.close();
  }
}

/** A dispatcher that programs can be loaded for, whatever dispatcher they will be attached to. */
export async function loadTemplate(): Promise<LoadedDispatcher> {
  return loadDispatcher({ version: defaultVersion, slots: [{ priority: 0, continueOn: 0, fragments: false }] });
}

async function configMap(config: DispatcherConfig): Promise<Handle> {
  const value = encodeConfig(config);
  const map = await createMap({
    type: MapType.ARRAY,
    name: 'xdp_disp.rodata',
    keySize: 4,
    valueSize: value.byteLength,
    maxEntries: 1,
    flags: MapFlag.RDONLY_PROG,
  });
  try {
    const result = mapUpdate(map, new Uint8Array(4), value, 0);
    if (result < 0) throw new KernelError(`fill in ${map.describe()}`, 'bpf(BPF_MAP_UPDATE_ELEM)', result);
    freezeMap(map);
    return map;
  } catch (error) {
    map.close();
    throw error;
  }
}
