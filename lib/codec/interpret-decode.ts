import { readAddress } from './ip-address.js';
import { fieldsOf, type BitField, type Field, type IntegerLayout, type Layout, type StructLayout } from './layout.js';
import { isLittleEndian, placeBits } from './plan.js';
import { enumName, read128, readBits, readBytes, readSafe, readTail, readWideBits, safe } from './read.js';
import { readString } from './string-cache.js';

export type Decoder = (view: DataView, offset: number) => unknown;
export type RecordDecoder = (view: DataView, offset: number, length: number) => unknown;

/** Decodes without generating code: one closure a member, for processes that forbid `new Function`. */
export function interpretDecode(layout: Layout, littleEndian: boolean): RecordDecoder {
  const interpreter = new DecodeInterpreter(littleEndian);
  return layout.kind === 'struct' ? interpreter.record(layout) : interpreter.value(layout);
}

class DecodeInterpreter {
  readonly #littleEndian: boolean;
  readonly #structs = new Map<StructLayout, Decoder>();

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  value(layout: Layout): Decoder {
    switch (layout.kind) {
      case 'integer':
        return integerDecoder(layout, isLittleEndian(layout, this.#littleEndian));
      case 'float': {
        const littleEndian = this.#littleEndian;
        if (layout.size === 4) return (view, offset) => view.getFloat32(offset, littleEndian);
        return (view, offset) => view.getFloat64(offset, littleEndian);
      }
      case 'bool':
        return this.#bool(layout.size);
      case 'enum': {
        const number = this.value(layout.integer);
        if (layout.as === 'number') return number;
        const names = enumNames(layout);
        return (view, offset) => enumName(names, number(view, offset));
      }
      case 'pointer': {
        const littleEndian = this.#littleEndian;
        return (view, offset) => view.getBigUint64(offset, littleEndian);
      }
      case 'string': {
        const { length } = layout;
        return (view, offset) => readString(view, offset, length);
      }
      case 'bytes': {
        const { length } = layout;
        const read = layout.as === 'address' ? readAddress : readBytes;
        return (view, offset) => read(view, offset, length);
      }
      case 'array': {
        const { length, element } = layout;
        const decode = this.value(element);
        return (view, offset) => {
          const values: unknown[] = [];
          for (let index = 0; index < length; index++) values.push(decode(view, offset + index * element.size));
          return values;
        };
      }
      case 'opaque':
        return () => undefined;
      case 'struct':
      case 'union': {
        let decode = this.#structs.get(layout);
        if (decode === undefined) {
          const steps = this.#steps(fieldsOf(layout));
          decode = (view, offset) => {
            const value: Record<string, unknown> = {};
            for (const { name, offset: inside, decode: part } of steps) put(value, name, part(view, offset + inside));
            return value;
          };
          this.#structs.set(layout, decode);
        }
        return decode;
      }
    }
  }

  /** The outermost struct, which may end in a flexible array. */
  record(layout: StructLayout): RecordDecoder {
    const fields = fieldsOf(layout);
    const steps: { name: string; decode: RecordDecoder }[] = this.#steps(fields).map(({ name, offset, decode }) => ({
      name,
      decode: (view, at) => decode(view, at + offset),
    }));
    for (const [index, field] of fields.filter((entry) => entry.layout.kind !== 'opaque').entries()) {
      const tail = this.#tail(field);
      if (tail !== undefined) steps[index] = { name: field.name, decode: tail };
    }
    return (view, offset, length) => {
      const value: Record<string, unknown> = {};
      for (const { name, decode } of steps) put(value, name, decode(view, offset, length));
      return value;
    };
  }

  #steps(fields: readonly Field[]): { name: string; offset: number; decode: Decoder }[] {
    return fields
      .filter(({ layout }) => layout.kind !== 'opaque')
      .map(({ name, offset, layout, bits }) =>
        bits === undefined
          ? { name, offset, decode: this.value(layout) }
          : { name, offset: 0, decode: this.#bits(layout, bits) },
      );
  }

  #tail({ layout, offset: inside }: Field): RecordDecoder | undefined {
    if (layout.kind === 'string' && layout.flexible) {
      return (view, offset, length) => readString(view, offset + inside, Math.max(0, length - inside));
    }
    if (layout.kind === 'bytes' && layout.flexible) {
      return (view, offset, length) => readBytes(view, offset + inside, Math.max(0, length - inside));
    }
    if (layout.kind === 'array' && layout.flexible) {
      const decode = this.value(layout.element);
      const { size } = layout.element;
      return (view, offset, length) => readTail(decode, view, offset + inside, length - inside, size);
    }
    return undefined;
  }

  #bool(size: number): Decoder {
    if (size === 1) return (view, offset) => view.getUint8(offset) !== 0;
    if (size === 2) return (view, offset) => view.getUint16(offset) !== 0;
    if (size === 4) return (view, offset) => view.getInt32(offset) !== 0;
    return (view, offset) => view.getBigInt64(offset) !== 0n;
  }

  #bits(layout: Layout, bits: BitField): Decoder {
    const littleEndian = this.#littleEndian;
    const { offset: inside, span, shift, size } = placeBits(bits, littleEndian);
    const integer = integerOfBits(layout);
    const signed = integer?.signed ?? false;
    if (span <= 4) {
      const read = (view: DataView, offset: number): number =>
        readBits(view, offset + inside, span, shift, size, signed, littleEndian);
      if (layout.kind === 'bool') return (view, offset) => read(view, offset) !== 0;
      const names = layout.kind === 'enum' && layout.as === 'name' ? enumNames(layout) : undefined;
      return names === undefined ? read : (view, offset) => enumName(names, read(view, offset));
    }
    const read = (view: DataView, offset: number): bigint =>
      readWideBits(view, offset + inside, span, shift, size, signed, littleEndian);
    if (layout.kind === 'bool') return (view, offset) => read(view, offset) !== 0n;
    const shape = bitsShape(layout, size);
    const names = layout.kind === 'enum' && layout.as === 'name' ? enumNames(layout) : undefined;
    return (view, offset) => {
      const value = read(view, offset);
      const shown = shape === 'bigint' ? value : shape === 'string' ? String(value) : safe(value, offset + inside);
      return names === undefined ? shown : enumName(names, shown);
    };
  }
}

