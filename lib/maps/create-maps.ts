import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { MapFlag, MapType } from '../abi/index.js';
import { EbpfError, KernelError, UsageError, quote } from '../errors/index.js';
import { pin, type ModuleDescriptors } from '../kernel/index.js';
import type { MapPlan } from '../relocate/index.js';
import {
  createMap,
  Mapping,
  freezeMap,
  mapShape,
  mapUpdate,
  mapUpdateHandle,
  objectInfo,
  openPinned,
  type DeviceOfLoad,
  type Handle,
} from '../sys/index.js';

import { Arena } from './arena.js';
import type { BpfMap } from './bpf-map.js';
import { createMapFailure } from './map-failure.js';
import { heldMapFailure, heldProgramFailure } from './held-failure.js';
import { shapeDifferences, type ComparedShape } from './shape-differences.js';

/** Where maps are pinned by name unless they say otherwise. */
const defaultPinFolder = '/sys/fs/bpf';

/** Where the types of maps are. */
interface MapTypes {
  /** The object's. */
  readonly btf: Handle | undefined;
  readonly modules: ModuleDescriptors;
  /** A BPF token that gives the right to create them. */
  readonly token: Handle | undefined;
  /** The network interfaces whose cards have maps, by the names of those. */
  readonly devices: ReadonlyMap<string, DeviceOfLoad & { readonly words: string }>;
}

/** The maps of a load, before its programs. Whatever fails: {@link undo} leaves nothing behind. */
export class CreatedMaps {
  /** By the object's names, reused ones included. */
  readonly handles: Map<string, Handle> = new Map();
  /** The memory of arenas by the object's names: mapped before programs are loaded, since it tells them the addresses. */
  readonly arenas: Map<string, Mapping> = new Map();
  readonly #mappings: Mapping[] = [];
  readonly #own: Handle[] = [];
  readonly #pins: string[] = [];

  /** Creates what the plan lists, in its order, and fills in what the maps begin with. */
  async create(
    plans: readonly MapPlan[],
    options: MapTypes & {
      readonly reused: ReadonlyMap<string, BpfMap>;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<void> {
    for (const plan of plans) {
      options.signal?.throwIfAborted();
      const live = options.reused.get(plan.spec.name);
      if (live === undefined) await this.#createOne(plan, options);
      else {
        requireSame(`the map given for ${quote(plan.spec.name)}`, plan, live.handle);
        this.handles.set(plan.spec.name, live.handle);
        if (live instanceof Arena) this.arenas.set(plan.spec.name, live.mapping);
      }
    }
    for (const plan of plans) {
      if (!options.reused.has(plan.spec.name)) this.#fillMapSlots(plan);
    }
  }

  /** Puts programs into the slots that program arrays begin with. */
  fillProgramSlots(plans: readonly MapPlan[], programs: ReadonlyMap<string, Handle>): void {
    for (const plan of plans) {
      for (const slot of plan.spec.slots) {
        const program = slot.kind === 'program' ? programs.get(slot.name) : undefined;
        if (program !== undefined) this.#fillSlot(plan, slot.index, program);
      }
    }
  }

  /** Closes and unpins all that was made here. */
  undo(): void {
    for (const path of this.#pins) rmSync(path, { force: true });
    for (const mapping of this.#mappings) mapping.close();
    for (const handle of this.#own) handle.close();
  }

  async #createOne(plan: MapPlan, types: MapTypes): Promise<void> {
    const { spec } = plan;
    const path = spec.pinning === 'by-name' ? (spec.pinPath ?? join(defaultPinFolder, spec.name)) : spec.pinPath;
    const pinned = path === undefined ? undefined : openIfPinned(path);
    if (pinned !== undefined) {
      this.#keep(spec.name, pinned);
      requireSame(`the map pinned at ${quote(path ?? '')}`, plan, pinned);
      this.#mapArena(plan, pinned);
      return;
    }
    const handle = await this.#make(plan, types);
    this.#keep(spec.name, handle);
    const arena = this.#mapArena(plan, handle);
    if (arena !== undefined) {
      if (plan.initialValue !== undefined) arena.write(plan.arena?.globalsOffset ?? 0, plan.initialValue);
    } else if (plan.initialValue !== undefined) {
      const result = mapUpdate(handle, new Uint8Array(4), plan.initialValue, 0);
      if (result < 0) throw new KernelError(`fill map ${quote(spec.name)}`, 'bpf(BPF_MAP_UPDATE_ELEM)', result);
    }
    if (plan.freeze) freezeMap(handle);
    if (path !== undefined) {
      pin(handle, path);
      this.#pins.push(path);
    }
  }

  #mapArena({ spec, arena }: MapPlan, handle: Handle): Mapping | undefined {
    if (arena === undefined) return undefined;
    const mapping = Mapping.create(handle, arena.size, { writable: true, address: Number(spec.mapExtra) });
    this.arenas.set(spec.name, mapping);
    this.#mappings.push(mapping);
    return mapping;
  }

  #keep(name: string, handle: Handle): void {
    this.handles.set(name, handle);
    this.#own.push(handle);
  }

  async #make(plan: MapPlan, types: MapTypes): Promise<Handle> {
    const { spec, structOps } = plan;
    // The kernel wants a map like those that will be inside, and forgets it at once.
    const inner = plan.inner === undefined ? undefined : await this.#make(plan.inner, types);
    const device = types.devices.get(spec.name);
    // Maps of network cards take no types (bpf_map_offload_ops of kernel/bpf/offload.c).
    const typed =
      device === undefined && types.btf !== undefined && (plan.btfKeyTypeId !== 0 || plan.btfValueTypeId !== 0);
    try {
      return await createMap({
        type: spec.type,
        name: plan.kernelName,
        keySize: spec.keySize,
        valueSize: valueSizeOf(plan),
        maxEntries: plan.maxEntries,
        flags: flagsOf(plan),
        numaNode: spec.numaNode,
        mapExtra: spec.mapExtra,
        // Of a structure of operations the kernel wants the object's BTF too, though its types are the kernel's.
        btf: typed || structOps !== undefined ? types.btf : undefined,
        btfKeyTypeId: typed ? plan.btfKeyTypeId : undefined,
        btfValueTypeId: typed ? plan.btfValueTypeId : undefined,
        btfVmlinuxValueTypeId: structOps?.valueTypeId,
        valueTypeBtf: structOps?.module === undefined ? undefined : types.modules.open(structOps.module),
        innerMap: inner,
        device,
        token: types.token,
      });
    } catch (error) {
      const { specialFields: fields } = plan;
      const attempt = { fields, flags: flagsOf(plan), token: types.token, card: device?.words };
      throw await createMapFailure(error, spec.name, spec.type, attempt);
    } finally {
      inner?.close();
    }
  }

  #fillMapSlots(plan: MapPlan): void {
    for (const slot of plan.spec.slots) {
      const map = slot.kind === 'map' ? this.handles.get(slot.name) : undefined;
      if (map !== undefined) this.#fillSlot(plan, slot.index, map);
    }
  }

