import { MapFlag, MapType } from '../abi/index.js';
import { BtfKind, type Btf } from '../btf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { ExternSpec } from './extern-spec.js';
import { dataMapKernelName, MapSpec } from './map-spec.js';

/** A configuration value where it lies in the map of all of them. */
export interface KconfigVariable {
  readonly name: string;
  /** BTF id of its type. */
  readonly typeId: number;
  /** In bytes, from the start of the map's value. */
  readonly offset: number;
  /** In bytes. */
  readonly size: number;
}

/** `.kconfig`: no section of the file, but a map like those of sections, filled in by the load. */
export interface KconfigSection {
  readonly map: MapSpec;
  readonly variables: readonly KconfigVariable[];
}

const NAME = '.kconfig';

/** Options are lines of text; nothing real comes near, and the map's contents are made in memory. */
const MAXIMUM_SIZE = 65_536;

/**
 * The configuration values that an object asks for. They are laid out as libbpf does: those of larger alignment first,
 * then smaller ones before larger, then by name.
 *
 * @throws ObjectFormatError when one is a function or has a type without a size.
 */
export function readKconfigSection(
  object: { readonly name: string; readonly mapPrefix: string },
  btf: Btf | undefined,
  externs: ReadonlyMap<string, ExternSpec>,
): KconfigSection | undefined {
  if (btf === undefined) return undefined;
  const found: { name: string; typeId: number; size: number; alignment: number }[] = [];
  for (const { name, section, typeId } of externs.values()) {
    if (section !== NAME) continue;
    const variable = btf.type(typeId);
    if (variable.kind !== BtfKind.VAR) {
      throw new ObjectFormatError(`${quote(name)} is declared __kconfig and is no variable`, {
        object: object.name,
        section: '.BTF',
      });
    }
    const type = variable.type;
    found.push({ name, typeId: type, size: btf.sizeOf(type), alignment: btf.alignmentOf(type) });
  }
  if (found.length === 0) return undefined;
  found.sort((a, b) => b.alignment - a.alignment || a.size - b.size || (a.name < b.name ? -1 : 1));
  const variables: KconfigVariable[] = [];
  let end = 0;
  for (const { name, typeId, size, alignment } of found) {
    const offset = Math.ceil(end / alignment) * alignment;
    variables.push({ name, typeId, offset, size });
    end = offset + size;
  }
  if (end > MAXIMUM_SIZE) {
    throw new ObjectFormatError(
      `the __kconfig variables have ${end} bytes together; at most ${MAXIMUM_SIZE} are read`,
      {
        object: object.name,
        section: '.BTF',
      },
    );
  }
  const map = new MapSpec({
    name: NAME,
    kernelName: dataMapKernelName(object.mapPrefix, NAME),
    kind: 'data',
    type: MapType.ARRAY,
    keySize: 4,
    valueSize: end,
    maxEntries: 1,
    flags: MapFlag.MMAPABLE | MapFlag.RDONLY_PROG,
    btf,
    valueType: btf.find(NAME, BtfKind.DATASEC) ?? 0,
    readOnly: true,
  });
  return { map, variables };
}
