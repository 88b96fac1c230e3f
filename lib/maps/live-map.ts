import { MapType } from '../abi/index.js';

import { ArrayMap } from './array-map.js';
import { BpfMap, type MapDetails } from './bpf-map.js';
import { HashMap } from './hash-map.js';
import { RingBuffer } from './ring-buffer.js';
import { StructOps } from './struct-ops.js';

/** The class of each map type. A new class is one file and a line here; other types are a plain {@link BpfMap}. */
const classes = new Map<number, new (details: MapDetails) => BpfMap>([
  [MapType.HASH, HashMap],
  [MapType.LRU_HASH, HashMap],
  [MapType.ARRAY, ArrayMap],
  [MapType.RINGBUF, RingBuffer],
  [MapType.STRUCT_OPS, StructOps],
]);

/** The live map that a handle stands for. */
export function liveMap(details: MapDetails): BpfMap {
  const kind = classes.get(details.type) ?? BpfMap;
  return new kind(details);
}
