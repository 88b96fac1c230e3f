import { readAddress } from './ip-address.js';
import { fieldsOf, type Field, type IntegerLayout, type Layout, type StructLayout } from './layout.js';
import { bitsShape, enumNames, integerOfBits, type RecordDecoder } from './interpret-decode.js';
import { countValues, isLittleEndian, placeBits } from './plan.js';
import { enumName, read128, readBits, readBytes, readSafe, readTail, readWideBits, safe } from './read.js';
import { instantiate, propertyKey } from './source.js';
import { readString } from './string-cache.js';

/** What generated decoders call. */
const runtime = {
  ...{ enumName, read128, readBits, readBytes, readSafe, readTail, readWideBits, safe, readString },
  readAddress: (view: DataView, offset: number, length: number) => readAddress(view, offset, length),
};

/** An array of up to this many values, itself included, is written as a literal, which has its size and kind from the start. */
const MOST_LITERAL = 17;

/** A decoder as one function per struct, each an object literal: the engine knows its shape before it runs. */
export function generateDecode(layout: Layout, littleEndian: boolean): RecordDecoder {
  return new DecodeGenerator(littleEndian).generate(layout);
}

class DecodeGenerator {
  readonly #littleEndian: boolean;
  readonly #functions: string[] = [];
  readonly #names = new Map<Layout, string>();
  readonly #constants: unknown[] = [];

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
  }

  generate(layout: Layout): RecordDecoder {
    const value = layout.kind === 'struct' ? this.#record(layout) : this.#expression(layout, 0);
    const body = [...this.#functions, `return (view, offset, length) => (${value});`];
    return instantiate(runtime, this.#constants, body) as RecordDecoder;
  }

  /** The expression for the value `inside` bytes from the variable `offset`. */
  #expression(layout: Layout, inside: number): string {
    const at = place(inside);
    switch (layout.kind) {
      case 'integer':
        return this.#integer(layout, at);
      case 'float':
        return `view.getFloat${layout.size * 8}(${at}, ${this.#littleEndian})`;
      case 'bool':
        if (layout.size === 1) return `view.getUint8(${at}) !== 0`;
        return layout.size === 8 ? `view.getBigInt64(${at}) !== 0n` : `view.getInt${layout.size * 8}(${at}) !== 0`;
      case 'enum': {
        const number = this.#expression(layout.integer, inside);
        return layout.as === 'number' ? number : `enumName(${this.#constant(enumNames(layout))}, ${number})`;
      }
      case 'pointer':
        return `view.getBigUint64(${at}, ${this.#littleEndian})`;
      case 'string':
        return `readString(view, ${at}, ${layout.length})`;
      case 'bytes':
        return `${layout.as === 'address' ? 'readAddress' : 'readBytes'}(view, ${at}, ${layout.length})`;
      case 'opaque':
        return 'undefined';
      case 'array': {
        const { element, length } = layout;
        if (countValues(layout) > MOST_LITERAL) return `${this.#function(layout)}(view, ${at})`;
        const elements = Array.from({ length }, (_, index) => this.#expression(element, inside + index * element.size));
        return `[${elements.join(', ')}]`;
      }
      case 'struct':
      case 'union':
        return `${this.#function(layout)}(view, ${at})`;
    }
  }

  #integer({ size, signed, wide, ...layout }: IntegerLayout, at: string): string {
    const littleEndian = isLittleEndian({ size, signed, wide, ...layout }, this.#littleEndian);
    const prefix = signed ? 'Int' : 'Uint';
    if (size === 1) return `view.get${prefix}8(${at})`;
    if (size < 8) return `view.get${prefix}${size * 8}(${at}, ${littleEndian})`;
    if (size === 8 && wide === 'number') return `readSafe(view, ${at}, ${signed}, ${littleEndian})`;
    const big =
      size === 8
        ? `view.getBig${prefix}64(${at}, ${littleEndian})`
        : `read128(view, ${at}, ${signed}, ${littleEndian})`;
    if (wide === 'number') return `safe(${big}, ${at})`;
    return wide === 'string' ? `String(${big})` : big;
  }

  /** The name of the function for an array, struct or union, written at its first use. */
  #function(layout: Layout): string {
    const known = this.#names.get(layout);
    if (known !== undefined) return known;
    const name = `decode${this.#names.size}`;
    this.#names.set(layout, name);
    this.#functions.push(`function ${name}(view, offset) {\n${this.#body(layout)}\n}`);
    return name;
  }

  #body(layout: Layout): string {
    if (layout.kind === 'array') {
      const { element, length } = layout;
      return [
        'const values = [];',
        `for (let left = ${length}; left > 0; left--, offset += ${element.size}) {`,
        `values.push(${this.#expression(element, 0)});`,
        '}',
        'return values;',
      ].join('\n');
    }
    if (layout.kind !== 'struct' && layout.kind !== 'union') return `return ${this.#expression(layout, 0)};`;
    return `return ${this.#object(fieldsOf(layout).map((field) => [field, this.#field(field)]))};`;
  }

  #record(layout: StructLayout): string {
    return this.#object(fieldsOf(layout).map((field) => [field, this.#tail(field) ?? this.#field(field)]));
  }

  #object(parts: readonly (readonly [Field, string])[]): string {
    const members = parts
      .filter(([{ layout }]) => layout.kind !== 'opaque')
      .map(([{ name }, value]) => `${propertyKey(name)}: ${value}`);
    return `{\n${members.join(',\n')}\n}`;
  }

  #field({ layout, offset, bits }: Field): string {
    if (bits === undefined) return this.#expression(layout, offset);
    const { offset: inside, span, shift, size } = placeBits(bits, this.#littleEndian);
    const at = place(inside);
    const signed = integerOfBits(layout)?.signed ?? false;
    const call = (read: string): string =>
      `${read}(view, ${at}, ${span}, ${shift}, ${size}, ${signed}, ${this.#littleEndian})`;
    let value = call(span <= 4 ? 'readBits' : 'readWideBits');
    if (layout.kind === 'bool') return `${value} !== ${span <= 4 ? '0' : '0n'}`;
    if (span > 4) {
      const shape = bitsShape(layout, size);
      if (shape !== 'bigint') value = shape === 'string' ? `String(${value})` : `safe(${value}, ${at})`;
    }
    const named = layout.kind === 'enum' && layout.as === 'name';
    return named ? `enumName(${this.#constant(enumNames(layout))}, ${value})` : value;
  }

  /** A flexible array takes what the record has behind it. */
  #tail({ layout, offset }: Field): string | undefined {
    if (layout.kind === 'array' && layout.flexible) {
      const name = `decode${this.#names.size}`;
      const { element } = layout;
      this.#names.set(layout, name);
      this.#functions.push(`function ${name}(view, offset) {\nreturn ${this.#expression(element, 0)};\n}`);
      return `readTail(${name}, view, ${place(offset)}, length - ${offset}, ${element.size})`;
    }
    if ((layout.kind === 'string' || layout.kind === 'bytes') && layout.flexible) {
      const read = layout.kind === 'string' ? 'readString' : 'readBytes';
      return `${read}(view, ${place(offset)}, Math.max(0, length - ${offset}))`;
    }
    return undefined;
  }

  #constant(value: unknown): string {
    this.#constants.push(value);
    return `constant${this.#constants.length - 1}`;
  }
}

function place(inside: number): string {
  return inside === 0 ? 'offset' : `offset + ${inside}`;
}
