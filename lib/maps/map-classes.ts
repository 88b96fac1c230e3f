// The class of each type of map. How to add one:
//
//  1. A file with a class that extends BpfMap, or KeyedMap (any keys, as hashes), or IndexedMap (keys 0 to length - 1). Its
//     constructor takes MapDetails, its static `from` narrows. It has only the methods that its kernel type has; EntryStore
//     does the work of those on entries, and codes keys and values by MapTypes.
//  2. A line in the switch below, which is one so that nothing is read before it is needed. Loading an object, `BpfMap.open`, `create` and `listMaps` then give that class.
//  3. `static of(…)` returns `typedKind(…)`, which has `from` and `open`; `static create(options)` calls `createMap`.
//
// What is where:
//  - bpf-map.ts     BpfMap: names and sizes, info, pin, unpin, freeze, share, close, raw, and `static open` for all classes
//  - open-map.ts    a map by path, id, descriptor or token   - create-map.ts  a map without an object, with BTF of its types
//  - map-types.ts   MapTypes: the codecs of a map            - entry-store.ts EntryStore: get, set, take, walks, batches
//  - walk.ts        Walk: all entries, in batches or by key  - raw-map.ts     RawMap: the caller's bytes
//  - call-failure.ts  why a call on elements was refused
//
// Types that are not below, such as those of newer kernels, are a plain BpfMap: they have `raw`.
import { MapType } from '../abi/index.js';

import { Arena } from './arena.js';
import { ArrayMap } from './array-map.js';
import { ArrayOfMaps } from './array-of-maps.js';
import { BloomFilter } from './bloom-filter.js';
import { BpfMap, type MapDetails } from './bpf-map.js';
import { CgroupArray } from './cgroup-array.js';
import { CgroupStorage } from './cgroup-storage.js';
import { CgrpStorage } from './cgrp-storage.js';
import { CpuMap } from './cpu-map.js';
import { DevMapHash } from './dev-map-hash.js';
import { DevMap } from './dev-map.js';
import { HashMap } from './hash-map.js';
import { HashOfMaps } from './hash-of-maps.js';
import { InodeStorage } from './inode-storage.js';
import { InsnArray } from './insn-array.js';
import { registerMapClasses, type MapClass } from './live-map.js';
import { LpmTrie } from './lpm-trie.js';
import { LruHashMap } from './lru-hash-map.js';
import { LruPerCpuHashMap } from './lru-per-cpu-hash-map.js';
import { PerCpuArrayMap } from './per-cpu-array-map.js';
import { PerCpuCgroupStorage } from './per-cpu-cgroup-storage.js';
import { PerCpuHashMap } from './per-cpu-hash-map.js';
import { PerfEventArray } from './perf-event-array.js';
import { ProgramArray } from './program-array.js';
import { Queue } from './queue.js';
import { ReuseportSockArray } from './reuseport-sock-array.js';
import { RingBuffer } from './ring-buffer.js';
import { SkStorage } from './sk-storage.js';
import { SockHash } from './sock-hash.js';
import { SockMap } from './sock-map.js';
import { StackTraceMap } from './stack-trace-map.js';
import { Stack } from './stack.js';
import { StructOps } from './struct-ops.js';
import { TaskStorage } from './task-storage.js';
import { UserRingBuffer } from './user-ring-buffer.js';
import { XskMap } from './xsk-map.js';

/** The live map that a handle stands for, of the class of its type. @internal */
export const liveMap: (details: MapDetails) => BpfMap = registerMapClasses(classOf);

function classOf(type: MapType): MapClass {
  switch (type) {
    case MapType.HASH:
      return HashMap;
    case MapType.LRU_HASH:
      return LruHashMap;
    case MapType.PERCPU_HASH:
      return PerCpuHashMap;
    case MapType.LRU_PERCPU_HASH:
      return LruPerCpuHashMap;
    case MapType.ARRAY:
      return ArrayMap;
    case MapType.PERCPU_ARRAY:
      return PerCpuArrayMap;
    case MapType.LPM_TRIE:
      return LpmTrie;
    case MapType.QUEUE:
      return Queue;
    case MapType.STACK:
      return Stack;
    case MapType.BLOOM_FILTER:
      return BloomFilter;
    case MapType.PERF_EVENT_ARRAY:
      return PerfEventArray;
    case MapType.RINGBUF:
      return RingBuffer;
    case MapType.ARENA:
      return Arena;
    case MapType.USER_RINGBUF:
      return UserRingBuffer;
    case MapType.STRUCT_OPS:
      return StructOps;
    case MapType.CPUMAP:
      return CpuMap;
    case MapType.DEVMAP:
      return DevMap;
    case MapType.DEVMAP_HASH:
      return DevMapHash;
    case MapType.REUSEPORT_SOCKARRAY:
      return ReuseportSockArray;
    case MapType.SOCKHASH:
      return SockHash;
    case MapType.SOCKMAP:
      return SockMap;
    case MapType.XSKMAP:
      return XskMap;
    case MapType.ARRAY_OF_MAPS:
      return ArrayOfMaps;
    case MapType.CGROUP_ARRAY:
      return CgroupArray;
    case MapType.CGROUP_STORAGE:
      return CgroupStorage;
    case MapType.CGRP_STORAGE:
      return CgrpStorage;
    case MapType.HASH_OF_MAPS:
      return HashOfMaps;
    case MapType.INODE_STORAGE:
      return InodeStorage;
    case MapType.PERCPU_CGROUP_STORAGE:
      return PerCpuCgroupStorage;
    case MapType.PROG_ARRAY:
      return ProgramArray;
    case MapType.INSN_ARRAY:
      return InsnArray;
    case MapType.SK_STORAGE:
      return SkStorage;
    case MapType.STACK_TRACE:
      return StackTraceMap;
    case MapType.TASK_STORAGE:
      return TaskStorage;
    default:
      return BpfMap;
  }
}
