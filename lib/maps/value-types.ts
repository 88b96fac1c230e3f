import { codecFromBtf, bytes, checkLayout, type Codec } from '../codec/index.js';
import type { Btf } from '../btf/index.js';
import { EbpfError, UsageError } from '../errors/index.js';

/** How values of a load are decoded where no declared type says otherwise. */
export interface DecodeOptions {
  /** What 64-bit integers become. Default `'bigint'`; `'number'` throws for values that a number cannot hold. */
  readonly int64?: 'bigint' | 'number' | 'string' | undefined;
  /** What `char[N]` becomes: the string before the first NUL, or all bytes. Default `'string'`. */
  readonly chars?: 'string' | 'bytes' | undefined;
  /** What enums become. Default `'number'`; with `'name'` a value without a name stays a number. */
  readonly enums?: 'number' | 'name' | undefined;
}

/** What is known of a map's keys and values. @internal */
export interface ValueTypes {
  /** The object's types; undefined when it has none. */
  readonly btf: Btf | undefined;
  /** 0: no type is known. */
  readonly keyType: number;
  /** 0: no type is known. */
  readonly valueType: number;
  readonly decode: DecodeOptions;
}

/** The codec the object's own BTF gives, or owned bytes when it says nothing. */
export function codecByBtf(types: ValueTypes, typeId: number, size: number): Codec<unknown> {
  if (types.btf === undefined || typeId === 0) return bytes(size);
  const { int64, chars, enums } = types.decode;
  return codecFromBtf(types.btf, typeId, {
    littleEndian: types.btf.littleEndian,
    ...(int64 === undefined ? {} : { int64 }),
    ...(chars === undefined ? {} : { chars }),
    ...(enums === undefined ? {} : { enums }),
  });
}

/** Holds a declared codec against what the object says. `what` is such as `the value of map "counts"`. */
export function requireLayout(
  what: string,
  declared: Codec<unknown>,
  types: ValueTypes,
  typeId: number,
  size: number,
): void {
  if (types.btf !== undefined && typeId !== 0) {
    try {
      checkLayout(declared, types.btf, typeId);
    } catch (error) {
      if (!EbpfError.is(error) || error.code !== 'ERR_EBPF_INVALID_VALUE') throw error;
      throw UsageError.invalidValue(what, error.message, { cause: error });
    }
  } else if (declared.size !== size) {
    throw UsageError.invalidValue(what, `it has ${size} bytes, but ${declared.typeName} has ${declared.size}`);
  }
}
