import { EncodeInterpreter, enumNumbers, type Encoder } from './interpret-encode.js';
import { integerOfBits } from './interpret-decode.js';
import type { ArrayLayout, Field, IntegerLayout, Layout, StructLayout } from './layout.js';
import { within } from './path.js';
import { boundsOf, isInherited, isLittleEndian, placeBits, planStruct } from './plan.js';
import { instantiate } from './source.js';
import * as write from './write.js';

/** What generated encoders call. */
const runtime = { ...write, within };

/** An encoder as one function per struct. Unions are left to the interpreter: they are rare and not simple. */
export function generateEncode(layout: Layout, littleEndian: boolean): Encoder {
  return new EncodeGenerator(littleEndian).generate(layout);
}

/** Where a value stands, as source: the expression for it, its place in bytes and the arguments for its path. */
interface Site {
  readonly value: string;
  readonly inside: number;
  readonly path: string;
}

class EncodeGenerator {
  readonly #littleEndian: boolean;
  readonly #interpreter: EncodeInterpreter;
  readonly #functions: string[] = [];
  readonly #names = new Map<Layout, string>();
  readonly #constants: unknown[] = [];

  constructor(littleEndian: boolean) {
    this.#littleEndian = littleEndian;
    this.#interpreter = new EncodeInterpreter(littleEndian);
  }

