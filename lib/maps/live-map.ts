import { MapType } from '../abi/index.js';

import { ArrayMap } from './array-map.js';
import { BpfMap, type MapDetails } from './bpf-map.js';
import { HashMap } from './hash-map.js';
import { RingBuffer } from './ring-buffer.js';
import { StructOps } from './struct-ops.js';

/** The live map that a handle stands for. */
export function liveMap(details: MapDetails): BpfMap {
  const kind = classOf(details.type);
  return new kind(details);
}

/** The class of a map type. A new class is one file and a line here; other types are a plain {@link BpfMap}. */
function classOf(type: MapType): new (details: MapDetails) => BpfMap {
  switch (type) {
    case MapType.HASH:
    case MapType.LRU_HASH:
      return HashMap;
    case MapType.ARRAY:
      return ArrayMap;
    case MapType.RINGBUF:
      return RingBuffer;
    case MapType.STRUCT_OPS:
      return StructOps;
    default:
      return BpfMap;
  }
}
