import type { Codec } from './codec/index.js';
import type { Ebpf } from './ebpf.js';
import { quote } from './errors/index.js';
import type { Link } from './links/index.js';
import type { LoadedParts } from './load-parts.js';
import {
  DataMemory,
  Variable,
  codecByBtf,
  contextCodec,
  liveMap,
  recordCodec,
  shapeOf,
  wantedShape,
  type BpfMap,
  type DecodeOptions,
  type StructOpsDetails,
  type ValueTypes,
} from './maps/index.js';
import type { MapSpec, ObjectSpec, VariableSpec } from './object/index.js';
import { liveProgram, type Program } from './programs/index.js';
import type { MapPlan } from './relocate/index.js';
import type { Handle, Mapping } from './sys/index.js';

/** To whom the live things belong. */
export interface Owner {
  readonly ebpf: Ebpf;
  readonly onAttach: (link: Link) => void;
  readonly onDetach: (link: Link) => void;
}

/** Whose types are those of the object and no map's. */
const noMap = { kind: 'declared', keyType: 0, valueType: 0 } as const;

/** What only some types of maps have. */
interface OwnParts {
  readonly inner?: MapPlan | undefined;
  readonly mapping?: Mapping | undefined;
  readonly structOps?: StructOpsDetails | undefined;
}

function ownParts(plan: MapPlan | undefined, programs: ReadonlyMap<string, Handle>, owner: Owner): OwnParts {
  if (plan === undefined) return {};
  const { ebpf, onAttach, onDetach } = owner;
  const structOps = plan.structOps && { plan: plan.structOps, programs, owner: ebpf, onAttach, onDetach };
  return { inner: plan.inner, structOps };
}

/** The live things of a loaded object: made when the first of them is asked for. */
export class LiveParts {
  readonly maps: Map<string, BpfMap> = new Map();
  readonly programs: Map<string, Program> = new Map();
  /** Without those that were given to the load. */
  readonly ownMaps: readonly BpfMap[];
  readonly spec: ObjectSpec;
  readonly #decode: DecodeOptions;
  readonly #memories = new Map<string, DataMemory>();
  #variables: ReadonlyMap<string, Variable> | undefined;

  constructor({ spec, mapPlans, maps: { handles, arenas }, programs, context }: LoadedParts, owner: Owner) {
    this.spec = spec;
    this.#decode = context.decode;
    const own: BpfMap[] = [];
    const handlesOf = new Map(programs.map((program) => [program.spec.name, program.handle]));
    const plans = new Map(mapPlans.map((each) => [each.spec.name, each]));
    for (const [name, map] of spec.maps) {
      const handle = handles.get(name);
      if (handle === undefined) continue;
      const reused = context.reused.get(name);
      const parts = ownParts(plans.get(name), handlesOf, owner);
      const live = reused ?? this.#liveMap(map, handle, { ...parts, mapping: arenas.get(name) });
      if (reused === undefined) own.push(live);
      this.maps.set(name, live);
    }
    this.ownMaps = own;
    for (const { spec: map, arena } of mapPlans) {
      const mapping = arenas.get(map.name);
      const live = this.maps.get(map.name);
      if (mapping === undefined || live === undefined) continue;
      const { name, initialSize: size } = map;
      const details = { name, size, flags: live.flags, writable: true, mapping, base: arena?.globalsOffset };
      this.#memories.set(name, new DataMemory(live.handle, details));
    }
    for (const { spec: loaded, handle, log } of programs) {
      const { ebpf, onAttach, onDetach } = owner;
      const dispatch = context.dispatched.get(loaded.name);
      const device = context.devices.get(loaded.name);
      const own = { owner: ebpf, maps: handles, dispatch, device, onAttach, onDetach };
      const details = { handle, spec: loaded, verifierLog: log, ...own };
      const program = liveProgram({
        ...details,
        recordCodec: (type) => this.#recordCodec(loaded.name, type),
        contextCodec: () => contextCodec(this.#types(noMap), loaded.name),
      });
      this.programs.set(program.name, program);
    }
  }

  /** Those in maps that were created. */
  get variables(): ReadonlyMap<string, Variable> {
    this.#variables ??= this.#makeVariables();
    return this.#variables;
  }

  close(): void {
    for (const program of this.programs.values()) program.close();
    for (const memory of this.#memories.values()) memory.close();
    for (const map of this.ownMaps) map.close();
  }

  #recordCodec(program: string, type: string | Codec<unknown, never>): Codec<unknown, never> {
    const types = this.#types(noMap);
    return recordCodec(types, `records of program ${quote(program)}`, `program ${quote(program)}`, type);
  }

  #makeVariables(): Map<string, Variable> {
    const types = this.#types(noMap);
    const variables = new Map<string, Variable>();
    for (const [name, spec] of this.spec.variables) {
      const memory = this.#memory(spec);
      if (memory === undefined) continue;
      const { section, offset, size, constant, typeId } = spec;
      const codec = (): Codec<unknown> => codecByBtf(types, typeId, size);
      variables.set(name, new Variable({ name, section, offset, size, constant, codec, memory }));
    }
    return variables;
  }

  #liveMap(spec: MapSpec, handle: Handle, { inner, ...parts }: OwnParts): BpfMap {
    return liveMap({
      // What the kernel made: it may have been pinned before, and rings are rounded up.
      ...shapeOf(handle),
      handle,
      name: spec.name,
      types: this.#types(spec),
      dropped: this.#droppedCounter(spec.name),
      inner: inner === undefined ? undefined : { ...wantedShape(inner), types: this.#types(inner.spec) },
      ...parts,
    });
  }

  /** Reads `__u64 <map>_dropped`, in which a program counts the events that a ring had no room for. */
  #droppedCounter(map: string): (() => bigint) | undefined {
    const spec = this.spec.variables.get(`${map}_dropped`);
    if (spec?.size !== 8) return undefined;
    const value = new BigUint64Array(1);
    const bytes = new Uint8Array(value.buffer);
    return () => {
      this.#memory(spec)?.read(spec.offset, bytes);
      return value[0] ?? 0n;
    };
  }

  #memory(variable: VariableSpec): DataMemory | undefined {
    const known = this.#memories.get(variable.map);
    if (known !== undefined) return known;
    const map = this.maps.get(variable.map);
    if (map === undefined) return undefined;
    const memory = new DataMemory(map.handle, {
      name: variable.map,
      size: map.valueSize,
      flags: map.flags,
      writable: !variable.constant,
    });
    this.#memories.set(variable.map, memory);
    return memory;
  }

  #types({ kind, keyType, valueType }: Pick<MapSpec, 'kind' | 'keyType' | 'valueType'>): ValueTypes {
    const btf = kind === 'data' ? this.spec.completedBtf : this.spec.btf;
    return { btf, keyType, valueType, decode: this.#decode };
  }
}
