import { escapeControl, UsageError } from '../../errors/index.js';
import { BtfKind } from '../btf-kind.js';
import {
  BtfLinkage,
  type BtfArray,
  type BtfComposite,
  type BtfEnum,
  type BtfEnum64,
  type BtfType,
} from '../btf-type.js';
import type { Btf } from '../btf.js';
import { castName } from '../type-name.js';
import { maximumDepth, tooDeep } from '../type-size.js';
import { allZero, characterOf, floatText, readInteger, stringOf } from './scalars.js';

export interface BtfPrintOptions {
  /** All in one line. Default false: a line for each value. */
  readonly compact?: boolean | undefined;
  /** What each level of nesting begins a line with. Default a tab. */
  readonly indent?: string | undefined;
  /** Members that are zero too. Default false. In arrays zeros are always printed, so that elements keep their places. */
  readonly zeros?: boolean | undefined;
  /** Members' names and types: `.pid = (__u32)1`. Default true. */
  readonly names?: boolean | undefined;
  /** `char` arrays as strings, up to their NUL. Default true; otherwise one character after the other. */
  readonly strings?: boolean | undefined;
  /** The byte order of the bytes; by default that of the BTF. */
  readonly littleEndian?: boolean | undefined;
}

/** Values that a type may have, and those that each byte may add: unions of unions could find any number in a few bytes. */
const fewValues = 10_000;
const valuesPerByte = 64;

/** A value's bits within the bytes. */
interface Place {
  /** Bytes from the start. */
  readonly offset: number;
  readonly bits: { readonly offset: number; readonly size: number } | undefined;
  readonly depth: number;
  /** In an array, where types are left out and zeros are not. */
  readonly inArray: boolean;
  /** A flexible array at the end of the outermost struct may have what the struct leaves of the bytes. */
  readonly last: boolean;
}

/** The text of one value; see {@link Btf.printValue}. */
export function printValue(btf: Btf, id: number, bytes: Uint8Array, options: BtfPrintOptions): string {
  const size = sizeNeeded(btf, id);
  if (bytes.byteLength < size) {
    throw UsageError.invalidValue('bytes', `${bytes.byteLength} bytes, where a value of the type takes ${size}`);
  }
  return new ValuePrinter(btf, bytes, options).print(id);
}

/** clang leaves the size of a data section 0. */
function sizeNeeded(btf: Btf, id: number): number {
  const type = btf.type(btf.skipModifiers(id));
  if (type.kind !== BtfKind.DATASEC) return btf.sizeOf(id);
  const ends = type.entries
    .filter((entry) => btf.kind(entry.type) === BtfKind.VAR)
    .map((entry) => entry.offset + btf.sizeOf(entry.type));
  return ends.reduce((most, end) => Math.max(most, end), type.size);
}

class ValuePrinter {
  readonly #btf: Btf;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #littleEndian: boolean;
  readonly #options: BtfPrintOptions;
  #left: number;

  constructor(btf: Btf, bytes: Uint8Array, options: BtfPrintOptions) {
    this.#btf = btf;
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#littleEndian = options.littleEndian ?? btf.littleEndian;
    this.#options = options;
    this.#left = fewValues + valuesPerByte * bytes.byteLength;
  }

  print(id: number): string {
    const type = this.#btf.type(this.#btf.skipModifiers(id));
    if (type.kind === BtfKind.DATASEC) {
      const variables = type.entries.map((entry) => `${this.#declared(this.#btf.type(entry.type), entry.offset)};`);
      const between = this.#options.compact === true ? ' ' : '\n';
      return [`SEC(${JSON.stringify(escapeControl(type.name))})`, ...variables].join(between);
    }
    return type.kind === BtfKind.VAR ? this.#declared(type, 0) : this.#whole(id, 0);
  }

