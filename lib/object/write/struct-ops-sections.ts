import { BtfKind } from '../../btf/index.js';
import { ByteReader } from '../../binary/index.js';
import { quote, UsageError } from '../../errors/index.js';
import type { MapSpec } from '../map-spec.js';
import type { ObjectBtf } from '../object-btf.js';
import { isStructOpsSection } from '../struct-ops-maps.js';
import { writeVariables } from './map-sections.js';
import { RelocationType, type ObjectWriter } from './object-writer.js';

const POINTER_SIZE = 8;

/** Where a program is. */
interface ProgramSymbol {
  readonly symbol: number;
  readonly section: string;
  readonly offset: number;
}

/** Writes `.struct_ops` and its like: structures as they are now, and the programs that implement members. */
export function writeStructOps(
  writer: ObjectWriter,
  types: ObjectBtf | undefined,
  programSymbol: (name: string) => ProgramSymbol | undefined,
): void {
  const sections = [...(types?.sections ?? [])].sort((a, b) => a.section.index - b.section.index);
  for (const { name, section, variables } of sections) {
    if (!isStructOpsSection(name) || section.size === 0) continue;
    const bytes = Uint8Array.from(section.bytes);
    const { flags, alignment } = section;
    writer.section({ name, bytes, flags, alignment });
    writeVariables(writer, types, name);
    for (const { name: variable, offset } of variables) {
      const map = writer.spec.maps.get(variable);
      if (map?.kind !== 'struct-ops' || types === undefined) continue;
      if (map.initialValue !== undefined) bytes.set(map.initialValue, offset);
      for (const { at, program } of operationsOf(map, types)) {
        const target = programSymbol(program);
        if (target === undefined) {
          throw new UsageError(`map ${quote(map.name)} has program ${quote(program)}, which the object no longer has`, {
            code: 'ERR_EBPF_NOT_FOUND',
          });
        }
        const place = offset + at;
        // The place of a static function stands in the structure itself, counted from its section.
        const reader = new ByteReader(bytes, {
          littleEndian: writer.spec.littleEndian,
          object: writer.spec.name,
          section: name,
        });
        const addend = reader.u64(place);
        const bySection = addend !== 0n && addend === BigInt(target.offset);
        if (!bySection) bytes.fill(0, place, place + POINTER_SIZE);
        const symbol = bySection ? writer.sectionSymbol(target.section) : target.symbol;
        writer.relocation(name, place, symbol, RelocationType.ABSOLUTE_64);
      }
    }
  }
}

/** The programs of a map with the places of their members, in bytes from the start of the structure. */
function operationsOf(map: MapSpec, { btf }: ObjectBtf): { at: number; program: string }[] {
  const type = btf.type(map.valueType);
  if (type.kind !== BtfKind.STRUCT) return [];
  const places = new Map(type.members.map(({ name, bitOffset }) => [name, bitOffset / 8]));
  return [...map.operations].map(([member, program]) => {
    const at = places.get(member);
    if (at === undefined) throw UsageError.notFound(`member of map ${quote(map.name)}`, member, places.keys());
    return { at, program };
  });
}
