import {
  BtfKind,
  typeName as typeNameOf,
  type Btf,
  type BtfArray,
  type BtfComposite,
  type BtfDataSection,
  type BtfInt,
  type BtfMember,
  type BtfType,
} from '../btf/index.js';
import { escapeControl, ObjectFormatError, quote } from '../errors/index.js';
import {
  endOf,
  fieldsOf,
  type BitField,
  type ByteOrder,
  type IntegerLayout,
  type Layout,
  type MemberLayout,
  type StructLayout,
  type WideInteger,
} from './layout.js';

/** How the values of types from BTF appear in JavaScript. */
export interface BtfCodecOptions {
  /** How 64-bit integers appear: as bigint (default), as number (throws rather than rounds), as decimal string. */
  readonly int64?: WideInteger | undefined;
  /** How `char[N]` appears: as a string up to the first NUL (default), or as all its bytes. */
  readonly chars?: 'string' | 'bytes' | undefined;
  /** How enums appear: as numbers (default), or as names where the number has one. */
  readonly enums?: 'number' | 'name' | undefined;
  /** The byte order of the data; by default that of the BTF. */
  readonly littleEndian?: boolean | undefined;
}

/** Types that the kernel finds by name in map values; programs and user space never see what is inside. */
const OPAQUE_STRUCTS: ReadonlySet<string> = new Set([
  // kernel/bpf/btf.c, btf_get_field_type()
  'bpf_spin_lock',
  'bpf_res_spin_lock',
  'bpf_timer',
  'bpf_wq',
  'bpf_task_work',
  'bpf_list_head',
  'bpf_list_node',
  'bpf_rb_root',
  'bpf_rb_node',
  'bpf_refcount',
]);

/** Type tags of pointers that the kernel owns; user space reads zeros there (kernel/bpf/btf.c, btf_find_kptr()). */
const KERNEL_POINTER_TAGS: ReadonlySet<string> = new Set(['kptr', 'kptr_untrusted', 'kptr_ref', 'percpu_kptr']);

/** Typedefs whose bytes have an order of their own (include/uapi/linux/types.h). */
const FIXED_ORDER: ReadonlyMap<string, { order: ByteOrder; size: number }> = new Map([
  ['__be16', { order: 'big', size: 2 }],
  ['__be32', { order: 'big', size: 4 }],
  ['__be64', { order: 'big', size: 8 }],
  ['__le16', { order: 'little', size: 2 }],
  ['__le32', { order: 'little', size: 4 }],
  ['__le64', { order: 'little', size: 8 }],
]);

const MOST_DEPTH = 64;

/** The type as C spells it, fit for messages whatever the file calls it. */
export function safeTypeName(btf: Btf, typeId: number): string {
  return escapeControl(typeNameOf(btf, typeId));
}

/** Turns the types of one BTF into layouts; a struct that occurs twice has one layout. */
export class BtfLayouts {
  readonly #btf: Btf;
  readonly #wide: WideInteger;
  readonly #chars: 'string' | 'bytes';
  readonly #enums: 'number' | 'name';
  readonly #structs = new Map<number, Layout>();
  readonly #ids = new WeakMap<Layout, number>();

  constructor(btf: Btf, options: BtfCodecOptions) {
    this.#btf = btf;
    this.#wide = options.int64 ?? 'bigint';
    this.#chars = options.chars ?? 'string';
    this.#enums = options.enums ?? 'number';
  }

  /** The struct, union, enumeration or data section that a layout was made of, typedefs and qualifiers looked through. */
  typeIdOf(layout: Layout): number | undefined {
    return this.#ids.get(layout);
  }

  layoutOf(typeId: number, depth = 0): Layout {
    if (depth > MOST_DEPTH) throw this.#malformed(typeId, `is nested deeper than ${MOST_DEPTH} types`);
    const { type, typedefs } = this.#resolve(typeId);
    const typeName = safeTypeName(this.#btf, typeId);
    switch (type.kind) {
      case BtfKind.INT:
        return this.#integer(type, typeName, typedefs);
      case BtfKind.FLOAT:
        if (type.size === 4 || type.size === 8) {
          return { kind: 'float', typeName, size: type.size, alignment: type.size };
        }
        // `long double` and half floats: JavaScript has no such numbers.
        return this.#bytes(typeName, type.size, this.#btf.alignmentOf(typeId));
      case BtfKind.PTR:
        if (this.#isKernelPointer(type.type)) return { kind: 'opaque', typeName, size: 8, alignment: 8 };
        return { kind: 'pointer', typeName, size: 8, alignment: 8 };
      case BtfKind.ARRAY:
        return this.#array(typeId, type, typeName, depth);
      case BtfKind.ENUM:
      case BtfKind.ENUM64: {
        const size = this.#integerSize(type.id, type.size);
        const integer: IntegerLayout = {
          kind: 'integer',
          typeName,
          size,
          alignment: size,
          signed: type.signed,
          byteOrder: 'host',
          wide: this.#wide,
        };
        const { values } = type;
        return this.#from(type.id, {
          kind: 'enum',
          typeName,
          size,
          alignment: size,
          integer,
          values,
          as: this.#enums,
        });
      }
      case BtfKind.STRUCT:
      case BtfKind.UNION: {
        let layout = this.#structs.get(type.id);
        if (layout === undefined) {
          layout = this.#from(type.id, this.#struct(type, safeTypeName(this.#btf, type.id), depth));
          this.#structs.set(type.id, layout);
        }
        return layout;
      }
      case BtfKind.VAR:
        return this.layoutOf(type.type, depth + 1);
      case BtfKind.DATASEC:
        return this.#from(type.id, this.#dataSection(type, depth));
      default:
        throw this.#malformed(typeId, 'has no size, yet a value of it is wanted');
    }
  }

