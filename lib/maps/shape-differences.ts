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
  return [
    difference('type', mapTypeName(wanted.type), mapTypeName(found.type)),
    difference('key size', wanted.keySize, found.keySize),
    difference('value size', wanted.valueSize, found.valueSize),
    difference('maxEntries', wanted.maxEntries, found.maxEntries),
    difference('flags', wanted.flags, found.flags),
  ].filter((text) => text !== undefined);
}

function difference(what: string, wanted: number | string, found: number | string): string | undefined {
  return wanted === found ? undefined : `${what} is ${found}, not ${wanted}`;
}
