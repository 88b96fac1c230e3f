import type { MapType } from '../abi/index.js';

import { mapShape, type Handle } from '../sys/index.js';

import type { BpfMap, MapDetails } from './bpf-map.js';

/** A class of live maps. @internal */
export type MapClass = new (details: MapDetails) => BpfMap;

let classOf: ((type: MapType) => MapClass) | undefined;

/**
 * Called by map-classes.ts, which knows all classes; they in turn know only this file. Returns {@link liveMap}, for those
 * who are to have it with the classes.
 * @internal
 */
export function registerMapClasses(choose: (type: MapType) => MapClass): typeof liveMap {
  classOf = choose;
  return liveMap;
}

/** The live map that a handle stands for, of the class of its type. @internal */
export function liveMap(details: MapDetails): BpfMap {
  if (classOf === undefined) throw new Error('maps/map-classes.js is not loaded');
  const kind = classOf(details.type);
  return new kind(details);
}

/** What the kernel says a map is, as {@link MapDetails} have it. @internal */
export function shapeOf(handle: Handle): Omit<ReturnType<typeof mapShape>, 'type'> & { readonly type: MapType } {
  const shape = mapShape(handle);
  // Types of newer kernels stay what they are: a number that no constant has.
  return { ...shape, type: shape.type as MapType };
}
