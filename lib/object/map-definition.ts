import { MapType } from '../abi/index.js';
import { BtfKind, typeName, type Btf } from '../btf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import { MapSpec } from './map-spec.js';

/** A map read from its definition in C. */
export interface MapDefinition {
  readonly spec: MapSpec;
  /** Where the initial values begin, in bytes from the start of the variable; undefined when there can be none. */
  readonly valuesOffset: number | undefined;
  /** What of it means nothing to the kernel and to libbpf. */
  readonly warnings: readonly string[];
}

/** BTF_MEMBERS of a definition, as `SEC(".maps")` structs have them (`__uint`, `__type`, `__array`, `__ulong`). */
interface Member {
  readonly name: string;
  readonly type: number;
  readonly bitOffset: number;
}

/** `__array(values, …)` of these takes what a slot of a map-in-map is. */
const mapsOfMaps: readonly MapType[] = [MapType.ARRAY_OF_MAPS, MapType.HASH_OF_MAPS];

/**
 * Reads a map's definition from the BTF type of its variable.
 *
 * @throws ObjectFormatError naming the map and the attribute at fault.
 */
export function readMapDefinition(
  btf: Btf,
  options: { object: string; name: string; typeId: number; offset: number },
): MapDefinition {
  const reader = new DefinitionReader(btf, options.object, options.name, options.offset);
  return reader.read(options.typeId, undefined);
}

class DefinitionReader {
  readonly #btf: Btf;
  readonly #object: string;
  readonly #name: string;
  readonly #offset: number;
  readonly #warnings: string[] = [];
  #attribute: string | undefined;

  constructor(btf: Btf, object: string, name: string, offset: number) {
    this.#btf = btf;
    this.#object = object;
    this.#name = name;
    this.#offset = offset;
  }

