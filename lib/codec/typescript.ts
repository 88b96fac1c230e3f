import { BtfKind, type Btf } from '../btf/index.js';
import { escapeControl, ObjectFormatError, quote, UsageError } from '../errors/index.js';
import { BtfLayouts, type BtfCodecOptions } from './btf-layouts.js';
import { hasValues, withoutValues } from './from-btf.js';
import { bitsShape, enumNames } from './interpret-decode.js';
import { fieldsOf, type BitField, type EnumLayout, type Layout, type StructLayout } from './layout.js';
import { TypescriptNames } from './typescript-names.js';

export interface TypescriptOptions extends Pick<BtfCodecOptions, 'int64' | 'chars' | 'enums'> {
  /**
   * The types to declare, by name or id, and with them those they contain. By default every struct, union, enumeration
   * and typedef of the BTF that has values.
   */
  readonly types?: readonly (string | number)[] | undefined;
}

/** Of a name that several types have, the first of the first kind here is meant. */
const kindsByName = [
  BtfKind.STRUCT,
  BtfKind.UNION,
  BtfKind.ENUM,
  BtfKind.ENUM64,
  BtfKind.TYPEDEF,
  BtfKind.INT,
  BtfKind.FLOAT,
  BtfKind.DATASEC,
  BtfKind.VAR,
] as const;
/** Values of an enumeration that its comment tells. */
const mostListed = 64;
/** Members in all: structs without names that share one another could ask for 2^60. */
const mostMembers = 500_000;

/**
 * TypeScript declarations of what {@link codecFromBtf} decodes the types of a BTF to: interfaces for structs and unions,
 * aliases for enumerations and typedefs. Structs and unions without a name are written where they are used, or go by their
 * typedef. Names that are none in TypeScript have their other characters replaced; members keep theirs, quoted.
 *
 * The same types give the same text, in the order of `types`, each with those it contains behind it.
 *
 * Throws {@link UsageError} for a name that the BTF has not and for a type without values, ObjectFormatError when the BTF
 * contradicts itself.
 *
 * @example
 * ```js
 * const { btf } = ObjectSpec.parse(await readFile('execsnoop.bpf.o'));
 * await writeFile('execsnoop.d.ts', typescriptFromBtf(btf, { types: ['event'] }));
 * ```
 */
export function typescriptFromBtf(btf: Btf, options: TypescriptOptions = {}): string {
  const printer = new TypescriptPrinter(btf, options);
  const { types } = options;
  if (types === undefined) for (const id of declarable(btf)) printer.declare(id);
  else {
    for (const [index, type] of types.entries()) {
      const id = typeof type === 'string' ? named(btf, type) : type;
      if (!hasValues(btf, id)) throw withoutValues(btf, id, `types[${index}]`);
      printer.declare(id);
    }
  }
  return printer.text;
}

function* declarable(btf: Btf): Generator<number> {
  for (let id = btf.startId; id < btf.endId; id++) {
    switch (btf.kind(id)) {
      case BtfKind.STRUCT:
      case BtfKind.UNION:
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        if (btf.nameOf(id) !== '') yield id;
        break;
      case BtfKind.TYPEDEF:
        if (hasValues(btf, id)) yield id;
        break;
      default:
    }
  }
}

function named(btf: Btf, name: string): number {
  for (const kind of kindsByName) {
    const id = btf.find(name, kind);
    if (id !== undefined) return id;
  }
  const known = [...declarable(btf)].map((id) => btf.nameOf(id));
  throw UsageError.notFound(`type of ${btf.name}`, name, new Set(known));
}

class TypescriptPrinter {
  readonly #btf: Btf;
  readonly #layouts: BtfLayouts;
  readonly #names: TypescriptNames;
  readonly #parts: string[] = [];
  readonly #declared = new Set<number>();
  /** Types that what has been written refers to. */
  readonly #wanted: { readonly id: number; readonly name: string; readonly layout: EnumLayout | StructLayout }[] = [];
  #membersLeft = mostMembers;

  constructor(btf: Btf, options: TypescriptOptions) {
    this.#btf = btf;
    this.#layouts = new BtfLayouts(btf, options);
    this.#names = new TypescriptNames(btf);
  }

  get text(): string {
    return this.#parts.join('\n');
  }

