import { BtfKind, type Btf } from '../btf/index.js';
import { UsageError } from '../errors/index.js';
import { BtfLayouts, safeTypeName, type BtfCodecOptions } from './btf-layouts.js';
import type { Codec } from './codec.js';
import { LayoutCodec } from './layout-codec.js';

/**
 * The codec of a C type as BTF describes it. Structs become plain objects, the members of anonymous structs and unions
 * among those of the struct around them; a union has all its members, each read from the same bytes. Members that only
 * the kernel may touch (`struct bpf_spin_lock`, `struct bpf_timer`, kptrs, …) are left out, and zeros when encoded. A
 * variable has its type's codec, a data section is a struct of its variables.
 *
 * Throws {@link UsageError} for a type that has no size (`void`, a function, a struct that is only declared) and
 * ObjectFormatError when the BTF contradicts itself.
 *
 * @example
 * ```js
 * const codec = codecFromBtf(btf, btf.find('event', BtfKind.STRUCT), { int64: 'string' });
 * const event = codec.decode(new DataView(record.buffer, record.byteOffset, record.byteLength), 0);
 * ```
 */
export function codecFromBtf(btf: Btf, typeId: number, options: BtfCodecOptions = {}): Codec<unknown> {
  if (!hasValues(btf, typeId)) throw withoutValues(btf, typeId);
  return new LayoutCodec(new BtfLayouts(btf, options).layoutOf(typeId), {
    littleEndian: options.littleEndian ?? btf.littleEndian,
  });
}

/** Whether the type is one that bytes can be a value of. */
export function hasValues(btf: Btf, typeId: number): boolean {
  switch (kindOfValue(btf, typeId)) {
    case BtfKind.VOID:
    case BtfKind.FWD:
    case BtfKind.FUNC:
    case BtfKind.FUNC_PROTO:
    case BtfKind.DECL_TAG:
      return false;
    default:
      return true;
  }
}

/** What to throw for a type that is none. */
export function withoutValues(btf: Btf, typeId: number, path = 'type'): UsageError {
  return UsageError.invalidValue(path, `${safeTypeName(btf, typeId)} has no size, so no value of it can be read`);
}

function kindOfValue(btf: Btf, typeId: number): BtfKind {
  const type = btf.type(btf.skipModifiers(typeId));
  return type.kind === BtfKind.VAR ? btf.kind(btf.skipModifiers(type.type)) : type.kind;
}