  read(typeId: number, outer: MapSpec | undefined): MapDefinition {
    const definition = this.#btf.type(this.#btf.skipModifiers(typeId));
    if (definition.kind !== BtfKind.STRUCT) {
      throw this.#error(`it is defined by ${quote(typeName(this.#btf, typeId))}, not by a struct`);
    }
    const spec = new MapSpec({ name: this.#name, type: MapType.UNSPEC, btf: this.#btf });
    const seen = new Set<string>();
    let valuesOffset: number | undefined;
    for (const [index, member] of definition.members.entries()) {
      this.#attribute = member.name;
      if (seen.has(member.name)) throw this.#error('it is given twice');
      seen.add(member.name);
      switch (member.name) {
        case 'type':
          // Any number: the kernel knows which types it has.
          spec.type = this.#number(member) as MapType;
          break;
        case 'max_entries':
          spec.maxEntries = this.#number(member);
          break;
        case 'map_flags':
          spec.flags = this.#number(member);
          break;
        case 'numa_node':
          spec.numaNode = this.#number(member);
          break;
        case 'map_extra':
          spec.mapExtra = this.#wideNumber(member);
          break;
        case 'key_size':
          spec.keySize = this.#size(this.#number(member), spec.keySize, seen.has('key'));
          break;
        case 'value_size':
          spec.valueSize = this.#size(this.#number(member), spec.valueSize, seen.has('value'));
          break;
        case 'key':
          spec.keyType = this.#pointedTo(member);
          spec.keySize = this.#size(this.#sizeOf(spec.keyType), spec.keySize, seen.has('key_size'));
          break;
        case 'value':
          spec.valueType = this.#pointedTo(member);
          spec.valueSize = this.#size(this.#sizeOf(spec.valueType), spec.valueSize, seen.has('value_size'));
          break;
        case 'pinning':
          if (outer !== undefined) throw this.#error('a map inside a map cannot be pinned by its definition');
          spec.pinning = this.#pinning(member);
          break;
        case 'values':
          if (outer !== undefined) throw this.#error('maps nest one level deep only');
          if (index !== definition.members.length - 1) throw this.#error('it must be the last attribute');
          this.#readValues(member, spec, seen);
          valuesOffset = Math.floor(member.bitOffset / 8);
          break;
        default:
          throw this.#error('the attribute is unknown');
      }
    }
    this.#attribute = 'type';
    if (!seen.has('type')) throw this.#error('it is missing');
    return { spec, valuesOffset, warnings: this.#warnings };
  }

  /** `__array(values, T)`: an array without length of pointers to a map's definition, or to a function. */
  #readValues(member: Member, spec: MapSpec, seen: ReadonlySet<string>): void {
    const holdsMaps = mapsOfMaps.includes(spec.type);
    if (!holdsMaps && spec.type !== MapType.PROG_ARRAY) {
      throw this.#error('only maps of maps and program arrays have it');
    }
    const array = this.#btf.type(this.#btf.skipModifiers(member.type));
    if (array.kind !== BtfKind.ARRAY || array.length !== 0) throw this.#malformed(member, 'an array without length');
    const element = this.#btf.type(this.#btf.skipModifiers(array.elementType));
    if (element.kind !== BtfKind.PTR) throw this.#malformed(member, 'an array of pointers');
    // The kernel's descriptor of the inner map or program.
    spec.valueSize = this.#size(4, spec.valueSize, seen.has('value_size') || seen.has('value'));
    if (!holdsMaps) {
      const target = this.#btf.kind(this.#btf.skipModifiers(element.type));
      if (target !== BtfKind.FUNC_PROTO) throw this.#malformed(member, 'an array of pointers to functions');
      return;
    }
    const inner = new DefinitionReader(this.#btf, this.#object, `${this.#name}.inner`, this.#offset);
    spec.inner = inner.read(element.type, spec).spec;
  }

  /** `__uint(name, value)`: a pointer to an array of that length. */
  #number(member: Member): number {
    const pointer = this.#btf.type(this.#btf.skipModifiers(member.type));
    if (pointer.kind !== BtfKind.PTR) throw this.#malformed(member, '__uint(name, number)');
    const array = this.#btf.type(this.#btf.skipModifiers(pointer.type));
    if (array.kind !== BtfKind.ARRAY) throw this.#malformed(member, '__uint(name, number)');
    return array.length;
  }

  /** `__ulong(name, value)`: an enum of one constant; or `__uint`. */
  #wideNumber(member: Member): bigint {
    const type = this.#btf.type(this.#btf.skipModifiers(member.type));
    if (type.kind !== BtfKind.ENUM && type.kind !== BtfKind.ENUM64) return BigInt(this.#number(member));
    const [only, second] = type.values;
    if (only === undefined || second !== undefined) throw this.#malformed(member, '__ulong(name, number)');
    return BigInt.asUintN(64, BigInt(only.value));
  }

  /** `__type(name, T)`: a pointer to T. */
  #pointedTo(member: Member): number {
    const pointer = this.#btf.type(this.#btf.skipModifiers(member.type));
    if (pointer.kind !== BtfKind.PTR) throw this.#malformed(member, '__type(name, type)');
    return pointer.type;
  }

  #sizeOf(typeId: number): number {
    if (this.#btf.kind(this.#btf.skipModifiers(typeId)) === BtfKind.FWD) {
      const type = typeName(this.#btf, typeId);
      throw this.#error(
        `the object only declares ${quote(type)}: clang leaves out the members of types that nothing names but a map inside ` +
          `a map; a variable of that type brings them`,
      );
    }
    return this.#btf.sizeOf(typeId);
  }

  #size(size: number, before: number, isGiven: boolean): number {
    if (isGiven && size !== before) throw this.#error(`it says ${size} bytes where another attribute says ${before}`);
    return size;
  }

  #pinning(member: Member): 'none' | 'by-name' {
    const value = this.#number(member);
    if (value > 1) {
      // Cilium has 16, CILIUM_PIN_REPLACE, for its agent.
      const names = 'LIBBPF_PIN_NONE (0) nor LIBBPF_PIN_BY_NAME (1)';
      this.#warnings.push(`map ${quote(this.#name)} is not pinned: its pinning ${value} is neither ${names}`);
    }
    return value === 1 ? 'by-name' : 'none';
  }

  #malformed(member: Member, wanted: string): ObjectFormatError {
    return this.#error(`it is ${quote(typeName(this.#btf, member.type))}, not ${wanted}`);
  }

  #error(problem: string): ObjectFormatError {
    const attribute = this.#attribute === undefined ? '' : `, attribute ${quote(this.#attribute)}`;
    return new ObjectFormatError(`map ${quote(this.#name)}${attribute}: ${problem}`, {
      object: this.#object,
      section: '.maps',
      offset: this.#offset,
    });
  }
}