  #from(typeId: number, layout: Layout): Layout {
    this.#ids.set(layout, typeId);
    return layout;
  }

  /** The type behind typedefs and qualifiers, and the typedefs' names. */
  #resolve(typeId: number): { type: BtfType; typedefs: string[] } {
    const typedefs: string[] = [];
    let type = this.#btf.type(typeId);
    for (let steps = 0; steps < 2 * MOST_DEPTH; steps++) {
      switch (type.kind) {
        case BtfKind.TYPEDEF:
          typedefs.push(type.name);
          break;
        case BtfKind.CONST:
        case BtfKind.VOLATILE:
        case BtfKind.RESTRICT:
        case BtfKind.TYPE_TAG:
          break;
        default:
          return { type, typedefs };
      }
      type = this.#btf.type(type.type);
    }
    throw this.#malformed(typeId, 'refers to itself');
  }

  #integer(type: BtfInt, typeName: string, typedefs: readonly string[]): Layout {
    const size = this.#integerSize(type.id, type.size);
    if (type.bool) {
      if (size === 16) throw this.#malformed(type.id, 'is a bool of 16 bytes');
      return { kind: 'bool', typeName, size, alignment: size };
    }
    let byteOrder: ByteOrder = 'host';
    for (const name of typedefs) {
      const fixed = FIXED_ORDER.get(name);
      if (fixed?.size === size) byteOrder = fixed.order;
    }
    const alignment = Math.min(size, 8);
    return { kind: 'integer', typeName, size, alignment, signed: type.signed, byteOrder, wide: this.#wide };
  }

  #integerSize(typeId: number, size: number): 1 | 2 | 4 | 8 | 16 {
    if (size === 1 || size === 2 || size === 4 || size === 8 || size === 16) return size;
    throw this.#malformed(typeId, `is an integer of ${size} bytes`);
  }

  #bytes(typeName: string, length: number, alignment = 1): Layout {
    return { kind: 'bytes', typeName, size: length, alignment, length, flexible: false };
  }

  #array(typeId: number, type: BtfArray, typeName: string, depth: number): Layout {
    const { length } = type;
    // Checks that the whole is below 4 GiB.
    const size = this.#btf.sizeOf(typeId);
    const element = this.layoutOf(type.elementType, depth + 1);
    if (element.kind === 'integer' && element.size === 1) {
      const isChar = this.#resolve(type.elementType).type.name === 'char';
      if (isChar && this.#chars === 'string') {
        return { kind: 'string', typeName, size, alignment: 1, length, flexible: false };
      }
      if (isChar || !element.signed) return this.#bytes(typeName, length);
    }
    return { kind: 'array', typeName, size, alignment: element.alignment, element, length, flexible: false };
  }

  #isKernelPointer(target: number): boolean {
    let type = this.#btf.type(target);
    for (let steps = 0; type.kind === BtfKind.TYPE_TAG && steps < MOST_DEPTH; steps++) {
      if (KERNEL_POINTER_TAGS.has(type.name)) return true;
      type = this.#btf.type(type.type);
    }
    return false;
  }

  #struct(type: BtfComposite, typeName: string, depth: number): Layout {
    const { size } = type;
    const alignment = this.#btf.alignmentOf(type.id);
    if (type.kind === BtfKind.STRUCT && OPAQUE_STRUCTS.has(type.name)) {
      return { kind: 'opaque', typeName, size, alignment };
    }
    const members: MemberLayout[] = [];
    for (const member of type.members) {
      const made = this.#member(type, member, depth);
      if (made !== undefined) members.push(made);
    }
    const kind = type.kind === BtfKind.STRUCT ? 'struct' : 'union';
    const layout: StructLayout = { kind, typeName, size, alignment, members };
    this.#checkNames(type.id, layout);
    return kind === 'struct' ? withFlexibleTail(layout) : layout;
  }

  #member(owner: BtfComposite, member: BtfMember, depth: number): MemberLayout | undefined {
    const layout = this.layoutOf(member.type, depth + 1);
    const offset = Math.floor(member.bitOffset / 8);
    const bits = this.#bits(owner, member);
    const end = bits === undefined ? offset + layout.size : (bits.offset + bits.size) / 8;
    if (end > owner.size) throw this.#malformed(owner.id, `is smaller than its member ${quote(member.name)} reaches`);
    if (bits !== undefined && layout.kind !== 'integer' && layout.kind !== 'bool' && layout.kind !== 'enum') {
      throw this.#malformed(owner.id, `has a bit-field ${quote(member.name)} that is no integer`);
    }
    if (member.name !== '') return { name: member.name, offset, layout, bits };
    // Unnamed bit-fields are padding, and so is an anonymous struct in which nothing has a name.
    const named = (layout.kind === 'struct' || layout.kind === 'union') && fieldsOf(layout).length > 0;
    return named ? { name: undefined, offset, layout, bits: undefined } : undefined;
  }

  #bits(owner: BtfComposite, member: BtfMember): BitField | undefined {
    let { bitOffset: offset, bitSize: size } = member;
    if (size === 0) {
      const { type } = this.#resolve(member.type);
      // Compilers before 2018 put a bit-field's width into an INT of its own.
      if (type.kind === BtfKind.INT && (type.bits !== type.size * 8 || type.bitOffset !== 0)) {
        offset += type.bitOffset;
        size = type.bits;
      } else if (offset % 8 !== 0) {
        throw this.#malformed(owner.id, `has a member ${quote(member.name)} that starts within a byte`);
      } else return undefined;
    }
    if (size < 1 || size > 64) {
      throw this.#malformed(owner.id, `has a bit-field ${quote(member.name)} of ${size} bits`);
    }
    return { offset, size };
  }

  /** Two members of one name would overwrite each other; C does not allow them. */
  #checkNames(typeId: number, layout: StructLayout): void {
    const names = new Set<string>();
    for (const { name } of fieldsOf(layout)) {
      if (names.has(name)) throw this.#malformed(typeId, `has two members named ${quote(name)}`);
      names.add(name);
    }
  }

  /** A data section as a struct of its variables. */
  #dataSection(section: BtfDataSection, depth: number): Layout {
    const members: MemberLayout[] = [];
    const taken = new Set<string>();
    const copies = new Map<string, number>();
    let size = section.size;
    for (const entry of section.entries) {
      const variable = this.#btf.type(entry.type);
      if (variable.kind !== BtfKind.VAR) continue;
      const layout = this.layoutOf(variable.type, depth + 1);
      // Two functions may each have a static variable of the same name.
      let name = variable.name;
      while (taken.has(name)) {
        const copy = (copies.get(variable.name) ?? 0) + 1;
        copies.set(variable.name, copy);
        name = `${variable.name}.${copy}`;
      }
      taken.add(name);
      members.push({ name, offset: entry.offset, layout, bits: undefined });
      size = Math.max(size, entry.offset + layout.size);
    }
    return { kind: 'struct', typeName: `section ${escapeControl(section.name)}`, size, alignment: 8, members };
  }

  #malformed(typeId: number, problem: string): ObjectFormatError {
    const what = `type ${typeId} (${safeTypeName(this.#btf, typeId)}) ${problem}`;
    return new ObjectFormatError(what, { object: this.#btf.name, section: '.BTF' });
  }
}

/**
 * Marks arrays of length 0 behind all other members as flexible, those in anonymous structs and unions too: the kernel
 * writes `DECLARE_FLEX_ARRAY` that way.
 */
function withFlexibleTail(layout: StructLayout): StructLayout {
  const fields = fieldsOf(layout);
  if (!fields.some((field) => hasNoLength(field.layout))) return layout;
  let end = 0;
  for (const field of fields) end = Math.max(end, endOf(field));
  const mark = (struct: StructLayout, base: number): StructLayout => ({
    ...struct,
    members: struct.members.map((member) => {
      const type = member.layout;
      if (member.name === undefined && (type.kind === 'struct' || type.kind === 'union')) {
        return { ...member, layout: mark(type, base + member.offset) };
      }
      return hasNoLength(type) && base + member.offset >= end
        ? { ...member, layout: { ...type, flexible: true } }
        : member;
    }),
  });
  return mark(layout, 0);
}

function hasNoLength(layout: Layout): layout is Layout & { flexible: boolean } {
  if (layout.kind === 'array') return layout.length === 0 && layout.element.size > 0;
  return (layout.kind === 'bytes' || layout.kind === 'string') && layout.length === 0;
}
