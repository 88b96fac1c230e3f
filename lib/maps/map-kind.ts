import type { BpfMap } from './bpf-map.js';
import { openAs, type MapSource, type OpenMapOptions } from './open-map.js';

/**
 * A class of maps, or such a class with its types: `HashMap`, `HashMap.of(u32, Counts)`, `RingBuffer.of('event')`. Given to
 * `ebpf.map(name, kind)`.
 */
export interface MapKind<M extends BpfMap> {
  /** Views `map` as this kind. Throws {@link UsageError} when it is of another kind or has other types. */
  from(map: BpfMap): M;
}

/** A class of maps with its types. */
export interface TypedMapKind<M extends BpfMap> extends MapKind<M> {
  /** Opens a map that exists, as {@link BpfMap.open} does, with these types. */
  open(source: MapSource, options?: OpenMapOptions): M;
}

/** What `of` returns, whose `from` is given. @internal */
export function typedKind<M extends BpfMap>(from: (map: BpfMap) => M): TypedMapKind<M> {
  const kind: TypedMapKind<M> = { from, open: (source, options) => openAs(kind, source, options) };
  return kind;
}
