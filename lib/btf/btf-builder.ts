import { ByteWriter } from '../binary/index.js';
import { quote, UsageError } from '../errors/index.js';
import { btfHeaderSize, btfMagic, btfVersion } from './btf-header.js';
import { BtfKind } from './btf-kind.js';
import type {
  BtfDataSectionEntry,
  BtfEnum64Value,
  BtfEnumValue,
  BtfMember,
  BtfParameter,
  BtfType,
} from './btf-type.js';
import type { Btf } from './btf.js';
import { intBool, intChar, intSigned } from './decode-type.js';
import { withTypeIds } from './with-type-ids.js';

export interface BtfBuilderOptions {
  readonly littleEndian: boolean;
  /** Makes split BTF: ids and string offsets continue those of the base, whose strings are not repeated. */
  readonly base?: Btf | undefined;
  /**
   * Strings to begin with, in this order, whether a type uses them or not: another BTF's ({@link Btf.allStrings}), so that
   * offsets into them, which BTF.ext and CO-RE relocations hold, stay what they were.
   */
  readonly strings?: Iterable<string> | undefined;
}

/** The most items a kernel before 7.1 takes in one type. */
const mostItems = 0xffff;

/**
 * Writes BTF in either byte order. Each `add…` appends a type and returns its id; a type may refer to one that is added
 * later, by {@link nextId} plus how many come between. Strings are kept once each, in the order of their first use: a
 * type's name, then those of its members. What a compiler or pahole wrote is written again byte for byte when the strings
 * are given too, as some of the kernel's belong to types that deduplication removed.
 *
 * Sizes are in bytes. Numbers that their field cannot hold are a {@link UsageError}, and leave the builder as it was.
 *
 * @example
 * ```js
 * const builder = new BtfBuilder({ littleEndian: true });
 * const int = builder.addInt('int', { size: 4, signed: true });
 * builder.addStruct('event', 4, [{ name: 'pid', type: int, bitOffset: 0, bitSize: 0 }]);
 * const btf = Btf.parse(builder.encode(), { name: 'built' });
 *
 * const copy = new BtfBuilder({ littleEndian: btf.littleEndian, strings: btf.allStrings() });
 * for (let id = btf.startId; id < btf.endId; id++) copy.add(btf.type(id)); // the same bytes
 * ```
 */
export class BtfBuilder {
  readonly littleEndian: boolean;
  readonly base: Btf | undefined;
  readonly #types: ByteWriter;
  readonly #strings: ByteWriter;
  readonly #offsets = new Map<string, number>();
  #nextId: number;

  constructor(options: BtfBuilderOptions) {
    const { littleEndian, base } = options;
    if (base !== undefined && base.littleEndian !== littleEndian) {
      throw UsageError.invalidValue('littleEndian', `the base ${quote(base.name)} has the other byte order`);
    }
    this.littleEndian = littleEndian;
    this.base = base;
    this.#nextId = base?.endId ?? 1;
    this.#types = new ByteWriter({ littleEndian });
    this.#strings = new ByteWriter({ littleEndian });
    if (base === undefined) this.#strings.u8(0);
    for (const string of options.strings ?? []) if (string !== '') this.#appendString(string);
  }

  /**
   * A builder that holds all of `btf`'s types and strings already, under their ids and offsets; in the other byte order
   * when `littleEndian` says so.
   *
   * @throws {UsageError} for split BTF in another byte order than its base has.
   */
  static from(btf: Btf, options: { littleEndian?: boolean } = {}): BtfBuilder {
    const { littleEndian = btf.littleEndian } = options;
    if (littleEndian !== btf.littleEndian) {
      const swapped = new BtfBuilder({ littleEndian, base: btf.base, strings: btf.allStrings() });
      for (let id = btf.startId; id < btf.endId; id++) swapped.add(btf.type(id));
      return swapped;
    }
    const builder = new BtfBuilder({ littleEndian: btf.littleEndian, base: btf.base });
    const { typesOffset, typesLength } = btf.header;
    builder.#types.append(btf.bytes.subarray(typesOffset, typesOffset + typesLength));
    builder.#nextId = btf.endId;
    const { bytes, start } = btf.strings;
    if (bytes.byteLength > 0) builder.#strings.append(start === 0 ? bytes.subarray(1) : bytes);
    for (const [string, offset] of btf.ownStrings()) builder.#offsets.set(string, offset);
    return builder;
  }

