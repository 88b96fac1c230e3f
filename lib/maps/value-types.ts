import { codecFromBtf, bytes, checkLayout, type Codec, type EntryCodec } from '../codec/index.js';
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
  /**
   * The types of the object, or of an opened map those that the kernel keeps; undefined when there are none. Reading it
   * may take system calls, and throw {@link PermissionError}.
   */
  readonly btf: Btf | undefined;
  /** 0: no type is known. */
  readonly keyType: number;
  /** 0: no type is known. */
  readonly valueType: number;
  readonly decode: DecodeOptions;
}

/** The codec the object's own BTF gives, or owned bytes when it says nothing. */
export function codecByBtf(types: ValueTypes, typeId: number, size: number): Codec<unknown> {
  const btf = typeId === 0 ? undefined : types.btf;
  if (btf === undefined) return bytes(size);
  const { int64, chars, enums } = types.decode;
  return codecFromBtf(btf, typeId, {
    littleEndian: btf.littleEndian,
    ...(int64 === undefined ? {} : { int64 }),
    ...(chars === undefined ? {} : { chars }),
    ...(enums === undefined ? {} : { enums }),
  });
}

/** Holds a declared codec against what the object says. `what` is such as `the value of map "counts"`. */
export function requireLayout(
  what: string,
  declared: EntryCodec<unknown>,
  types: ValueTypes,
  type: 'keyType' | 'valueType' | number,
  size: number,
): void {
  const typeId = typeof type === 'number' ? type : types[type];
  const btf = typeId === 0 || !hasLayout(declared) ? undefined : readableBtf(types);
  if (btf !== undefined && hasLayout(declared)) {
    try {
      checkLayout(declared, btf, typeId);
    } catch (error) {
      if (!EbpfError.is(error) || error.code !== 'ERR_EBPF_INVALID_VALUE') throw error;
      throw UsageError.invalidValue(what, error.message, { cause: error });
    }
  }
  if (declared.size !== size) {
    throw UsageError.invalidValue(what, `it has ${size} bytes, but ${declared.typeName} has ${declared.size}`);
  }
}

function hasLayout(codec: EntryCodec<unknown>): codec is Codec<unknown> {
  return codec.layout !== undefined;
}

/** The BTF where it may be read: whoever may not read the kernel's still may declare what is in a map. */
export function readableBtf(types: ValueTypes): Btf | undefined {
  try {
    return types.btf;
  } catch (error) {
    if (EbpfError.is(error) && error.code === 'ERR_EBPF_PERMISSION') return undefined;
    throw error;
  }
}
