import { BtfKind, type Btf } from '../btf/index.js';
import type { Codec } from '../codec/index.js';
import { UsageError, quote } from '../errors/index.js';

import type { BpfMap } from './bpf-map.js';
import { codecByBtf, requireLayout, type ValueTypes } from './value-types.js';

/**
 * The codec of a map's records, which its definition does not tell: by the name of a C type of the object, or declared,
 * and then checked against the object's type of that name.
 */
export function eventCodec(map: BpfMap, noun: string, type: string | Codec<unknown>): Codec<unknown> {
  return recordCodec(map.details.types, `events of ${noun} ${quote(map.name)}`, `map ${quote(map.name)}`, type);
}

/** The same of any records: `what` they are, and `path` to what has them, are for errors. */
export function recordCodec(
  types: ValueTypes,
  what: string,
  path: string,
  type: string | Codec<unknown, never>,
): Codec<unknown, never> {
  if (typeof type !== 'string') {
    const name = structName(type);
    if (types.btf === undefined || name === undefined) return type;
    const typeId = requireType(types.btf, name);
    requireLayout(what, type, types, typeId, type.size);
    return type;
  }
  if (types.btf === undefined) {
    throw UsageError.invalidValue(
      path,
      `the object has no BTF in which to find ${quote(type)}; compile it with -g, or declare the type with struct()`,
    );
  }
  return codecByBtf(types, requireType(types.btf, type), 0);
}

/** The codec of the struct that the first parameter of a C function points to; undefined when there is none. */
export function contextCodec(types: ValueTypes, functionName: string): Codec<unknown> | undefined {
  const { btf } = types;
  const id = btf?.find(functionName, BtfKind.FUNC);
  if (btf === undefined || id === undefined) return undefined;
  const found = btf.type(id);
  const prototype = found.kind === BtfKind.FUNC ? btf.type(found.type) : undefined;
  const parameter = prototype?.kind === BtfKind.FUNC_PROTO ? prototype.parameters[0] : undefined;
  const pointer = parameter === undefined ? undefined : btf.type(btf.skipModifiers(parameter.type));
  if (pointer?.kind !== BtfKind.PTR || btf.kind(btf.skipModifiers(pointer.type)) !== BtfKind.STRUCT) return undefined;
  return codecByBtf(types, pointer.type, 0);
}

function requireType(btf: Btf, name: string): number {
  const typeId = findType(btf, name);
  if (typeId === undefined) throw unknownType(btf, name);
  return typeId;
}

/** `event` of `struct event`; other types have no name that the object must know. */
function structName(codec: Codec<unknown>): string | undefined {
  return /^(?:struct|union) (.+)$/.exec(codec.typeName)?.[1];
}

function findType(btf: Btf, name: string): number | undefined {
  const bare = /^(?:struct|union|enum) (.+)$/.exec(name)?.[1] ?? name;
  for (const kind of [BtfKind.STRUCT, BtfKind.UNION, BtfKind.TYPEDEF, BtfKind.ENUM, BtfKind.ENUM64, BtfKind.INT]) {
    const id = btf.find(bare, kind);
    if (id !== undefined) return id;
  }
  return undefined;
}

function unknownType(btf: Btf, name: string): UsageError {
  const names = new Set<string>();
  for (let id = btf.startId; id < btf.endId; id++) {
    const kind = btf.kind(id);
    if (kind === BtfKind.STRUCT || kind === BtfKind.UNION || kind === BtfKind.TYPEDEF) names.add(btf.nameOf(id));
  }
  names.delete('');
  const advice =
    'the compiler describes a type only if a variable, a map or a function names it: a variable of it will do';
  return UsageError.notFound(`type of object ${quote(btf.name)}`, name, names, advice);
}
