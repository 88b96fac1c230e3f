import { BtfKind } from '../btf-kind.js';
import type { BtfComposite, BtfEnum, BtfEnum64, BtfFunctionPrototype } from '../btf-type.js';
import type { Btf } from '../btf.js';
import { maximumDepth, tooDeep } from '../type-size.js';
import { CLayouts, type CMember, type Padding } from './c-layout.js';
import { CNames, isBaseType, unique } from './c-names.js';
import { attributeOf, type CTags } from './c-tags.js';

/** Members, values and parameters in one declaration; anonymous structs that share one another could ask for 2^60. */
const mostItems = 1_000_000;

/** Where a declaration is written: how deep its lines are indented, and what it may still contain. */
interface Place {
  readonly indent: string;
  readonly depth: number;
  readonly budget: { items: number };
  /** Names of the members around it, which those of an anonymous struct must differ from. */
  readonly scope?: Map<string, number>;
}

interface Qualifiers {
  readonly words: readonly string[];
  /** `__attribute__` of type tags; they are read behind the type, and clang takes them for what a pointer points to only. */
  readonly tags: readonly string[];
}

const none: Qualifiers = { words: [], tags: [] };
const unitNames = { 8: 'char', 16: 'short', 32: 'int', 64: 'long' } as const;
/** GCC's and clang's names of the sizes that an enumeration has only when told so. */
const enumModes = new Map([
  [1, 'QI'],
  [2, 'HI'],
  [8, 'DI'],
]);

/** Spells types and definitions in C. What they refer to must have been declared before. */
export class CSpelling {
  readonly names: CNames;
  /** Enumerations without a name whose values have been written. */
  readonly writtenEnums: Set<number> = new Set<number>();
  readonly #btf: Btf;
  readonly #layouts: CLayouts;
  readonly #tags: CTags;

  constructor(btf: Btf, tags: CTags) {
    this.#btf = btf;
    this.#tags = tags;
    this.names = new CNames(btf);
    this.#layouts = new CLayouts(btf);
  }

  /** `struct name { … }`, `enum name { … }`; without a semicolon. */
  definition(type: BtfComposite | BtfEnum | BtfEnum64): string {
    const place = outermost();
    return type.kind === BtfKind.ENUM || type.kind === BtfKind.ENUM64
      ? this.#enumeration(type, place)
      : this.#composite(type, place, type.name === '' ? '' : ` ${this.names.tag(type.id)}`);
  }

  /** `int (*name)(void)` for a type and what is declared with it. */
  declaration(id: number, declarator: string): string {
    return this.#spell(id, declarator, none, outermost());
  }

