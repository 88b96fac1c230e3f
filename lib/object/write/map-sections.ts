import { SectionFlag, SectionType, SymbolBinding, SymbolType, SymbolVisibility } from '../../elf/index.js';
import { ByteWriter } from '../../binary/index.js';
import { quote, UnsupportedError, UsageError } from '../../errors/index.js';
import type { SectionVariable } from '../data-section.js';
import { ARENA_SECTION } from '../arena.js';
import type { MapSpec } from '../map-spec.js';
import type { ObjectBtf } from '../object-btf.js';
import { RelocationType, type ObjectWriter } from './object-writer.js';
import type { PlacedMap } from './object-types.js';

const POINTER_SIZE = 8;

/** Writes `.maps`; returns each map's symbol. */
export function writeDeclaredMaps(
  writer: ObjectWriter,
  maps: readonly PlacedMap[],
  types: ObjectBtf | undefined,
): Map<string, number> {
  const symbols = new Map<string, number>();
  if (maps.length === 0) return symbols;
  const size = maps.reduce((end, map) => Math.max(end, map.offset + map.size), 0);
  const flags = SectionFlag.ALLOC | SectionFlag.WRITE;
  writer.section({ name: '.maps', bytes: new Uint8Array(size), flags, alignment: POINTER_SIZE });
  const variables = new Map(types?.section('.maps')?.variables.map((variable) => [variable.name, variable]));
  for (const { map, offset, size: length } of maps) {
    const symbol = writer.symbol('.maps', {
      name: map.name,
      value: offset,
      size: length,
      type: SymbolType.OBJECT,
      ...scopeOf(variables.get(map.name)),
    });
    symbols.set(map.name, symbol);
  }
  return symbols;
}

/** Writes what maps hold from the start: `values` of a definition. */
export function writeSlots(
  writer: ObjectWriter,
  maps: readonly PlacedMap[],
  symbols: {
    readonly map: (name: string) => number | undefined;
    readonly program: (name: string) => number | undefined;
  },
): void {
  for (const { map, offset, valuesOffset } of maps) {
    for (const { index, kind, name } of map.slots) {
      const symbol = kind === 'map' ? symbols.map(name) : symbols.program(name);
      if (symbol === undefined) {
        throw new UsageError(`map ${quote(map.name)} holds ${kind} ${quote(name)}, which the object no longer has`, {
          code: 'ERR_EBPF_NOT_FOUND',
        });
      }
      writer.relocation('.maps', offset + valuesOffset + index * POINTER_SIZE, symbol, RelocationType.ABSOLUTE_64);
    }
  }
}

/** Writes a `maps` section, which needs no BTF: `struct bpf_map_def`, with Aya's `id, pinning` for maps that are pinned. */
export function writeLegacyMaps(writer: ObjectWriter, maps: readonly MapSpec[]): Map<string, number> {
  const symbols = new Map<string, number>();
  if (maps.length === 0) return symbols;
  const bytes = new ByteWriter({ littleEndian: writer.spec.littleEndian });
  const offsets = maps.map((map) => {
    if (map.inner !== undefined || map.slots.length > 0) {
      throw new UnsupportedError(
        'writing maps of maps without BTF',
        `map ${quote(map.name)} of an object without BTF holds others, and only BTF says which`,
      );
    }
    const offset = bytes.length;
    bytes.u32(map.type).u32(map.keySize).u32(map.valueSize).u32(map.maxEntries).u32(map.flags);
    if (map.pinning === 'by-name') bytes.u32(0).u32(1);
    return offset;
  });
  const flags = SectionFlag.ALLOC | SectionFlag.WRITE;
  writer.section({ name: 'maps', bytes: bytes.toBytes(), flags, alignment: 4 });
  for (const [index, map] of maps.entries()) {
    const value = offsets[index] ?? 0;
    const size = (offsets[index + 1] ?? bytes.length) - value;
    const rest = { value, size, type: SymbolType.OBJECT, binding: SymbolBinding.GLOBAL };
    symbols.set(map.name, writer.symbol('maps', { name: map.name, ...rest }));
  }
  return symbols;
}

/** Writes a section for each data map, with the values that its variables have now. */
export function writeDataSections(writer: ObjectWriter, types: ObjectBtf | undefined): void {
  for (const map of writer.spec.maps.values()) {
    if (map.kind !== 'data' || map.name === '.kconfig') continue;
    const flags = SectionFlag.ALLOC | (map.readOnly ? 0 : SectionFlag.WRITE);
    const { name, valueSize: size, initialValue } = map;
    if (initialValue !== undefined) writer.section({ name, bytes: initialValue, flags, alignment: 8 });
    else if (/^\.bss($|\.)/.test(name)) writer.section({ name, type: SectionType.NOBITS, size, flags, alignment: 8 });
    else writer.section({ name, bytes: new Uint8Array(size), flags, alignment: 8 });
    writeVariables(writer, types, name);
  }
}

/** Writes the global variables of an arena. */
export function writeArenaGlobals(writer: ObjectWriter, types: ObjectBtf | undefined): void {
  for (const { globalsSize, initialValue } of writer.spec.maps.values()) {
    if (globalsSize === 0) continue;
    const flags = SectionFlag.ALLOC | SectionFlag.WRITE;
    writer.section({ name: ARENA_SECTION, bytes: initialValue ?? new Uint8Array(globalsSize), flags, alignment: 8 });
    writeVariables(writer, types, ARENA_SECTION);
  }
}

/** Writes a symbol for each variable that BTF puts into a section. */
export function writeVariables(writer: ObjectWriter, types: ObjectBtf | undefined, section: string): void {
  for (const variable of types?.section(section)?.variables ?? []) {
    const { name, offset, size } = variable;
    writer.symbol(section, { name, value: offset, size, type: SymbolType.OBJECT, ...scopeOf(variable) });
  }
}

/** Who may name a variable: everybody, unless it was read as a static or hidden one. */
function scopeOf(variable: SectionVariable | undefined): { binding: number; visibility: number } {
  return {
    binding: variable?.static === true ? SymbolBinding.LOCAL : SymbolBinding.GLOBAL,
    visibility: variable?.hidden === true ? SymbolVisibility.HIDDEN : SymbolVisibility.DEFAULT,
  };
}
