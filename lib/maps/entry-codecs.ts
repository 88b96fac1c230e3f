import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import type { BpfMap } from './bpf-map.js';
import { codecByBtf, requireLayout } from './value-types.js';

/** How a map's keys and values become JavaScript values. */
export interface EntryCodecs {
  readonly key: Codec<unknown>;
  readonly value: Codec<unknown>;
  /** Given with `of`, not taken from the object's BTF. */
  readonly declared: boolean;
}

/** By the object's BTF. */
export function entryCodecsByBtf(map: BpfMap): EntryCodecs {
  const { types, keySize, valueSize } = map.details;
  return {
    key: codecByBtf(types, types.keyType, keySize),
    value: codecByBtf(types, types.valueType, valueSize),
    declared: false,
  };
}

/** The codecs the caller declared, checked against the object and against those the map is already used with. */
export function declaredEntryCodecs(
  map: BpfMap,
  known: EntryCodecs | undefined,
  key: Codec<unknown>,
  value: Codec<unknown>,
): EntryCodecs {
  if (known !== undefined && known.key === key && known.value === value) return known;
  const { types, keySize, valueSize } = map.details;
  requireLayout(`the key of map ${quote(map.name)}`, key, types, types.keyType, keySize);
  requireLayout(`the value of map ${quote(map.name)}`, value, types, types.valueType, valueSize);
  if (known !== undefined) throw typesAlreadyChosen(map, known.declared);
  return { key, value, declared: true };
}

/** A map is one object with one set of types: it cannot give other values to someone who asks later. */
export function typesAlreadyChosen(map: BpfMap, declared: boolean): UsageError {
  return UsageError.invalidValue(
    `map ${quote(map.name)}`,
    declared
      ? 'it is already used with other types; declare them once and ask with the same ones'
      : "it is already used with the types of the object's BTF; declare others before the map is first read or written",
  );
}
