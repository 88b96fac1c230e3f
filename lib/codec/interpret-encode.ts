import {
  fieldsOf,
  type BitField,
  type EnumLayout,
  type Field,
  type IntegerLayout,
  type Layout,
  type StructLayout,
} from './layout.js';
import { integerOfBits } from './interpret-decode.js';
import { within, type Path, type Segment } from './path.js';
import { boundsOf, isInherited, isLittleEndian, placeBits, planStruct, type StructPlan } from './plan.js';
import * as write from './write.js';
import { encodeAlternatives, type Alternative } from './write-union.js';

export type Encoder = (value: unknown, view: DataView, offset: number, parent: Path, segment: Segment) => void;
type MembersEncoder = (value: Record<string, unknown>, view: DataView, offset: number, path: Path) => void;

/** Encodes without generating code; unions are always encoded this way. */
export class EncodeInterpreter {
  readonly #littleEndian: boolean;
  readonly #structs = new Map<StructLayout, Encoder>();

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  value(layout: Layout): Encoder {
    switch (layout.kind) {
      case 'integer':
        return integerEncoder(layout, isLittleEndian(layout, this.#littleEndian));
      case 'float': {
        const { size, typeName } = layout;
        const littleEndian = this.#littleEndian;
        return (value, view, offset, parent, segment) => {
          const number = write.float(value, size, typeName, parent, segment);
          if (size === 4) view.setFloat32(offset, number, littleEndian);
          else view.setFloat64(offset, number, littleEndian);
        };
      }
      case 'bool': {
        const { size, typeName } = layout;
        // The number is in the last byte of big-endian data, in the first of little-endian.
        const at = this.#littleEndian ? 0 : size - 1;
        return (value, view, offset, parent, segment) => {
          const number = write.boolean(value, typeName, parent, segment);
          write.zero(view, offset, size);
          view.setUint8(offset + at, number);
        };
      }
      case 'enum': {
        const encode = this.value(layout.integer);
        const numbers = enumNumbers(layout);
        const { typeName } = layout;
        return (value, view, offset, parent, segment) => {
          encode(write.enumValue(value, numbers, typeName, parent, segment), view, offset, parent, segment);
        };
      }
      case 'pointer': {
        const { typeName } = layout;
        const { least, most } = boundsOf(64, false);
        const littleEndian = this.#littleEndian;
        return (value, view, offset, parent, segment) => {
          const number = write.wideInteger(value, least, most, typeName, false, parent, segment);
          view.setBigUint64(offset, number, littleEndian);
        };
      }
      case 'string': {
        const { length } = layout;
        return (value, view, offset, parent, segment) => {
          write.writeString(value, view, offset, length, parent, segment);
        };
      }
      case 'bytes': {
        const { length } = layout;
        const writeBytes = layout.as === 'address' ? write.writeAddress : write.writeBytes;
        return (value, view, offset, parent, segment) => {
          writeBytes(value, view, offset, length, parent, segment);
        };
      }
      case 'array': {
        const { length, element } = layout;
        const encode = this.value(element);
        return (value, view, offset, parent, segment) => {
          const values = write.arrayOf(value, length, parent, segment);
          const path = within(parent, segment);
          for (let index = 0; index < length; index++) {
            encode(values[index], view, offset + index * element.size, path, index);
          }
        };
      }
      case 'opaque': {
        const { size } = layout;
        return (value, view, offset, parent, segment) => {
          if (value !== undefined) throw write.refuse(parent, segment, value, 'nothing: only the kernel writes it');
          write.zero(view, offset, size);
        };
      }
      case 'struct':
      case 'union': {
        let encode = this.#structs.get(layout);
        if (encode === undefined) {
          encode = layout.kind === 'struct' ? this.#struct(layout) : this.#union(layout);
          this.#structs.set(layout, encode);
        }
        return encode;
      }
    }
  }

  /** An anonymous union's members, found among the properties of the struct around it. */
  union(layout: StructLayout): MembersEncoder {
    const alternatives = this.#alternatives(layout);
    return (value, view, offset, path) => {
      encodeAlternatives(layout, alternatives, value, view, offset, path);
    };
  }

  #struct(layout: StructLayout): Encoder {
    const plan = planStruct(layout);
    const encode = this.#members(plan);
    const { typeName } = layout;
    return (value, view, offset, parent, segment) => {
      const object = write.objectOf(value, typeName, parent, segment);
      const path = within(parent, segment);
      // Before the members: of a misspelt name it is to be said what is nearest, not that the right one is missing.
      write.checkNames(object, plan.names, plan.reserved, typeName, path);
      encode(object, view, offset, path);
    };
  }

  #members(plan: StructPlan): MembersEncoder {
    const fields = plan.fields.map((field) => ({
      name: field.name,
      encode: this.#field(field),
      read: reader(field.name),
    }));
    const unions = plan.unions.map(({ offset, layout }) => ({ offset, encode: this.union(layout) }));
    const tails = plan.tails.map(({ name }) => ({ name, read: reader(name) }));
    return (value, view, offset, path) => {
      for (const gap of plan.gaps) write.zero(view, offset + gap.offset, gap.length);
      for (const { name, encode, read } of fields) encode(read(value), view, offset, path, name);
      for (const { offset: inside, encode } of unions) encode(value, view, offset + inside, path);
      for (const { name, read } of tails) write.checkEmpty(read(value), path, name);
    };
  }