  #fillSlot(plan: MapPlan, index: number, value: Handle): void {
    const { name, keySize } = plan.spec;
    const handle = this.handles.get(name);
    if (handle === undefined) return;
    const key = keySize === 8 ? BigUint64Array.of(BigInt(index)) : Uint32Array.of(index);
    const errno = mapUpdateHandle(handle, new Uint8Array(key.buffer), value, 0);
    if (errno === 0) return;
    const map = { handle, name, keySize, maxEntries: plan.maxEntries };
    const where = `slot ${index}`;
    if (value.kind === 'program') throw heldProgramFailure(map, value, where, errno);
    const template = plan.inner === undefined ? undefined : wantedShape(plan.inner);
    throw heldMapFailure(map, value, { where, template, errno });
  }
}

function openIfPinned(path: string): Handle | undefined {
  try {
    return openPinned(path, 'map');
  } catch (error) {
    if (EbpfError.is(error) && error.errnoName === 'ENOENT') return undefined;
    throw error;
  }
}

/** The flags to create a map with. */
function flagsOf({ spec, structOps }: MapPlan): number {
  const node = spec.numaNode === undefined ? 0 : MapFlag.NUMA_NODE;
  return spec.flags | node | (structOps?.module === undefined ? 0 : MapFlag.VTYPE_BTF_OBJ_FD);
}

/** A structure of operations is laid out as in the kernel, not as in the object. */
function valueSizeOf({ spec, structOps }: MapPlan): number {
  return structOps?.value.byteLength ?? spec.valueSize;
}

/** A map that takes the place of the object's must be what the object's programs were compiled for. */
function requireSame(what: string, plan: MapPlan, map: Handle): void {
  const { spec } = plan;
  const differences = shapeDifferences(wantedShape(plan), mapShape(map));
  if (spec.type === MapType.BLOOM_FILTER && differences.length === 0) {
    // Zero stands for a number of hashes that the kernel chooses.
    const { mapExtra } = objectInfo(map, 'map');
    if (mapExtra !== spec.mapExtra) differences.push(`map_extra is ${mapExtra}, not ${spec.mapExtra}`);
  }
  if (differences.length > 0) {
    throw UsageError.invalidValue(`maps.${spec.name}`, `${what} differs from the object's: ${differences.join(', ')}`);
  }
}

/** What a map of this plan is like once it is made. */
export function wantedShape(plan: MapPlan): ComparedShape {
  const { type, keySize } = plan.spec;
  return { type, keySize, valueSize: valueSizeOf(plan), maxEntries: plan.maxEntries, flags: flagsOf(plan) };
}