  /** One type and what it contains, as far as that is not declared yet. */
  declare(id: number): void {
    const layout = this.#layouts.layoutOf(id);
    const text = this.#type(layout, undefined, '');
    // What a typedef, a variable or an integer stands for gets an alias, unless it goes by that very name.
    if (this.#idOf(layout) !== id && this.#names.cName(id) !== this.#nameOf(layout)) {
      if (!this.#declared.has(id)) this.#parts.push(`export type ${this.#required(id)} = ${text};\n`);
      this.#declared.add(id);
    } else if (this.#nameOf(layout) === undefined) this.#required(id);
    for (let next = this.#wanted.shift(); next !== undefined; next = this.#wanted.shift()) {
      const { name, layout: wanted } = next;
      this.#parts.push(wanted.kind === 'enum' ? this.#enumeration(name, wanted) : this.#interface(name, wanted));
    }
  }

  /** The name in C that a struct, union or enumeration is declared under. */
  #nameOf(layout: Layout): string | undefined {
    const id = this.#idOf(layout);
    return id === undefined ? undefined : this.#names.cName(id);
  }

  #idOf(layout: Layout): number | undefined {
    return layout.kind === 'opaque' ? undefined : this.#layouts.typeIdOf(layout);
  }

  #required(id: number): string {
    const name = this.#names.of(id);
    if (name !== undefined) return name;
    throw UsageError.invalidValue('types', `type ${id} of ${quote(this.#btf.name)} has no name to declare it under`);
  }

  /** The name of a type that is declared apart; undefined when it is to be written in place. */
  #reference(layout: EnumLayout | StructLayout): string | undefined {
    const id = this.#idOf(layout);
    const name = id === undefined ? undefined : this.#names.of(id);
    if (id === undefined || name === undefined) return undefined;
    if (!this.#declared.has(id)) this.#wanted.push({ id, name, layout });
    this.#declared.add(id);
    return name;
  }

  #type(layout: Layout, bits: BitField | undefined, indent: string): string {
    switch (layout.kind) {
      case 'integer':
        if (bits !== undefined) return bitsShape(layout, bits.size);
        return layout.size < 8 ? 'number' : layout.wide;
      case 'float':
        return 'number';
      case 'bool':
        return 'boolean';
      case 'pointer':
        return 'bigint';
      case 'string':
        return 'string';
      case 'bytes':
        return 'Uint8Array';
      case 'opaque':
        return 'undefined';
      case 'array': {
        const element = this.#type(layout.element, undefined, indent);
        return element.includes('|') ? `(${element})[]` : `${element}[]`;
      }
      case 'enum': {
        const whole = this.#type(layout.integer, undefined, indent);
        const shape = this.#type(layout.integer, bits, indent);
        return (shape === whole ? this.#reference(layout) : undefined) ?? values(layout, shape);
      }
      case 'struct':
      case 'union':
        return this.#reference(layout) ?? this.#members(layout, indent);
    }
  }

  #interface(name: string, layout: StructLayout): string {
    const members = this.#members(layout, '');
    const declaration = members.startsWith('{') ? `interface ${name} ${members}` : `type ${name} = ${members};`;
    return `/** ${comment(`\`${layout.typeName}\`, ${layout.size} bytes`)}. */\nexport ${declaration}\n`;
  }

  #enumeration(name: string, layout: EnumLayout): string {
    const shown = layout.values.slice(0, mostListed).map((entry) => `\`${escapeControl(entry.name)}\` ${entry.value}`);
    if (layout.values.length > shown.length) shown.push('…');
    const listed = shown.length === 0 ? '' : `: ${shown.join(', ')}`;
    const text = values(layout, this.#type(layout.integer, undefined, ''));
    return `/** ${comment(`\`${layout.typeName}\`${listed}`)}. */\nexport type ${name} = ${text};\n`;
  }

  #members(layout: StructLayout, indent: string): string {
    const lines: string[] = [];
    for (const { name, layout: type, bits } of fieldsOf(layout)) {
      if (--this.#membersLeft < 0) throw this.#tooMany(layout);
      // Not decoded.
      if (type.kind === 'opaque') continue;
      const width = bits === undefined ? '' : ` : ${bits.size}`;
      lines.push(`${indent}  /** ${comment(`\`${type.typeName}${width}\``)} */`);
      lines.push(`${indent}  ${property(name)}: ${this.#type(type, bits, `${indent}  `)};`);
    }
    return lines.length === 0 ? 'Record<string, never>' : `{\n${lines.join('\n')}\n${indent}}`;
  }

  #tooMany({ typeName }: StructLayout): ObjectFormatError {
    const problem = `with ${typeName} there are more than ${mostMembers} members to declare`;
    return new ObjectFormatError(problem, { object: this.#btf.name, section: '.BTF' });
  }
}

/** What an enumeration decodes to: `shape`, or the names of its values and `shape` for those that have none. */
function values(layout: EnumLayout, shape: string): string {
  if (layout.as === 'number') return shape;
  return [...new Set([...enumNames(layout).values()].map(literal)), shape].join(' | ');
}

/** Text that does not end the comment it is in. */
function comment(text: string): string {
  return escapeControl(text).replaceAll('*/', '*\\/');
}

function literal(text: string): string {
  return escapeControl(JSON.stringify(text));
}

function property(name: string): string {
  return /^[A-Za-z_$][\w$]*$/u.test(name) ? name : literal(name);
}
