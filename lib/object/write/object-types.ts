import {
  BtfBuilder,
  BtfKind,
  BtfLinkage,
  type Btf,
  type BtfDataSectionEntry,
  type BtfMember,
  type BtfType,
} from '../../btf/index.js';
import { MapType } from '../../abi/index.js';
import { ObjectFormatError } from '../../errors/index.js';
import type { DataSection } from '../data-section.js';
import { readMapDefinition } from '../map-definition.js';
import type { MapSpec } from '../map-spec.js';
import type { ObjectBtf } from '../object-btf.js';

/** A map's variable in `.maps`. */
export interface PlacedMap {
  readonly map: MapSpec;
  /** BTF id of its VAR. */
  readonly variableId: number;
  /** In bytes, from the start of the section. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
  /** In bytes, from the start of the variable: where `values` begins. */
  readonly valuesOffset: number;
}

const POINTER_SIZE = 8;

/** The value of `map_extra` needs an enum beyond the 32 bits that an array's length has. */
const LARGEST_LENGTH = 0xffff_ffffn;

/**
 * The object's types with the definitions of its maps as they are now. While no map was changed, added or taken out these
 * are the object's own bytes; else new types are appended, so that all ids and string offsets stay what they were.
 */
export class ObjectTypes {
  readonly maps: readonly PlacedMap[];
  readonly #builder: BtfBuilder;

  constructor(object: ObjectBtf, name: string, maps: readonly MapSpec[]) {
    const { btf } = object;
    // Maps of a section `maps` become maps that BTF defines, and its DATASEC theirs.
    const original = object.section('.maps') ?? object.section('maps');
    const known = new Map(original?.variables.map((variable) => [variable.name, variable]));
    const kept = maps.map((map): PlacedMap | undefined => {
      const variable = known.get(map.name);
      if (variable === undefined) return undefined;
      const { offset, size, variableId, typeId } = variable;
      const valuesOffset = keptDefinition(btf, map, { object: name, typeId, size });
      return valuesOffset === undefined ? undefined : { map, offset, size, variableId, valuesOffset };
    });
    if (maps.length === known.size && kept.every((placed) => placed !== undefined)) {
      this.maps = kept;
      this.#builder = BtfBuilder.from(btf);
      return;
    }
    const layout = new MapLayout(btf, original);
    for (const [index, map] of maps.entries()) layout.place(map, kept[index]);
    this.maps = layout.maps;
    this.#builder = layout.build();
  }

  stringOffset(string: string): number {
    return this.#builder.string(string);
  }

  encode(): Uint8Array {
    return this.#builder.encode();
  }
}

/** Where `values` begins in the definition that the object has, when that says all that `map` is; else undefined. */
function keptDefinition(
  btf: Btf,
  map: MapSpec,
  { object, typeId, size }: { object: string; typeId: number; size: number },
): number | undefined {
  try {
    const { spec, valuesOffset = size } = readMapDefinition(btf, { object, name: map.name, typeId, offset: 0 });
    const fits = map.slots.every(({ index }) => valuesOffset + (index + 1) * POINTER_SIZE <= size);
    return fits && isSameDefinition(spec, map) ? valuesOffset : undefined;
  } catch (error) {
    if (error instanceof ObjectFormatError) return undefined;
    throw error;
  }
}

function isSameDefinition(a: MapSpec, b: MapSpec): boolean {
  const keys = ['type', 'keySize', 'valueSize', 'maxEntries', 'flags', 'numaNode', 'mapExtra', 'pinning'] as const;
  const sameInner =
    a.inner === undefined || b.inner === undefined ? a.inner === b.inner : isSameDefinition(a.inner, b.inner);
  return keys.every((key) => a[key] === b[key]) && a.keyType === b.keyType && a.valueType === b.valueType && sameInner;
}

/** Types to be appended, with the ids they will have. */
class MapLayout {
  readonly maps: PlacedMap[] = [];
  readonly #btf: Btf;
  /** Ids of the DATASEC `.maps` and, by name, of the variables in it. */
  readonly #dataSection: number | undefined;
  readonly #variables: ReadonlyMap<string, number>;
  /** New definitions by the id of the variable. */
  readonly #redefined = new Map<number, number>();
  readonly #appended: ((builder: BtfBuilder) => number)[] = [];
  #int: number | undefined;
  #end = 0;

  constructor(btf: Btf, section: DataSection | undefined) {
    this.#btf = btf;
    this.#dataSection = section?.typeId;
    this.#variables = new Map(section?.variables.map(({ name, variableId }) => [name, variableId]));
  }

