import { essentialName, type Btf } from '../btf/index.js';
import type { MapSpec, ObjectSpec } from '../object/index.js';
import type { TargetType } from './attach-target.js';
import type { KernelFacts, StructOpsPlan } from './load-plan.js';
import { StructOpsPlanner } from './struct-ops-planner.js';

/** What the kernel puts before a structure's name for the type of the map's value: `bpf_struct_ops_tcp_congestion_ops`. */
const VALUE_PREFIX = 'bpf_struct_ops_';

/** The member of a kernel structure that a program implements. */
export interface StructOpsPlace {
  readonly structure: TargetType;
  readonly memberIndex: number;
}

/** The struct_ops maps of an object, fitted to a kernel. */
export interface StructOpsPlans {
  /** By the map's name. */
  readonly maps: ReadonlyMap<string, StructOpsPlan>;
  /** By the program's name. */
  readonly programs: ReadonlyMap<string, StructOpsPlace>;
  /** Programs for members that this kernel does not have: they are not loaded. */
  readonly leftOut: ReadonlySet<string>;
}

const noPlans: StructOpsPlans = { maps: new Map(), programs: new Map(), leftOut: new Set() };

/** The kernel structure that a struct_ops map implements, and the type of the map's value. Flavours (`ops___v2`) are cut. */
export function kernelStructOf(map: MapSpec, btf: Btf): { readonly name: string; readonly valueName: string } {
  const name = essentialName(btf.nameOf(map.valueType));
  return { name, valueName: VALUE_PREFIX + name };
}

/**
 * Lays the structures of an object's struct_ops maps out as the kernel does, member by member by name.
 *
 * @throws {UnsupportedError} when the kernel has no such structure, does not let programs implement it, or has members
 * of other types; {@link UsageError} when a member is given a program that cannot implement it.
 */
export function planStructOps(object: ObjectSpec, facts: KernelFacts): StructOpsPlans {
  const maps = [...object.maps.values()].filter(({ kind, autoCreate }) => kind === 'struct-ops' && autoCreate);
  if (maps.length === 0) return noPlans;
  const planner = new StructOpsPlanner(object, facts);
  for (const map of maps) planner.plan(map);
  return planner.plans();
}
