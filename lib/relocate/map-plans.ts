import { MapType } from '../abi/index.js';
import { quote, UsageError } from '../errors/index.js';
import type { Btf } from '../btf/index.js';
import { kernelNameOf, LOG_SECTION, type MapSpec, type ObjectSpec } from '../object/index.js';
import { KCONFIG_MAP, kconfigValue } from './kconfig.js';
import { planArena } from './arena.js';
import type { KernelFacts, MapPlan, StructOpsPlan } from './load-plan.js';
import { requireFields, specialFields } from './special-fields.js';

/** Types whose maps the kernel refuses to create with BTF of key or value, in this or earlier versions. */
const TYPES_WITHOUT_BTF: ReadonlySet<MapType> = new Set<MapType>([
  MapType.PERF_EVENT_ARRAY,
  MapType.CGROUP_ARRAY,
  MapType.STACK_TRACE,
  MapType.ARRAY_OF_MAPS,
  MapType.HASH_OF_MAPS,
  MapType.DEVMAP,
  MapType.DEVMAP_HASH,
  MapType.CPUMAP,
  MapType.XSKMAP,
  MapType.SOCKMAP,
  MapType.SOCKHASH,
  MapType.QUEUE,
  MapType.STACK,
  MapType.RINGBUF,
  MapType.USER_RINGBUF,
  MapType.ARENA,
  // Its value is of a type of the kernel's.
  MapType.STRUCT_OPS,
]);

/** Whether maps of a type may be given BTF of their keys and values. */
export function takesBtf(type: MapType): boolean {
  return !TYPES_WITHOUT_BTF.has(type);
}

/**
 * The maps to be created, in the object's order. `structOps` has the structures of struct_ops maps by name.
 *
 * @throws {RelocationError} for a configuration value that the kernel does not have or that does not fit;
 * {UnsupportedError} for members of values, such as spin locks, that maps of a type cannot have.
 */
export function planMaps(
  object: ObjectSpec,
  facts: KernelFacts,
  { warnings, structOps }: { warnings: string[]; structOps: ReadonlyMap<string, StructOpsPlan> },
): MapPlan[] {
  const kconfig = kconfigValue(object, facts.kconfig, warnings);
  return [...object.maps.values()]
    .filter((map) => map.autoCreate && map.name !== LOG_SECTION)
    .map((map) => {
      const plan = planMap(map, facts, object.btf, structOps.get(map.name));
      return kconfig !== undefined && map.name === KCONFIG_MAP ? { ...plan, initialValue: kconfig } : plan;
    });
}

function planMap(spec: MapSpec, facts: KernelFacts, btf: Btf | undefined, structOps?: StructOpsPlan): MapPlan {
  const typed = btf !== undefined && takesBtf(spec.type);
  const fields = typed && spec.kind === 'declared' ? specialFields(btf, spec.valueType) : [];
  requireFields(spec, fields);
  return {
    spec,
    kernelName: kernelNameOf(spec.kernelName),
    maxEntries: maxEntriesOf(spec, facts),
    btfKeyTypeId: typed ? spec.keyType : 0,
    btfValueTypeId: typed ? spec.valueType : 0,
    specialFields: fields,
    initialValue: structOps === undefined ? initialValueOf(spec) : undefined,
    freeze: spec.readOnly,
    inner: spec.inner === undefined ? undefined : planMap(spec.inner, facts, btf),
    structOps,
    arena: planArena(spec, facts),
  };
}

function maxEntriesOf(spec: MapSpec, facts: KernelFacts): number {
  switch (spec.type) {
    case MapType.RINGBUF:
    case MapType.USER_RINGBUF:
      return ringSize(spec, facts.pageSize);
    case MapType.PERF_EVENT_ARRAY:
      return spec.maxEntries === 0 ? facts.possibleCpus : spec.maxEntries;
    default:
      return spec.maxEntries;
  }
}

/** The largest power of two that `max_entries` holds. */
const LARGEST_RING = 0x8000_0000;

/** The next power of two of whole pages; 0 is left for the kernel to refuse. */
function ringSize(spec: MapSpec, pageSize: number): number {
  if (spec.maxEntries === 0) return 0;
  let size = pageSize;
  while (size < spec.maxEntries) size *= 2;
  if (size > LARGEST_RING) {
    throw UsageError.invalidValue(
      `maps.${spec.name}.maxEntries`,
      `a ring buffer of ${spec.maxEntries} bytes is too large: the most is ${LARGEST_RING}`,
    );
  }
  return size;
}

function initialValueOf(spec: MapSpec): Uint8Array | undefined {
  const value = spec.initialValue;
  if (value !== undefined && value.byteLength !== spec.initialSize) {
    throw UsageError.invalidValue(
      `maps.${spec.name}.initialValue`,
      `${value.byteLength} bytes were given for map ${quote(spec.name)}, whose value has ${spec.initialSize}`,
    );
  }
  return value;
}