  place(map: MapSpec, kept: PlacedMap | undefined): void {
    if (kept !== undefined) {
      const offset = Math.max(kept.offset, this.#end);
      this.#end = offset + kept.size;
      this.maps.push({ ...kept, offset });
      return;
    }
    const { id, size: valuesOffset } = this.#definition(map, map.slots.length > 0);
    const slots = map.slots.reduce((most, { index }) => Math.max(most, index + 1), 0);
    const size = valuesOffset + slots * POINTER_SIZE;
    // A second variable of the name would leave linkers in doubt which one the symbol is.
    const known = this.#variables.get(map.name);
    const variableId = known ?? this.#append((builder) => builder.addVariable(map.name, id, BtfLinkage.GLOBAL));
    if (known !== undefined) this.#redefined.set(known, id);
    this.maps.push({ map, variableId, offset: this.#end, size, valuesOffset });
    this.#end += size;
  }

  build(): BtfBuilder {
    const btf = this.#btf;
    const entries = this.maps.map(({ variableId, offset, size }): BtfDataSectionEntry => ({
      type: variableId,
      offset,
      size,
    }));
    const builder = new BtfBuilder({ littleEndian: btf.littleEndian, strings: btf.allStrings() });
    for (let id = btf.startId; id < btf.endId; id++) {
      if (id === this.#dataSection) builder.addDataSection('.maps', this.#end, entries);
      else builder.add(this.#redefine(btf.type(id)));
    }
    for (const add of this.#appended) add(builder);
    if (this.#dataSection === undefined && entries.length > 0) builder.addDataSection('.maps', this.#end, entries);
    return builder;
  }

  #redefine(type: BtfType): BtfType {
    const definition = this.#redefined.get(type.id);
    return type.kind === BtfKind.VAR && definition !== undefined ? { ...type, type: definition } : type;
  }

  /** The struct that defines a map, as the macros of bpf_helpers.h write it. */
  #definition(map: MapSpec, hasSlots: boolean): { id: number; size: number } {
    const members: BtfMember[] = [];
    const add = (name: string, type: number): void => {
      members.push({ name, type, bitOffset: members.length * POINTER_SIZE * 8, bitSize: 0 });
    };
    const number = (name: string, value: number | undefined): void => {
      if (value !== undefined && value !== 0) add(name, this.#number(value));
    };
    add('type', this.#number(map.type));
    number('max_entries', map.maxEntries);
    number('map_flags', map.flags);
    if (map.numaNode !== undefined) add('numa_node', this.#number(map.numaNode));
    if (map.mapExtra !== 0n) add('map_extra', this.#wideNumber(map.mapExtra));
    if (map.pinning === 'by-name') number('pinning', 1);
    if (map.keyType === 0) number('key_size', map.keySize);
    else
      add(
        'key',
        this.#append((builder) => builder.addPointer(map.keyType)),
      );
    if (map.valueType === 0) number('value_size', map.valueSize);
    else
      add(
        'value',
        this.#append((builder) => builder.addPointer(map.valueType)),
      );
    const size = members.length * POINTER_SIZE;
    const element = this.#slotType(map, hasSlots);
    if (element !== undefined) {
      const pointer = this.#append((builder) => builder.addPointer(element));
      const int = this.#intType();
      add(
        'values',
        this.#append((builder) => builder.addArray(pointer, int, 0)),
      );
    }
    return { id: this.#append((builder) => builder.addStruct('', size, members)), size };
  }

  /** What `values` points to. */
  #slotType(map: MapSpec, hasSlots: boolean): number | undefined {
    if (map.inner !== undefined) return this.#definition(map.inner, false).id;
    if (map.type !== MapType.PROG_ARRAY || !hasSlots) return undefined;
    const int = this.#intType();
    return this.#append((builder) => builder.addFunctionPrototype(int, []));
  }

  #number(value: number): number {
    const int = this.#intType();
    const array = this.#append((builder) => builder.addArray(int, int, value));
    return this.#append((builder) => builder.addPointer(array));
  }

  #wideNumber(value: bigint): number {
    if (value <= LARGEST_LENGTH) return this.#number(Number(value));
    return this.#append((builder) => builder.addEnum64('', { values: [{ name: 'map_extra', value }] }));
  }

  #intType(): number {
    this.#int ??= this.#btf.find('int', BtfKind.INT);
    this.#int ??= this.#append((builder) => builder.addInt('int', { size: 4, signed: true }));
    return this.#int;
  }

  #append(add: (builder: BtfBuilder) => number): number {
    this.#appended.push(add);
    return this.#btf.endId + this.#appended.length - 1;
  }
}
