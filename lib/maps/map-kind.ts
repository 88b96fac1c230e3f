import type { BpfMap } from './bpf-map.js';

/**
 * A class of maps, or such a class with its types: `HashMap`, `HashMap.of(u32, Counts)`, `RingBuffer.of('event')`. Given to
 * `ebpf.map(name, kind)`.
 */
export interface MapKind<M extends BpfMap> {
  /** Views `map` as this kind. Throws {@link UsageError} when it is of another kind or has other types. */
  from(map: BpfMap): M;
}