/** A bit-field of up to 53 bits is a number, which holds it exactly; a wider one follows its type. */
export function bitsShape(layout: Layout, size: number): 'number' | 'bigint' | 'string' {
  return size <= 53 ? 'number' : (integerOfBits(layout)?.wide ?? 'bigint');
}

export function integerOfBits(layout: Layout): IntegerLayout | undefined {
  return layout.kind === 'integer' ? layout : layout.kind === 'enum' ? layout.integer : undefined;
}

/** Names by value as the integer decodes: of two names for one value the first, as C declares them. */
export function enumNames(layout: Layout & { kind: 'enum' }): Map<unknown, string> {
  const names = new Map<unknown, string>();
  const { size, wide } = layout.integer;
  for (const { name, value } of layout.values) {
    // A bit-field of a 64-bit enum may decode to a number where the whole would be a bigint: both are keys.
    const keys: unknown[] = size < 8 ? [Number(value)] : [BigInt(value), Number(value)];
    if (size >= 8 && wide === 'string') keys.push(String(value));
    for (const key of keys) if (!names.has(key)) names.set(key, name);
  }
  return names;
}

/** Sets an own property whatever its name: assigning to `__proto__` would set the prototype instead. */
function put(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__') {
    Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
  } else object[name] = value;
}

function integerDecoder(layout: IntegerLayout, littleEndian: boolean): Decoder {
  const { signed, wide } = layout;
  switch (layout.size) {
    case 1:
      return signed ? (view, offset) => view.getInt8(offset) : (view, offset) => view.getUint8(offset);
    case 2:
      return signed
        ? (view, offset) => view.getInt16(offset, littleEndian)
        : (view, offset) => view.getUint16(offset, littleEndian);
    case 4:
      return signed
        ? (view, offset) => view.getInt32(offset, littleEndian)
        : (view, offset) => view.getUint32(offset, littleEndian);
    case 8: {
      if (wide === 'number') return (view, offset) => readSafe(view, offset, signed, littleEndian);
      const read = signed
        ? (view: DataView, offset: number): bigint => view.getBigInt64(offset, littleEndian)
        : (view: DataView, offset: number): bigint => view.getBigUint64(offset, littleEndian);
      return wide === 'bigint' ? read : (view, offset) => String(read(view, offset));
    }
    case 16: {
      const read = (view: DataView, offset: number): bigint => read128(view, offset, signed, littleEndian);
      if (wide === 'number') return (view, offset) => safe(read(view, offset), offset);
      return wide === 'bigint' ? read : (view, offset) => String(read(view, offset));
    }
  }
}
