import { UsageError, quote } from '../errors/index.js';

import type { BpfMap } from './bpf-map.js';

/** The bytes of an index. */
const four = (index: number): Uint8Array => new Uint8Array(Uint32Array.of(index).buffer);

/** The key of a slot that must be there. @internal */
export function slotKey(map: BpfMap, index: number): Uint8Array {
  const key = indexKey(index);
  if (index < map.maxEntries) return key;
  throw UsageError.invalidValue(
    'index',
    `${index} is past the end of map ${quote(map.name)}, whose length is ${map.maxEntries}`,
  );
}

/** The key of a slot that may be past the end. @internal */
export function indexKey(index: number): Uint8Array {
  if (Number.isInteger(index) && index >= 0 && index <= 0xffff_ffff) return four(index);
  throw UsageError.invalidValue('index', `must be a whole number from 0, not ${String(index)}`);
}

/** The id of what is in a slot; undefined for an empty one. One system call. @internal */
export function slotId(map: BpfMap, key: Uint8Array): number | undefined {
  const id = new Uint32Array(1);
  return map.raw.get(key, new Uint8Array(id.buffer)) ? id[0] : undefined;
}

/**
 * The slots that are filled, with ids. One system call each: commands for many stop at empty slots before Linux 6.14.
 * @internal
 */
export function* filledSlots(map: BpfMap): Generator<[number, number], undefined, undefined> {
  map.requireOpen();
  for (let index = 0; index < map.maxEntries; index++) {
    const id = slotId(map, four(index));
    if (id !== undefined) yield [index, id];
  }
  return undefined;
}