  generate(layout: Layout): Encoder {
    const body = this.#statement(layout, { value: 'value', inside: 0, path: 'parent, segment' });
    const statements = [...this.#functions, `return (value, view, offset, parent, segment) => {\n${body}\n};`];
    return instantiate(runtime, this.#constants, statements) as Encoder;
  }

  #statement(layout: Layout, site: Site): string {
    const { value, path } = site;
    const at = place(site.inside);
    switch (layout.kind) {
      case 'integer':
        return this.#integer(layout, site, value);
      case 'float': {
        const number = `float(${value}, ${layout.size}, ${JSON.stringify(layout.typeName)}, ${path})`;
        return `view.setFloat${layout.size * 8}(${at}, ${number}, ${this.#littleEndian});`;
      }
      case 'bool': {
        const number = `boolean(${value}, ${JSON.stringify(layout.typeName)}, ${path})`;
        const last = place(site.inside + (this.#littleEndian ? 0 : layout.size - 1));
        const clear = layout.size === 1 ? '' : `zero(view, ${at}, ${layout.size}); `;
        return `${clear}view.setUint8(${last}, ${number});`;
      }
      case 'enum': {
        const numbers = this.#constant(enumNumbers(layout));
        const number = `enumValue(${value}, ${numbers}, ${JSON.stringify(layout.typeName)}, ${path})`;
        return this.#integer(layout.integer, site, number);
      }
      case 'pointer':
        return `view.setBigUint64(${at}, ${wide(value, 64, false, layout.typeName, false, path)}, ${this.#littleEndian});`;
      case 'string':
        return `writeString(${value}, view, ${at}, ${layout.length}, ${path});`;
      case 'bytes':
        return `${layout.as === 'address' ? 'writeAddress' : 'writeBytes'}(${value}, view, ${at}, ${layout.length}, ${path});`;
      case 'union':
      case 'opaque':
        return `${this.#constant(this.#interpreter.value(layout))}(${value}, view, ${at}, ${path});`;
      case 'array':
      case 'struct':
        return `${this.#function(layout)}(${value}, view, ${at}, ${path});`;
    }
  }

  #integer(layout: IntegerLayout, { inside, path }: Site, value: string): string {
    const { size, signed, typeName } = layout;
    const at = place(inside);
    const littleEndian = isLittleEndian(layout, this.#littleEndian);
    if (size >= 8) {
      const number = wide(value, size * 8, signed, typeName, layout.wide === 'string', path);
      if (size === 16) return `write128(view, ${at}, ${number}, ${littleEndian});`;
      return `view.setBigInt64(${at}, ${number}, ${littleEndian});`;
    }
    const { least, most } = boundsOf(size * 8, signed);
    const number = `integer(${value}, ${least}, ${most}, ${JSON.stringify(typeName)}, ${path})`;
    return `view.setInt${size * 8}(${at}, ${number}${size === 1 ? '' : `, ${littleEndian}`});`;
  }

  #function(layout: ArrayLayout | StructLayout): string {
    const known = this.#names.get(layout);
    if (known !== undefined) return known;
    const name = `encode${this.#names.size}`;
    this.#names.set(layout, name);
    const body = layout.kind === 'array' ? this.#array(layout) : this.#struct(layout);
    this.#functions.push(`function ${name}(value, view, offset, parent, segment) {\n${body.join('\n')}\n}`);
    return name;
  }

  #array({ element, length }: ArrayLayout): string[] {
    return [
      `const values = arrayOf(value, ${length}, parent, segment);`,
      'const path = within(parent, segment);',
      `for (let index = 0; index < ${length}; index++, offset += ${element.size}) {`,
      this.#statement(element, { value: 'values[index]', inside: 0, path: 'path, index' }),
      '}',
    ];
  }

  #struct(layout: StructLayout): string[] {
    const plan = planStruct(layout);
    const typeName = JSON.stringify(layout.typeName);
    const lines = [
      `const object = objectOf(value, ${typeName}, parent, segment);`,
      'const path = within(parent, segment);',
    ];
    // Before the fields: of a misspelt name it is to be said what is nearest, not that the right one is missing.
    const names = this.#constant(plan.names);
    const check = `checkNames(object, ${names}, ${this.#constant(plan.reserved)}, ${typeName}, path);`;
    const isComplete = [
      `Object.keys(object).length === ${plan.names.size}`,
      ...plan.fields.map(({ name }) => `${property(name)} !== undefined`),
    ];
    lines.push(plan.exact ? `if (!(${isComplete.join(' && ')})) ${check}` : check);
    for (const { offset, length } of plan.gaps) lines.push(clear(offset, length));
    for (const field of plan.fields) lines.push(this.#field(field));
    for (const { offset, layout: union } of plan.unions) {
      lines.push(`${this.#constant(this.#interpreter.union(union))}(object, view, ${place(offset)}, path);`);
    }
    for (const { name } of plan.tails) lines.push(`checkEmpty(${property(name)}, path, ${JSON.stringify(name)});`);
    return lines;
  }

  #field({ name, offset, layout, bits }: Field): string {
    const path = `path, ${JSON.stringify(name)}`;
    const value = property(name);
    if (bits === undefined) return this.#statement(layout, { value, inside: offset, path });
    const { offset: inside, span, shift, size } = placeBits(bits, this.#littleEndian);
    const integer = integerOfBits(layout);
    const checked =
      layout.kind === 'bool'
        ? `boolean(${value}, ${JSON.stringify(`${layout.typeName}:${size}`)}, ${path})`
        : layout.kind === 'enum'
          ? `enumValue(${value}, ${this.#constant(enumNumbers(layout))}, ${JSON.stringify(layout.typeName)}, ${path})`
          : value;
    const takesStrings = integer?.wide === 'string';
    const number = wide(checked, size, integer?.signed ?? false, `${layout.typeName}:${size}`, takesStrings, path);
    const call = span > 4 ? 'writeWideBits' : 'writeBits';
    const stored = span > 4 ? number : `Number(${number})`;
    return `${call}(view, ${place(inside)}, ${span}, ${shift}, ${size}, ${stored}, ${this.#littleEndian});`;
  }

  #constant(value: unknown): string {
    this.#constants.push(value);
    return `constant${this.#constants.length - 1}`;
  }
}

function wide(
  value: string,
  bits: number,
  signed: boolean,
  typeName: string,
  takesStrings: boolean,
  path: string,
): string {
  const { least, most } = boundsOf(bits, signed);
  return `wideInteger(${value}, ${least}n, ${most}n, ${JSON.stringify(typeName)}, ${takesStrings}, ${path})`;
}

function property(name: string): string {
  const literal = JSON.stringify(name);
  return isInherited(name) ? `own(object, ${literal})` : `object[${literal}]`;
}

function clear(offset: number, length: number): string {
  if (length === 1 || length === 2 || length === 4) return `view.setInt${length * 8}(${place(offset)}, 0);`;
  return `zero(view, ${place(offset)}, ${length});`;
}

function place(inside: number): string {
  return inside === 0 ? 'offset' : `offset + ${inside}`;
}
