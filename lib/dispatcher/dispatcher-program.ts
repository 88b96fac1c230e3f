import { AttachType, MapFlag, MapType, ProgramType } from '../abi/index.js';
import { KernelError } from '../errors/index.js';
import {
  createMap,
  freezeMap,
  loadBtf,
  loadProgram,
  mapUpdate,
  type Handle,
  type LoadProgramResult,
} from '../sys/index.js';

import { dispatcherCode } from './dispatcher-code.js';
import {
  defaultVersion,
  encodeConfig,
  fragmentsFlag,
  takesFragments,
  type DispatcherConfig,
} from './dispatcher-config.js';
import { dispatcherTypes, functionInfo, type DispatcherTypes } from './dispatcher-types.js';

/** What other loaders find a dispatcher by. */
export const dispatcherName = 'xdp_dispatcher';

/** A loaded dispatcher, whose functions are not replaced yet. */
export interface LoadedDispatcher {
  readonly handle: Handle;
  /** The functions to be replaced, by slot, in the dispatcher's own types. */
  readonly slotIds: readonly number[];
}

/** Loads a dispatcher, by a BPF token if there is one; the caller closes it. */
export async function loadDispatcher(config: DispatcherConfig, token?: Handle): Promise<LoadedDispatcher> {
  const types = dispatcherTypes(config.slots.length, config.version);
  const btf = await loadBtf(types.bytes, token);
  try {
    const fragments = takesFragments(config);
    let result = await load(config, { types, btf, fragments, token });
    // Before Linux 5.18 there are no packets in several buffers.
    if (fragments && result.handle === undefined) result = await load(config, { types, btf, fragments: false, token });
    if (result.handle !== undefined) return { handle: result.handle, slotIds: types.slots };
    const advice = result.log === '' ? {} : { advice: `the verifier says: ${result.log}` };
    throw new KernelError('load an XDP dispatcher', 'bpf(BPF_PROG_LOAD)', result.errno, advice);
  } finally {
    btf.close();
  }
}

interface LoadParts {
  readonly types: DispatcherTypes;
  readonly btf: Handle;
  readonly fragments: boolean;
  readonly token: Handle | undefined;
}

async function load(config: DispatcherConfig, { types, btf, fragments, token }: LoadParts): Promise<LoadProgramResult> {
  const map = await configMap(encodeConfig(config, fragments), token);
  try {
    const code = dispatcherCode(config.slots.length);
    const functions: [number, number][] = [[0, types.main]];
    for (const [slot, start] of code.stubs.entries()) functions.push([start, types.slots[slot] ?? 0]);
    return await loadProgram({
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
      token,
    });
  } finally {
    map.close();
  }
}

/** A dispatcher that programs can be loaded for, whatever dispatcher they will be attached to. */
export async function loadTemplate(token: Handle | undefined): Promise<LoadedDispatcher> {
  return loadDispatcher({ version: defaultVersion, slots: [{ priority: 0, continueOn: 0, fragments: false }] }, token);
}

async function configMap(value: Uint8Array, token: Handle | undefined): Promise<Handle> {
  const map = await createMap({
    type: MapType.ARRAY,
    name: 'xdp_disp.rodata',
    keySize: 4,
    valueSize: value.byteLength,
    maxEntries: 1,
    flags: MapFlag.RDONLY_PROG,
    token,
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