  /** A variable; of what else a section has, functions of `.ksyms`, the name. */
  #declared(type: BtfType, offset: number): string {
    if (type.kind !== BtfKind.VAR) return escapeControl(type.name);
    const linkage = { [BtfLinkage.STATIC]: 'static ', [BtfLinkage.EXTERN]: 'extern ' }[type.linkage] ?? '';
    return `${linkage}${this.#cast(type.type)} ${escapeControl(type.name)} = ${this.#whole(type.type, offset)}`;
  }

  /** What is printed whether or not it is zero. */
  #whole(id: number, offset: number): string {
    const cast = this.#options.names === false ? '' : `(${this.#cast(id)})`;
    return cast + (this.#value(id, { offset, bits: undefined, depth: 0, inArray: false, last: true }, true) ?? '');
  }

  /** Undefined for a zero that is not asked for. */
  #value(id: number, place: Place, always = place.inArray || this.#options.zeros === true): string | undefined {
    if (--this.#left < 0)
      throw this.#btf.error(`type ${id} has more values than ${this.#bytes.byteLength} bytes explain`, id);
    if (place.depth > maximumDepth) throw tooDeep(this.#btf, id);
    const type = this.#btf.type(this.#btf.skipModifiers(id));
    switch (type.kind) {
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        return this.#composite(type, place, always);
      case BtfKind.ARRAY:
        return this.#array(type, place, always);
      case BtfKind.INT: {
        const value = this.#integer(place, type.size, type.signed && place.bits === undefined);
        if (value === 0n && !always) return undefined;
        return place.bits === undefined && type.size <= 8 ? value.toString() : `0x${value.toString(16)}`;
      }
      case BtfKind.PTR: {
        const value = this.#integer(place, 8, false);
        return value === 0n && !always ? undefined : `0x${value.toString(16)}`;
      }
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        return this.#enumerator(type, place, always);
      case BtfKind.FLOAT:
        if (!always && allZero(this.#bytes, place.offset, type.size)) return undefined;
        return floatText(this.#view, place.offset, type.size, this.#littleEndian);
      default:
        throw this.#btf.error(`type ${id} has no values`, id);
    }
  }

  #composite({ members, size, kind }: BtfComposite, place: Place, always: boolean): string | undefined {
    const parts: string[] = [];
    const depth = place.depth + 1;
    for (const [index, { name, type, bitOffset, bitSize }] of members.entries()) {
      const first = place.offset * 8 + bitOffset;
      const bits = this.#bits(type, first, bitSize);
      const offset = Math.floor(first / 8);
      const end = bits === undefined ? offset + this.#btf.sizeOf(type) : (bits.offset + bits.size) / 8;
      if (end > place.offset + size)
        throw this.#btf.error(`type ${type} reaches beyond the struct that it is in`, type);
      const last = place.last && kind === BtfKind.STRUCT && index === members.length - 1;
      const text = this.#value(type, { offset, bits, depth, inArray: place.inArray, last });
      if (text !== undefined) parts.push(this.#label(name, type, place) + text);
    }
    if (parts.length === 0 && !always) return undefined;
    return `{${this.#lines(parts, place.depth)}}`;
  }

  #label(name: string, type: number, place: Place): string {
    if (this.#options.names === false) return '';
    const cast = place.inArray ? '' : `(${this.#cast(type)})`;
    return name === '' ? cast : `.${escapeControl(name)} = ${cast}`;
  }

  /** Compilers before 2018 put a bit-field's width into an INT of its own. */
  #bits(id: number, offset: number, size: number): Place['bits'] {
    if (size !== 0) return { offset, size };
    const type = this.#btf.type(this.#btf.skipModifiers(id));
    if (type.kind !== BtfKind.INT || type.bits === 0 || type.bits === type.size * 8) {
      if (offset % 8 !== 0) throw this.#btf.error(`a member of type ${id} starts within a byte`, id);
      return undefined;
    }
    return { offset: offset + type.bitOffset, size: type.bits };
  }

  #array(array: BtfArray, place: Place, always: boolean): string | undefined {
    const element = this.#btf.type(this.#btf.skipModifiers(array.elementType));
    const size = this.#btf.sizeOf(array.elementType);
    const { offset, last } = place;
    const rest = this.#bytes.byteLength - offset;
    const isFlexible = array.length === 0 && last && place.depth > 0;
    const length = isFlexible ? Math.floor(rest / Math.max(1, size)) : array.length;
    if (element.kind === BtfKind.INT && size === 1 && element.name === 'char') {
      return this.#characters(this.#bytes.subarray(offset, offset + length), place, always);
    }
    if (!always && allZero(this.#bytes, offset, length * size)) return undefined;
    const parts: string[] = [];
    for (let index = 0; index < length; index++) {
      const at = { offset: offset + index * size, bits: undefined, depth: place.depth + 1, inArray: true, last: false };
      parts.push(this.#value(array.elementType, at) ?? '');
    }
    return `[${this.#lines(parts, place.depth)}]`;
  }

  #characters(all: Uint8Array, place: Place, always: boolean): string | undefined {
    const nul = all.indexOf(0);
    const shown = nul < 0 ? all : all.subarray(0, nul);
    if (shown.length === 0 && !always) return undefined;
    if (this.#options.strings !== false) return stringOf(shown);
    this.#left -= shown.length;
    const parts = [...shown].map(characterOf);
    if (nul >= 0 && this.#options.zeros === true) parts.push("'\\0'");
    return `[${this.#lines(parts, place.depth)}]`;
  }

  #enumerator(type: BtfEnum | BtfEnum64, place: Place, always: boolean): string | undefined {
    const value = this.#integer(place, type.size, type.signed);
    if (value === 0n && !always) return undefined;
    const found = type.values.find((entry) => BigInt(entry.value) === value);
    if (found !== undefined) return escapeControl(found.name);
    const suffix = type.kind === BtfKind.ENUM64 ? (type.signed ? 'LL' : 'ULL') : '';
    return `${value}${suffix}`;
  }

  #integer({ offset, bits }: Place, size: number, signed: boolean): bigint {
    if (bits === undefined) return readInteger(this.#bytes, offset * 8, size * 8, this.#littleEndian, signed);
    return readInteger(this.#bytes, bits.offset, bits.size, this.#littleEndian, signed);
  }

  #cast(id: number): string {
    return escapeControl(castName(this.#btf, id));
  }

  #lines(parts: readonly string[], depth: number): string {
    if (this.#options.compact === true) return parts.map((part) => `${part},`).join('');
    const { indent = '\t' } = this.#options;
    const outer = indent.repeat(depth);
    return `\n${parts.map((part) => `${outer}${indent}${part},\n`).join('')}${outer}`;
  }
}