  /** The id that the next type added gets. */
  get nextId(): number {
    return this.#nextId;
  }

  /** The offset of `string` among the strings, appended when it is not there yet. */
  string(string: string): number {
    if (string === '') return 0;
    return this.#offsets.get(string) ?? this.base?.stringOffset(string) ?? this.#appendString(string);
  }

  #appendString(string: string): number {
    if (string.includes('\0')) throw UsageError.invalidValue('name', `${quote(string)} contains a NUL`);
    const offset = (this.base?.stringsEnd ?? 0) + this.#strings.length;
    this.#strings.append(Buffer.from(string, 'utf8')).u8(0);
    this.#offsets.set(string, offset);
    return offset;
  }

  /** `bits` is `size * 8` when not given; sizes are in bytes. */
  addInt(
    name: string,
    int: { size: number; bits?: number; bitOffset?: number; signed?: boolean; char?: boolean; bool?: boolean },
  ): number {
    const bits = unsigned('bits', int.bits ?? int.size * 8, 0xff);
    const bitOffset = unsigned('bitOffset', int.bitOffset ?? 0, 0xff);
    const flags =
      (int.signed === true ? intSigned : 0) | (int.char === true ? intChar : 0) | (int.bool === true ? intBool : 0);
    return this.#add(BtfKind.INT, name, int.size, { words: () => [(flags << 24) | (bitOffset << 16) | bits] });
  }

  addPointer(type: number): number {
    return this.#add(BtfKind.PTR, '', type);
  }

  addArray(elementType: number, indexType: number, length: number): number {
    return this.#add(BtfKind.ARRAY, '', 0, {
      words: () => [word('elementType', elementType), word('indexType', indexType), word('length', length)],
    });
  }

  addStruct(name: string, size: number, members: readonly BtfMember[]): number {
    return this.#addComposite(BtfKind.STRUCT, name, size, members);
  }

  addUnion(name: string, size: number, members: readonly BtfMember[]): number {
    return this.#addComposite(BtfKind.UNION, name, size, members);
  }

  /** 4 bytes and unsigned when not given. */
  addEnum(name: string, options: { size?: number; signed?: boolean; values: readonly BtfEnumValue[] }): number {
    const signed = options.signed === true;
    const words = (): number[] => {
      const made: number[] = [];
      for (const { name: valueName, value } of options.values) {
        const fits = signed ? value === (value | 0) : value === value >>> 0;
        if (!fits) throw misfit(valueName, value, signed, 32);
        made.push(this.string(valueName), value >>> 0);
      }
      return made;
    };
    return this.#add(BtfKind.ENUM, name, options.size ?? 4, { flag: signed, count: options.values.length, words });
  }

  /** 8 bytes and unsigned when not given. */
  addEnum64(name: string, options: { size?: number; signed?: boolean; values: readonly BtfEnum64Value[] }): number {
    const signed = options.signed === true;
    const words = (): number[] => {
      const made: number[] = [];
      for (const { name: valueName, value } of options.values) {
        const fits = value === (signed ? BigInt.asIntN(64, value) : BigInt.asUintN(64, value));
        if (!fits) throw misfit(valueName, value, signed, 64);
        made.push(this.string(valueName), Number(value & 0xffff_ffffn), Number((value >> 32n) & 0xffff_ffffn));
      }
      return made;
    };
    return this.#add(BtfKind.ENUM64, name, options.size ?? 8, { flag: signed, count: options.values.length, words });
  }

  addForward(name: string, options: { union?: boolean } = {}): number {
    return this.#add(BtfKind.FWD, name, 0, { flag: options.union === true });
  }

  addTypedef(name: string, type: number): number {
    return this.#add(BtfKind.TYPEDEF, name, type);
  }

  addVolatile(type: number): number {
    return this.#add(BtfKind.VOLATILE, '', type);
  }

  addConst(type: number): number {
    return this.#add(BtfKind.CONST, '', type);
  }

  addRestrict(type: number): number {
    return this.#add(BtfKind.RESTRICT, '', type);
  }

  /** `linkage` is a `BtfLinkage`. */
  addFunction(name: string, prototype: number, linkage: number): number {
    return this.#add(BtfKind.FUNC, name, prototype, { count: linkage });
  }

  /** A last parameter of type 0 without a name stands for `...`. */
  addFunctionPrototype(returnType: number, parameters: readonly BtfParameter[]): number {
    const words = (): number[] => {
      const made: number[] = [];
      for (const { name, type } of parameters) made.push(this.string(name), word('parameter', type));
      return made;
    };
    return this.#add(BtfKind.FUNC_PROTO, '', returnType, { count: parameters.length, words });
  }

  /** `linkage` is a `BtfLinkage`. */
  addVariable(name: string, type: number, linkage: number): number {
    return this.#add(BtfKind.VAR, name, type, { words: () => [word('linkage', linkage)] });
  }

  /** Sizes and offsets in bytes; the kernel wants the entries in ascending order of offsets. */
  addDataSection(name: string, size: number, entries: readonly BtfDataSectionEntry[]): number {
    const words = (): number[] =>
      entries.flatMap((entry) => [word('type', entry.type), word('offset', entry.offset), word('size', entry.size)]);
    return this.#add(BtfKind.DATASEC, name, size, { count: entries.length, words });
  }

  addFloat(name: string, size: number): number {
    return this.#add(BtfKind.FLOAT, name, size);
  }

  /** `componentIndex` is the member or parameter tagged, -1 for the type itself. */
  addDeclarationTag(name: string, type: number, componentIndex = -1, options: { attribute?: boolean } = {}): number {
    if (componentIndex !== (componentIndex | 0)) {
      throw UsageError.invalidValue('componentIndex', `${componentIndex} is not a signed 32-bit value`);
    }
    return this.#add(BtfKind.DECL_TAG, name, type, {
      flag: options.attribute === true,
      words: () => [componentIndex >>> 0],
    });
  }

  addTypeTag(name: string, type: number, options: { attribute?: boolean } = {}): number {
    return this.#add(BtfKind.TYPE_TAG, name, type, { flag: options.attribute === true });
  }

  /** Appends a copy of a type read elsewhere; the ids it refers to are taken as they are. `void` cannot be added. */
  add(type: BtfType): number {
    switch (type.kind) {
      case BtfKind.VOID:
        throw UsageError.invalidValue('type', 'void is type 0 of every BTF');
      case BtfKind.INT:
        return this.addInt(type.name, type);
      case BtfKind.PTR:
      case BtfKind.TYPEDEF:
      case BtfKind.VOLATILE:
      case BtfKind.CONST:
      case BtfKind.RESTRICT:
        return this.#add(type.kind, type.name, type.type);
      case BtfKind.TYPE_TAG:
        return this.addTypeTag(type.name, type.type, type);
      case BtfKind.ARRAY:
        return this.addArray(type.elementType, type.indexType, type.length);
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        return this.#addComposite(type.kind, type.name, type.size, type.members);
      case BtfKind.ENUM:
        return this.addEnum(type.name, type);
      case BtfKind.ENUM64:
        return this.addEnum64(type.name, type);
      case BtfKind.FWD:
        return this.addForward(type.name, type);
      case BtfKind.FUNC:
        return this.addFunction(type.name, type.type, type.linkage);
      case BtfKind.FUNC_PROTO:
        return this.addFunctionPrototype(type.returnType, type.parameters);
      case BtfKind.VAR:
        return this.addVariable(type.name, type.type, type.linkage);
      case BtfKind.DATASEC:
        return this.addDataSection(type.name, type.size, type.entries);
      case BtfKind.FLOAT:
        return this.addFloat(type.name, type.size);
      case BtfKind.DECL_TAG:
        return this.addDeclarationTag(type.name, type.type, type.componentIndex, type);
    }
  }

  /**
   * Appends copies of all of `btf`'s types and strings. Its first type gets the id returned, the others follow; types of a
   * base, which must be this builder's too, keep their ids.
   */
  addAll(btf: Btf): number {
    if (btf.base !== undefined && btf.base !== this.base) {
      throw UsageError.invalidValue('btf', `${quote(btf.name)} continues another BTF than this builder does`);
    }
    const first = this.#nextId;
    const move = first - btf.startId;
    for (let id = btf.startId; id < btf.endId; id++) {
      this.add(withTypeIds(btf.type(id), (old) => (old < btf.startId ? old : old + move)));
    }
    for (const string of btf.allStrings()) this.string(string);
    return first;
  }

  /** The BTF with the 24-byte header that every kernel reads. The builder can be added to afterwards. */
  encode(): Uint8Array {
    const types = this.#types.toBytes();
    const strings = this.#strings.toBytes();
    const writer = new ByteWriter({
      littleEndian: this.littleEndian,
      capacity: btfHeaderSize + types.byteLength + strings.byteLength,
    });
    writer.u16(btfMagic).u8(btfVersion).u8(0).u32(btfHeaderSize);
    writer.u32(0).u32(types.byteLength).u32(types.byteLength).u32(strings.byteLength);
    return writer.append(types).append(strings).toBytes();
  }

  #addComposite(
    kind: typeof BtfKind.STRUCT | typeof BtfKind.UNION,
    name: string,
    size: number,
    members: readonly BtfMember[],
  ): number {
    const flag = members.some((member) => member.bitSize !== 0);
    const words = (): number[] => {
      const made: number[] = [];
      for (const member of members) {
        const nameOffset = this.string(member.name);
        const offset = flag
          ? unsigned('bitSize', member.bitSize, 0xff) * 0x100_0000 + unsigned('bitOffset', member.bitOffset, 0xff_ffff)
          : word('bitOffset', member.bitOffset);
        made.push(nameOffset, word('type', member.type), offset);
      }
      return made;
    };
    return this.#add(kind, name, size, { flag, count: members.length, words });
  }

  #add(
    kind: BtfKind,
    name: string,
    sizeOrType: number,
    rest: { flag?: boolean; count?: number; words?: () => readonly number[] } = {},
  ): number {
    const count = unsigned('count', rest.count ?? 0, mostItems);
    word('size or type', sizeOrType);
    const nameOffset = this.string(name);
    // The names of members come after the type's own among the strings; and what throws writes no half of a type.
    const words = rest.words?.() ?? [];
    const types = this.#types;
    types
      .u32(nameOffset)
      .u32((rest.flag === true ? 0x8000_0000 : 0) + kind * 0x100_0000 + count)
      .u32(sizeOrType);
    for (const value of words) types.u32(value);
    return this.#nextId++;
  }
}

function unsigned(what: string, value: number, most: number): number {
  if (!Number.isInteger(value) || value < 0 || value > most) {
    throw UsageError.invalidValue(what, `${value} is not an integer from 0 to ${most}`);
  }
  return value;
}

function misfit(name: string, value: number | bigint, signed: boolean, bits: number): UsageError {
  return UsageError.invalidValue(
    name,
    `${value} does not fit ${signed ? 'a signed' : 'an unsigned'} ${bits}-bit value`,
  );
}

function word(what: string, value: number): number {
  return unsigned(what, value, 0xffff_ffff);
}