  #spell(id: number, declarator: string, qualifiers: Qualifiers, place: Place): string {
    if (place.depth > maximumDepth) throw tooDeep(this.#btf, id);
    const type = this.#btf.type(id);
    const specified = (specifier: string): string =>
      [...qualifiers.words.filter((word) => word !== 'restrict'), specifier, ...qualifiers.tags, declarator]
        .filter((part) => part !== '')
        .join(' ');
    const inner = { ...place, depth: place.depth + 1 };
    switch (type.kind) {
      case BtfKind.VOID:
        return specified('void');
      case BtfKind.INT:
      case BtfKind.FLOAT:
        return specified(isBaseType(type) ? type.name : this.names.typeName(id));
      case BtfKind.TYPEDEF:
        return specified(this.names.typeName(id));
      case BtfKind.FWD:
        return specified(`${type.union ? 'union' : 'struct'} ${this.names.tag(id)}`);
      case BtfKind.STRUCT:
      case BtfKind.UNION:
        if (type.name === '') return specified(this.#composite(type, { ...inner, scope: new Map() }, ''));
        return specified(`${type.kind === BtfKind.UNION ? 'union' : 'struct'} ${this.names.tag(id)}`);
      case BtfKind.ENUM:
      case BtfKind.ENUM64:
        return specified(type.name === '' ? this.#enumeration(type, inner) : `enum ${this.names.tag(id)}`);
      case BtfKind.CONST:
        return this.#spell(type.type, declarator, qualified(qualifiers, 'const'), inner);
      case BtfKind.VOLATILE:
        return this.#spell(type.type, declarator, qualified(qualifiers, 'volatile'), inner);
      case BtfKind.RESTRICT:
        return this.#spell(type.type, declarator, qualified(qualifiers, 'restrict'), inner);
      case BtfKind.TYPE_TAG: {
        const tag = attributeOf('btf_type_tag', type);
        const tags = tag === '' ? qualifiers.tags : [...qualifiers.tags, tag];
        return this.#spell(type.type, declarator, { words: qualifiers.words, tags }, inner);
      }
      case BtfKind.PTR: {
        const behind = [...qualifiers.words, ...qualifiers.tags, declarator].filter((part) => part !== '').join(' ');
        const pointer = `*${behind}`;
        const target = this.#unqualified(type.type);
        const wrapped = target === BtfKind.ARRAY || target === BtfKind.FUNC_PROTO ? `(${pointer})` : pointer;
        return this.#spell(type.type, wrapped, none, inner);
      }
      case BtfKind.ARRAY:
        // A qualified array is one of qualified elements.
        return this.#spell(type.elementType, `${declarator}[${type.length}]`, qualifiers, inner);
      case BtfKind.FUNC_PROTO:
        return this.#spell(type.returnType, `${declarator}(${this.#parameters(type, inner)})`, none, inner);
      case BtfKind.FUNC:
      case BtfKind.VAR:
        return this.#spell(type.type, declarator, none, inner);
      case BtfKind.DATASEC:
      case BtfKind.DECL_TAG:
        throw this.#btf.error(`type ${id} is none that C could spell`, id);
    }
  }

  #parameters({ parameters, id }: BtfFunctionPrototype, place: Place): string {
    if (parameters.length === 0 || (parameters.length === 1 && parameters[0]?.type === 0)) return 'void';
    const taken = new Map<string, number>();
    return parameters
      .map(({ name, type }, index) => {
        spend(this.#btf, id, place);
        if (type === 0 && index === parameters.length - 1) return '...';
        return this.#spell(type, name === '' ? '' : unique(taken, name), none, place);
      })
      .join(', ');
  }

  #composite(type: BtfComposite, place: Place, tag: string): string {
    const scope = place.scope ?? new Map<string, number>();
    const inner: Place = { indent: `${place.indent}\t`, depth: place.depth, budget: place.budget, scope };
    const layout = this.#layouts.layoutOf(type);
    const keyword = type.kind === BtfKind.UNION ? 'union' : 'struct';
    if (layout === undefined) return this.#opaque(type, `${keyword}${tag}`, inner, place);

    const lines: string[] = [];
    const last = layout.items.at(-1);
    for (const item of layout.items) {
      spend(this.#btf, type.id, place);
      if (isPadding(item)) {
        const parts = item.map((part) => this.#padding(part, inner));
        lines.push(...(type.kind === BtfKind.UNION ? [`struct { ${parts.join(' ')} };`] : parts));
      } else {
        const flexible = item === last && layout.items.length > 1 && type.kind === BtfKind.STRUCT;
        lines.push(this.#member(item, this.#tags.of(type.id, item.index), flexible, inner));
      }
    }
    const attributes = `${layout.packed ? ' __attribute__((packed))' : ''}${this.#tags.of(type.id, -1)}`;
    if (lines.length === 0) return `${keyword}${tag} {}${attributes}`;
    return `${keyword}${tag} {\n${inner.indent}${lines.join(`\n${inner.indent}`)}\n${place.indent}}${attributes}`;
  }

  #member(member: CMember, tags: string, last: boolean, place: Place): string {
    if (member.name === '') {
      const type = this.#btf.type(this.#btf.skipModifiers(member.type));
      if (place.depth > maximumDepth) throw tooDeep(this.#btf, type.id);
      // A struct that has a tag but no member name, which GCC takes with -fms-extensions, is written as an anonymous one.
      if (type.kind === BtfKind.STRUCT || type.kind === BtfKind.UNION) {
        return `${this.#composite(type, { ...place, depth: place.depth + 1 }, '')}${tags};`;
      }
    }
    const name = unique(place.scope ?? new Map<string, number>(), member.name);
    const { scope: _, ...inner } = place;
    const array = this.#btf.type(member.type);
    if (last && array.kind === BtfKind.ARRAY && array.length === 0) {
      return `${this.#spell(array.elementType, `${name}[]`, none, inner)}${tags};`;
    }
    const bits = member.bitSize === 0 ? '' : ` : ${member.bitSize}`;
    return `${this.#spell(member.type, name, none, inner)}${bits}${tags};`;
  }

  #padding(part: Padding, place: Place): string {
    if ('unit' in part) return `${unitNames[part.unit]} : ${part.bits};`;
    return `char ${unique(place.scope ?? new Map<string, number>(), '__padding')}[${part.bytes}];`;
  }

  /** Bytes in the place of members that no C struct can have. */
  #opaque(type: BtfComposite, start: string, inner: Place, place: Place): string {
    const name = unique(inner.scope ?? new Map<string, number>(), '__bytes');
    return `${start} {\n${inner.indent}/* members that C cannot lay out like this */\n${inner.indent}unsigned char ${name}[${type.size}];\n${place.indent}}`;
  }

  #enumeration(type: BtfEnum | BtfEnum64, place: Place): string {
    const tag = type.name === '' ? '' : ` ${this.names.tag(type.id)}`;
    if (type.name === '') this.writtenEnums.add(type.id);
    // Declared only; C has no enumeration without values.
    if (type.values.length === 0) return type.name === '' ? 'int' : `enum${tag}`;
    const indent = `${place.indent}\t`;
    const lines = type.values.map(({ name, value }) => {
      spend(this.#btf, type.id, place);
      return `${indent}${this.names.enumerator(name)} = ${constant(value, type.signed)},`;
    });
    return `enum${tag} {\n${lines.join('\n')}\n${place.indent}}${this.#enumSize(type)}${this.#tags.of(type.id, -1)}`;
  }

  #enumSize(type: BtfEnum | BtfEnum64): string {
    const isWide = type.values.some(({ value }) => value > 0xffff_ffffn || value < -0x8000_0000n);
    const mode = isWide ? undefined : enumModes.get(type.size);
    return mode === undefined ? '' : ` __attribute__((mode(${mode})))`;
  }

  /** The kind behind qualifiers and tags. */
  #unqualified(id: number): BtfKind {
    let current = id;
    for (let depth = 0; depth < maximumDepth; depth++) {
      const type = this.#btf.type(current);
      switch (type.kind) {
        case BtfKind.CONST:
        case BtfKind.VOLATILE:
        case BtfKind.RESTRICT:
        case BtfKind.TYPE_TAG:
          current = type.type;
          break;
        default:
          return type.kind;
      }
    }
    throw tooDeep(this.#btf, id);
  }
}

function outermost(): Place {
  return { indent: '', depth: 0, budget: { items: mostItems } };
}

function qualified(qualifiers: Qualifiers, word: string): Qualifiers {
  if (qualifiers.words.includes(word)) return qualifiers;
  return { words: [...qualifiers.words, word], tags: qualifiers.tags };
}

function spend(btf: Btf, id: number, { budget }: Place): void {
  if (--budget.items < 0)
    throw btf.error(`type ${id} has more than ${mostItems} members, anonymous structs' included`, id);
}

function isPadding(item: CMember | readonly Padding[]): item is readonly Padding[] {
  return Array.isArray(item);
}

function constant(value: number | bigint, signed: boolean): string {
  if (value <= 0xffff_ffffn && value >= -0x8000_0000n) return value.toString();
  // The least value of a type is not the negation of one that fits.
  if (value === -0x8000_0000_0000_0000n) return '-9223372036854775807LL - 1';
  return `${value}${signed ? 'LL' : 'ULL'}`;
}
