import { MapFlag, MapType } from '../abi/index.js';

import { mapTypeName } from './map-type-name.js';

/** What decides whether one map can stand where another was expected. @internal */
export interface ComparedShape {
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
}

/** How `found` differs from what is wanted: `key size is 8, not 4`. @internal */
export function shapeDifferences(wanted: ComparedShape, found: ComparedShape): string[] {
  const implied = impliedFlags(wanted.type);
  return [
    difference('type', mapTypeName(wanted.type), mapTypeName(found.type)),
    difference('key size', wanted.keySize, found.keySize),
    difference('value size', wanted.valueSize, found.valueSize),
    difference('maxEntries', wanted.maxEntries, found.maxEntries),
    difference('flags', flagNames(wanted.flags & ~implied), flagNames(found.flags & ~implied)),
  ].filter((text) => text !== undefined);
}

/** What the kernel adds by itself (`dev_map_alloc_check` in kernel/bpf/devmap.c). */
function impliedFlags(type: number): number {
  return type === MapType.DEVMAP || type === MapType.DEVMAP_HASH ? MapFlag.RDONLY_PROG : 0;
}

/** `NO_PREALLOC | NUMA_NODE`; `0` for none. */
function flagNames(flags: number): string {
  const names: string[] = [];
  let rest = flags;
  for (const [name, flag] of Object.entries(MapFlag)) {
    if ((rest & flag) === 0) continue;
    names.push(name);
    rest &= ~flag;
  }
  if (rest !== 0 || names.length === 0) names.push(String(rest >>> 0));
  return names.join(' | ');
}

function difference(what: string, wanted: number | string, found: number | string): string | undefined {
  return wanted === found ? undefined : `${what} is ${found}, not ${wanted}`;
}
