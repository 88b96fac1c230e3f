import { BpfCommand, MapFlag, MapType } from '../../abi/index.js';
import { EbpfError, errnoName } from '../../errors/index.js';
import { createMap, loadBtf, mapBatch, mapShape, type CreateMapOptions, type Handle } from '../../sys/index.js';
import { toCreateMap } from '../delegation-needs.js';
import { pageSize } from '../page-size.js';

import { btfWith } from './btf-probe.js';
import { nameOf, no, readRefusal, undecided, yes, type Feature, type Question } from './feature.js';

const storage: Partial<CreateMapOptions> = {
  maxEntries: 0,
  flags: MapFlag.NO_PREALLOC,
  btfKeyTypeId: 1,
  btfValueTypeId: 1,
};
const keyless: Partial<CreateMapOptions> = { keySize: 0 };

/** What the smallest map of a type is like where it is not one entry of four bytes for a key of four bytes. */
const shapes: ReadonlyMap<MapType, Partial<CreateMapOptions>> = new Map<MapType, Partial<CreateMapOptions>>([
  [MapType.STACK_TRACE, { valueSize: 8 }],
  [MapType.LPM_TRIE, { keySize: 8, flags: MapFlag.NO_PREALLOC }],
  [MapType.CGROUP_STORAGE, { keySize: 8, maxEntries: 0 }],
  [MapType.PERCPU_CGROUP_STORAGE, { keySize: 8, maxEntries: 0 }],
  [MapType.QUEUE, keyless],
  [MapType.STACK, keyless],
  [MapType.BLOOM_FILTER, keyless],
  [MapType.RINGBUF, { keySize: 0, valueSize: 0, maxEntries: 0 }],
  [MapType.USER_RINGBUF, { keySize: 0, valueSize: 0, maxEntries: 0 }],
  [MapType.ARENA, { keySize: 0, valueSize: 0, flags: MapFlag.MMAPABLE }],
  [MapType.RHASH, { flags: MapFlag.NO_PREALLOC }],
  // struct bpf_insn_array_value
  [MapType.INSN_ARRAY, { valueSize: 16 }],
  [MapType.SK_STORAGE, storage],
  [MapType.INODE_STORAGE, storage],
  [MapType.TASK_STORAGE, storage],
  [MapType.CGRP_STORAGE, storage],
  // Type 1 is no operations structure in any kernel's BTF: a kernel with such maps answers ENOTSUPP.
  [MapType.STRUCT_OPS, { btfVmlinuxValueTypeId: 1 }],
]);

const ofMaps: ReadonlySet<MapType> = new Set<MapType>([MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS]);
const rings: ReadonlySet<MapType> = new Set<MapType>([MapType.RINGBUF, MapType.USER_RINGBUF]);

function question(type: MapType, what: string, token: Handle | undefined): Question {
  const capabilities = ['CAP_BPF', 'CAP_NET_ADMIN'] as const;
  return { what, syscall: 'bpf(BPF_MAP_CREATE)', capabilities, delegation: toCreateMap(type), token };
}

/** How a map is made for a probe. */
export interface MapProbe {
  /** Beside those that every map of the type has. */
  readonly flag?: number | undefined;
  readonly token?: Handle | undefined;
}

/** Whether maps of a type can be created, with a flag if one is given. */
export async function probeMapType(type: MapType, probe: MapProbe = {}): Promise<Feature> {
  const map = await minimalMap(type, probe);
  if ('supported' in map) return map;
  map.close();
  return yes(`a map of type ${typeOf(type, probe)} was created`);
}

/** Whether a type of map has the commands that read many entries in one call. */
export async function probeBatchOperations(type: MapType, token?: Handle): Promise<Feature> {
  const map = await minimalMap(type, { token });
  if ('supported' in map) return map;
  try {
    const { keySize, valueBytes } = mapShape(map);
    const position = new Uint8Array(Math.max(4, keySize));
    const buffers = {
      position: null,
      nextPosition: position,
      keys: new Uint8Array(keySize),
      values: new Uint8Array(valueBytes),
    };
    const result = mapBatch(map, BpfCommand.MAP_LOOKUP_BATCH, { ...buffers, count: Uint32Array.of(1) });
    // ENOENT: the walk is over, there being no entries; ENOSPC: more of them than asked for.
    if (result === 0 || ['ENOENT', 'ENOSPC'].includes(errnoName(result))) {
      return yes(`BPF_MAP_LOOKUP_BATCH read a map of type ${nameOf(MapType, type)}`);
    }
    const asked = {
      ...question(type, `read a map of type ${nameOf(MapType, type)} in batches`, token),
      syscall: 'bpf(BPF_MAP_LOOKUP_BATCH)',
    };
    return readRefusal(result, asked);
  } finally {
    map.close();
  }
}

/** Creates the smallest map of a type; the caller closes it. */
export async function minimalMap(type: MapType, probe: MapProbe = {}): Promise<Handle | Feature> {
  const { flag = 0, token } = probe;
  const shape = shapes.get(type) ?? {};
  const helpers: Handle[] = [];
  try {
    let { maxEntries } = shape;
    if (rings.has(type)) maxEntries = pageSize();
    let btf: Handle | undefined;
    if (shape.btfKeyTypeId !== undefined) helpers.push((btf = await loadBtf(btfWith(), token)));
    let innerMap: Handle | undefined;
    if (ofMaps.has(type)) {
      const inner = await minimalMap(MapType.ARRAY, { token });
      if ('supported' in inner) return inner;
      helpers.push((innerMap = inner));
    }
    const name = 'probe';
    return await createMap({
      type,
      name,
      keySize: 4,
      valueSize: 4,
      ...shape,
      flags: (shape.flags ?? 0) | flag,
      maxEntries: maxEntries ?? 1,
      btf,
      innerMap,
      token,
    });
  } catch (error) {
    return readFailure(type, error, probe);
  } finally {
    for (const helper of helpers) helper.close();
  }
}

function typeOf(type: MapType, { flag = 0 }: MapProbe): string {
  return flag === 0 ? nameOf(MapType, type) : `${nameOf(MapType, type)} with MapFlag.${nameOf(MapFlag, flag)}`;
}

function readFailure(type: MapType, error: unknown, probe: MapProbe): Feature {
  if (!EbpfError.is(error) || error.errno === undefined) throw error;
  const what = `create a map of type ${typeOf(type, probe)}`;
  const asked = { ...question(type, what, probe.token), syscall: error.syscall ?? 'bpf' };
  const { errnoName: name } = error;
  if (type === MapType.STRUCT_OPS && name === 'ENOTSUPP') {
    return yes('the kernel looked for the operations structure that a map of type STRUCT_OPS was to hold');
  }
  if (name === 'ENOTSUPP' || name === 'ENOTSUP') {
    return no(
      `cannot ${asked.what}: ${name}: the kernel knows the type, but not on this architecture or without its JIT`,
    );
  }
  if (name === 'EPERM') throw undecided(error.errno, asked);
  return readRefusal(error.errno, asked);
}
