import { ByteWriter } from '../../binary/index.js';
import { encodeBtfExt, type BtfExtTables } from '../../btf/index.js';
import { SectionFlag, SymbolBinding } from '../../elf/index.js';
import { isDataSection } from '../data-maps.js';
import { isLegacyMapsSection } from '../legacy-maps.js';
import type { ObjectBtf } from '../object-btf.js';
import type { ObjectSpec } from '../object-spec.js';
import { isStructOpsSection } from '../struct-ops-maps.js';
import { CodeSections, type PlacedSection } from './code-sections.js';
import {
  writeArenaGlobals,
  writeDataSections,
  writeDeclaredMaps,
  writeLegacyMaps,
  writeSlots,
  writeVariables,
} from './map-sections.js';
import { ObjectTypes } from './object-types.js';
import { ObjectWriter } from './object-writer.js';
import { writeStructOps } from './struct-ops-sections.js';

/** The bytes of an object file that reads back as `spec`. */
export function writeObject(spec: ObjectSpec, types: ObjectBtf | undefined): Uint8Array {
  const writer = new ObjectWriter(spec);
  const code = new CodeSections(writer);
  const declared = [...spec.maps.values()].filter(({ kind }) => kind === 'declared');
  const objectTypes = types === undefined ? undefined : new ObjectTypes(types, spec.name, declared);
  const maps =
    objectTypes === undefined ? writeLegacyMaps(writer, declared) : writeDeclaredMaps(writer, objectTypes.maps, types);
  writeDataSections(writer, types);
  writeArenaGlobals(writer, types);
  writeRest(writer, types);
  for (const { name, weak } of spec.externs.values()) {
    writer.extern(name, { binding: weak ? SymbolBinding.WEAK : SymbolBinding.GLOBAL });
  }
  writeStructOps(writer, types, (name) => code.program(name));
  code.relocate((name) => maps.get(name));
  writeSlots(writer, objectTypes?.maps ?? [], {
    map: (name) => maps.get(name),
    program: (name) => code.program(name)?.symbol,
  });
  if (objectTypes !== undefined) {
    const { littleEndian } = spec;
    const ext = encodeBtfExt(tablesOf(code.placed), {
      littleEndian,
      stringOffset: (text) => objectTypes.stringOffset(text),
    });
    writer.section({ name: '.BTF', bytes: objectTypes.encode(), alignment: 4 });
    writer.section({ name: '.BTF.ext', bytes: ext, alignment: 4 });
  }
  return writer.elf.encode();
}

/** Sections of text and numbers, and those that BTF describes and a load has no use for: as they were. */
function writeRest(writer: ObjectWriter, types: ObjectBtf | undefined): void {
  const { license, kernelVersion, littleEndian } = writer.spec;
  const flags = SectionFlag.ALLOC | SectionFlag.WRITE;
  const put = (name: string, bytes: Uint8Array): void => {
    const described = types?.section(name)?.section.size ?? 0;
    if (bytes.byteLength === 0 && described === 0) return;
    // What BTF says about the section must fit into it, as when the license became a shorter one.
    const padded = new Uint8Array(Math.max(bytes.byteLength, described));
    padded.set(bytes);
    writer.section({ name, bytes: padded, flags, alignment: 4 });
    writeVariables(writer, types, name);
  };
  put('license', license === '' ? new Uint8Array(0) : Buffer.from(`${license}\0`, 'utf8'));
  put(
    'version',
    kernelVersion === 0 ? new Uint8Array(0) : new ByteWriter({ littleEndian }).u32(kernelVersion).toBytes(),
  );
  for (const { name, section } of types?.sections ?? []) {
    const isWritten =
      name === '.maps' || isLegacyMapsSection(name) || isDataSection(section) || isStructOpsSection(name);
    if (isWritten || writer.has(name)) continue;
    const { type, size, bytes, alignment } = section;
    writer.section({ name, type, size, bytes, alignment, flags: section.flags });
    writeVariables(writer, types, name);
  }
}

/** The functions' tables put together by section, with offsets from its start. */
function tablesOf(sections: readonly PlacedSection[]): BtfExtTables {
  const tables = sections.map(({ name, functions }) => {
    // Two names of one function share its tables.
    const own = functions.filter(({ offset }, index) => offset !== functions[index - 1]?.offset);
    const typed = own.filter(({ spec }) => spec.btfTypeId !== 0);
    const joined = (column: (one: (typeof own)[number]) => Uint32Array): Uint32Array =>
      Uint32Array.from(own.flatMap((one) => [...column(one)]));
    return {
      functions: {
        section: name,
        offsets: Uint32Array.from(typed, ({ offset }) => offset),
        typeIds: Uint32Array.from(typed, ({ spec }) => spec.btfTypeId),
      },
      lines: {
        section: name,
        offsets: joined(({ spec, offset }) => spec.lines.offsets.map((at) => at + offset)),
        fileNames: joined(({ spec }) => spec.lines.fileNames),
        texts: joined(({ spec }) => spec.lines.texts),
        lineColumns: joined(({ spec }) => spec.lines.lineColumns),
      },
      coreRelocations: {
        section: name,
        offsets: joined(({ spec, offset }) => spec.coreRelocations.offsets.map((at) => at + offset)),
        typeIds: joined(({ spec }) => spec.coreRelocations.typeIds),
        accessStrings: joined(({ spec }) => spec.coreRelocations.accessStrings),
        kinds: joined(({ spec }) => spec.coreRelocations.kinds),
      },
    };
  });
  return {
    functions: tables.map(({ functions }) => functions),
    lines: tables.map(({ lines }) => lines),
    coreRelocations: tables.map(({ coreRelocations }) => coreRelocations),
  };
}
