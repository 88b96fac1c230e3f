import { ObjectFormatError } from '../errors/index.js';
import { BtfKind, kindName } from './btf-kind.js';
import type { Btf } from './btf.js';

/** How many types one name may spell; prototypes of prototypes grow beyond any screen. */
const mostTypes = 200;
const deepest = 32;
const longest = 512;

/**
 * The type as C spells it, for messages: `struct task_struct`, `const char *`, `int (*)(void *, ...)`. Long and deeply
 * nested types are cut with `…`; ids that do not exist and malformed types are named, not thrown.
 *
 * @example
 * ```js
 * typeName(btf, btf.find('bpf_prog', BtfKind.STRUCT)); // 'struct bpf_prog'
 * ```
 */
export function typeName(btf: Btf, id: number): string {
  return spelled(btf, id, { types: mostTypes, cast: false });
}

/** The type as values of it are cast: without qualifiers, `char[16]`, and `struct` alone for one without a name. */
export function castName(btf: Btf, id: number): string {
  return spelled(btf, id, { types: mostTypes, cast: true });
}

function spelled(btf: Btf, id: number, left: Budget): string {
  let name: string;
  try {
    name = declare(btf, id, '', left);
  } catch (error) {
    if (!(error instanceof ObjectFormatError)) throw error;
    return `(malformed type ${id})`;
  }
  return name.length > longest ? `${name.slice(0, longest)}…` : name;
}

interface Budget {
  types: number;
  readonly cast: boolean;
}

/** `declarator` is what stands where a variable's name would: `*`, `(*)[4]`. */
function declare(btf: Btf, id: number, declarator: string, left: Budget): string {
  if (left.types-- <= 0 || declarator.length > longest) return joined('…', declarator, left);
  if (!Number.isInteger(id) || id < 0 || id >= btf.endId) return joined(`(no type ${id})`, declarator, left);
  const type = btf.type(id);
  switch (type.kind) {
    case BtfKind.VOID:
      return joined('void', declarator, left);
    case BtfKind.INT:
    case BtfKind.FLOAT:
    case BtfKind.TYPEDEF:
      return joined(type.name, declarator, left);
    case BtfKind.STRUCT:
      return joined(tagged('struct', type.name, left), declarator, left);
    case BtfKind.UNION:
      return joined(tagged('union', type.name, left), declarator, left);
    case BtfKind.ENUM:
    case BtfKind.ENUM64:
      return joined(tagged('enum', type.name, left), declarator, left);
    case BtfKind.FWD:
      return joined(`${type.union ? 'union' : 'struct'} ${type.name}`, declarator, left);
    case BtfKind.PTR: {
      const target = targetKind(btf, type.type);
      const pointer = `*${declarator}`;
      const wrapped = target === BtfKind.ARRAY || target === BtfKind.FUNC_PROTO ? `(${pointer})` : pointer;
      return declare(btf, type.type, wrapped, left);
    }
    case BtfKind.CONST:
      return qualified(btf, type.type, 'const', declarator, left);
    case BtfKind.VOLATILE:
      return qualified(btf, type.type, 'volatile', declarator, left);
    case BtfKind.RESTRICT:
      return qualified(btf, type.type, 'restrict', declarator, left);
    case BtfKind.TYPE_TAG:
      return declare(btf, type.type, declarator, left);
    case BtfKind.ARRAY:
      return declare(btf, type.elementType, `${declarator}[${type.length}]`, left);
    case BtfKind.FUNC_PROTO: {
      // As a rule a handful; a file can claim 65,535.
      const parameters = type.parameters
        .slice(0, 16)
        .map((parameter, index) =>
          parameter.type === 0 && index === type.parameters.length - 1 ? '...' : declare(btf, parameter.type, '', left),
        );
      if (type.parameters.length > parameters.length) parameters.push('…');
      const list = parameters.length === 0 ? 'void' : parameters.join(', ');
      return declare(btf, type.returnType, `${declarator}(${list})`, left);
    }
    case BtfKind.FUNC:
    case BtfKind.VAR:
      return declare(btf, type.type, type.name + declarator, left);
    case BtfKind.DATASEC:
    case BtfKind.DECL_TAG:
      return `${kindName(type.kind)} ${type.name}`;
  }
}

/** A qualifier of a pointer stands behind its asterisk, any other before the type. */
function qualified(btf: Btf, id: number, qualifier: string, declarator: string, left: Budget): string {
  if (left.cast) return declare(btf, id, declarator, left);
  return targetKind(btf, id) === BtfKind.PTR
    ? declare(btf, id, joined(qualifier, declarator, left).trim(), left)
    : `${qualifier} ${declare(btf, id, declarator, left)}`;
}

/** The kind behind qualifiers and tags, but not typedefs, which have names. */
function targetKind(btf: Btf, id: number): BtfKind | undefined {
  let current = id;
  for (let depth = 0; depth < deepest && current < btf.endId; depth++) {
    const type = btf.type(current);
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
  return undefined;
}

function tagged(keyword: string, name: string, { cast }: Budget): string {
  if (name === '') return cast ? keyword : `${keyword} (anonymous)`;
  return `${keyword} ${name}`;
}

function joined(specifier: string, declarator: string, { cast }: Budget): string {
  if (declarator === '' || (cast && declarator.startsWith('['))) return specifier + declarator;
  return `${specifier} ${declarator}`;
}