  #union(layout: StructLayout): Encoder {
    const encode = this.union(layout);
    const fields = fieldsOf(layout);
    const reserved = new Set(fields.filter((field) => field.layout.kind === 'opaque').map(({ name }) => name));
    const names = new Set(fields.map(({ name }) => name).filter((name) => !reserved.has(name)));
    const { typeName } = layout;
    return (value, view, offset, parent, segment) => {
      const object = write.objectOf(value, typeName, parent, segment);
      const path = within(parent, segment);
      write.checkNames(object, names, reserved, typeName, path);
      encode(object, view, offset, path);
    };
  }

  #alternatives(layout: StructLayout): Alternative[] {
    const alternatives: Alternative[] = [];
    for (const { name, offset, layout: type, bits } of layout.members) {
      if (name !== undefined) {
        if (type.kind === 'opaque') continue;
        const field: Field = { name, offset, layout: type, bits };
        const encode = this.#field(field);
        const read = reader(name);
        alternatives.push({
          fields: [field],
          isGiven: (value) => read(value) !== undefined,
          encode: (value, view, at, path) => {
            encode(read(value), view, at, path, name);
          },
          littleEndian: this.#littleEndian,
        });
      } else if (type.kind === 'struct' || type.kind === 'union') {
        const fields = fieldsOf(type, offset);
        const readers = fields.map((field) => reader(field.name));
        const encode = type.kind === 'union' ? this.union(type) : this.#members(planStruct(type));
        alternatives.push({
          fields,
          isGiven: (value) => readers.some((read) => read(value) !== undefined),
          encode: (value, view, at, path) => {
            encode(value, view, at + offset, path);
          },
          littleEndian: this.#littleEndian,
        });
      }
    }
    return alternatives;
  }

  #field({ offset: inside, layout, bits }: Field): Encoder {
    if (bits !== undefined) return this.#bits(layout, bits);
    const encode = this.value(layout);
    return (value, view, offset, parent, segment) => {
      encode(value, view, offset + inside, parent, segment);
    };
  }

  #bits(layout: Layout, bits: BitField): Encoder {
    const littleEndian = this.#littleEndian;
    const { offset: inside, span, shift, size } = placeBits(bits, littleEndian);
    const { least, most } = boundsOf(size, integerOfBits(layout)?.signed ?? false);
    const typeName = `${layout.typeName}:${size}`;
    const takesStrings = integerOfBits(layout)?.wide === 'string';
    const numbers = layout.kind === 'enum' ? enumNumbers(layout) : undefined;
    return (given, view, offset, parent, segment) => {
      let value = given;
      if (layout.kind === 'bool') value = write.boolean(value, typeName, parent, segment);
      else if (numbers !== undefined) value = write.enumValue(value, numbers, layout.typeName, parent, segment);
      const number = write.wideInteger(value, least, most, typeName, takesStrings, parent, segment);
      if (span > 4) write.writeWideBits(view, offset + inside, span, shift, size, number, littleEndian);
      else write.writeBits(view, offset + inside, span, shift, size, Number(number), littleEndian);
    };
  }
}

export function enumNumbers(layout: EnumLayout): Map<string, number | bigint> {
  return new Map(layout.values.map(({ name, value }) => [name, value]));
}

function reader(name: string): (value: Record<string, unknown>) => unknown {
  return isInherited(name) ? (value) => write.own(value, name) : (value) => value[name];
}

function integerEncoder(layout: IntegerLayout, littleEndian: boolean): Encoder {
  const { size, signed, typeName } = layout;
  const { least, most } = boundsOf(size * 8, signed);
  if (size >= 8) {
    const takesStrings = layout.wide === 'string';
    return (value, view, offset, parent, segment) => {
      const number = write.wideInteger(value, least, most, typeName, takesStrings, parent, segment);
      if (size === 16) write.write128(view, offset, number, littleEndian);
      else view.setBigInt64(offset, number, littleEndian);
    };
  }
  const low = Number(least);
  const high = Number(most);
  return (value, view, offset, parent, segment) => {
    const number = write.integer(value, low, high, typeName, parent, segment);
    if (size === 1) view.setInt8(offset, number);
    else if (size === 2) view.setInt16(offset, number, littleEndian);
    else view.setInt32(offset, number, littleEndian);
  };
}
