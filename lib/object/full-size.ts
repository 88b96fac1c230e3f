import { MapType } from '../abi/index.js';

/** What a map's entries take of memory by. */
export interface MapShape {
  readonly type: MapType;
  /** In bytes. */
  readonly keySize: number;
  /** In bytes; of one CPU. */
  readonly valueSize: number;
  readonly maxEntries: number;
}

/** What the entries of a full map take depends on the machine, too. */
export interface MachineSizes {
  /** How many CPUs there can be: maps per CPU have a value for each. */
  readonly cpus: number;
  /** Bytes of a page, of which arenas are made. Default: 4096. */
  readonly pageSize?: number | undefined;
}

const perCpuTypes: ReadonlySet<MapType> = new Set([
  MapType.PERCPU_ARRAY,
  MapType.PERCPU_HASH,
  MapType.LRU_PERCPU_HASH,
  MapType.PERCPU_CGROUP_STORAGE,
]);

/** Bytes of all entries of a full map: of rings, which have neither keys nor values, their bytes. */
export function fullSize({ type, keySize, valueSize, maxEntries }: MapShape, machine: MachineSizes): number {
  if (type === MapType.ARENA) return maxEntries * (machine.pageSize ?? 4096);
  // Values of CPUs lie at multiples of eight (round_up(value_size, 8) of kernel/bpf/hashtab.c and arraymap.c).
  const values = perCpuTypes.has(type) ? Math.ceil(valueSize / 8) * 8 * machine.cpus : valueSize;
  return maxEntries * Math.max(keySize + values, 1);
}
