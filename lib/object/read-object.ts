import { basename } from 'node:path';

import { Btf, BtfExt } from '../btf/index.js';
import { ElfFile, ElfMachine, ElfType, SectionType } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import { readArena, type Arena } from './arena.js';
import { countsFromSections } from './assembler.js';
import { readDataMaps } from './data-maps.js';
import { readDataSections, type DataSection } from './data-section.js';
import { readDeclaredMaps } from './declared-maps.js';
import { readExterns } from './externs.js';
import { placedName, readFunctionRanges } from './function-ranges.js';
import { readFunctions } from './functions.js';
import { JumpTables } from './jump-tables.js';
import { readKconfigSection, type KconfigSection } from './kconfig-section.js';
import { readLegacyMaps } from './legacy-maps.js';
import type { MapSpec } from './map-spec.js';
import { ObjectBtf } from './object-btf.js';
import type { ObjectSpecOptions } from './object-spec.js';
import { SideTables } from './side-tables.js';
import { readStructOpsMaps } from './struct-ops-maps.js';
import { VariableSpec } from './variable-spec.js';

/** What libbpf keeps of a license, its NUL not counted. */
const LICENSE_LENGTH = 63;

/** Everything an object file holds. */
export function readObject(bytes: Uint8Array, name: string): ObjectSpecOptions {
  const elf = ElfFile.parse(bytes, { name });
  checkHeader(elf);
  const warnings: string[] = [];
  const btf = readBtf(elf);
  const dataSections = btf === undefined ? new Map<string, DataSection>() : readDataSections(elf, btf);
  const declared = readDeclaredMaps(elf, btf, dataSections, warnings);
  const legacy = readLegacyMaps(elf, warnings);
  const dataMaps = readDataMaps(elf, kernelObjectName(name), dataSections, btf);
  const arena = readArena(elf, declared?.maps ?? []);
  const externs = readExterns(elf, btf);
  const kconfig = readKconfigSection({ name, mapPrefix: kernelObjectName(name) }, btf, externs);
  const ranges = readFunctionRanges(elf);
  const maps = byName(elf, [
    ...(declared?.maps ?? []),
    ...legacy.flatMap((section) => section.maps),
    ...readStructOpsMaps(elf, btf, dataSections, ranges),
    ...dataMaps,
    ...(kconfig === undefined ? [] : [kconfig.map]),
  ]);

  const mapSections = declared === undefined ? legacy : [declared, ...legacy];
  const { programs, functions } = readFunctions(elf, ranges, new SideTables(name, btf, readBtfExt(elf, btf)), {
    functions: ranges,
    jumpTables: new JumpTables(elf),
    countsFromSections: countsFromSections(elf, ranges),
    maps: new Map(mapSections.map(({ section, nameAt }) => [section.index, nameAt])),
    dataMaps: new Map([
      ...dataMaps.map((map): [number, string] => [elf.section(map.name)?.index ?? 0, map.name]),
      ...(arena === undefined ? [] : [[arena.section.index, arena.map.name] as const]),
    ]),
  });

  return {
    name,
    littleEndian: elf.littleEndian,
    license: readLicense(elf, warnings),
    kernelVersion: readKernelVersion(elf),
    types: btf === undefined ? undefined : new ObjectBtf(btf, dataSections, kconfig),
    programs,
    maps,
    variables:
      btf === undefined
        ? new Map<string, VariableSpec>()
        : readVariables(btf, dataMaps, dataSections, { kconfig, arena }),
    externs,
    functions,
    warnings,
  };
}

/** An object's name as the kernel's names begin with it: `execsnoop` of `/a/execsnoop.bpf.o`. */
function kernelObjectName(name: string): string {
  return basename(name).split('.')[0] ?? '';
}

function checkHeader(elf: ElfFile): void {
  if (elf.type !== ElfType.REL) {
    throw new ObjectFormatError(`ELF type ${elf.type}: a BPF object is relocatable (type ${ElfType.REL}), not linked`, {
      object: elf.name,
      offset: 16,
    });
  }
  // LLVM before 4.0 left the machine out.
  if (elf.machine !== ElfMachine.BPF && elf.machine !== ElfMachine.NONE) {
    throw new ObjectFormatError(
      `ELF machine ${elf.machine}: the object is not compiled for BPF (machine ${ElfMachine.BPF}): use clang --target=bpf`,
      { object: elf.name, offset: 18 },
    );
  }
  checkOverlaps(elf);
}

/** No compiler lets sections overlap; reading overlapping ones could take the square of the file's size. */
function checkOverlaps(elf: ElfFile): void {
  const sections = elf.sections
    .filter((section) => section.bytes.byteLength > 0)
    .sort((a, b) => a.offset - b.offset || a.index - b.index);
  for (const [index, section] of sections.entries()) {
    const next = sections[index + 1];
    if (next !== undefined && next.offset < section.offset + section.size) {
      throw new ObjectFormatError(`its bytes overlap those of section ${quote(section.name)}`, {
        object: elf.name,
        section: next.name,
      });
    }
  }
}

function readBtf(elf: ElfFile): Btf | undefined {
  const section = requireProgbits(elf, '.BTF');
  if (section === undefined) return undefined;
  const btf = Btf.parse(section.bytes, { name: elf.name });
  if (btf.littleEndian !== elf.littleEndian) {
    throw new ObjectFormatError("its byte order is not the object's", { object: elf.name, section: '.BTF', offset: 0 });
  }
  btf.validate();
  return btf;
}

/**
 * A `.BTF.ext` that cannot be read is an error although libbpf goes on without it: CO-RE relocations stand in it, and a
 * program loaded without them would read the wrong fields.
 */
function readBtfExt(elf: ElfFile, btf: Btf | undefined): BtfExt | undefined {
  const section = requireProgbits(elf, '.BTF.ext');
  if (section === undefined || btf === undefined) return undefined;
  return BtfExt.parse(section.bytes, btf, { name: elf.name });
}

function requireProgbits(elf: ElfFile, name: string): ReturnType<ElfFile['section']> {
  const sections = elf.sections.filter((section) => section.name === name);
  const [section, second] = sections;
  if (section === undefined) return undefined;
  const fail = (problem: string): ObjectFormatError =>
    new ObjectFormatError(problem, { object: elf.name, section: name });
  if (second !== undefined) throw fail('there is a second section of that name');
  if (section.type !== SectionType.PROGBITS) throw fail(`section type ${section.type} holds no contents`);
  return section;
}

function byName(elf: ElfFile, maps: readonly MapSpec[]): Map<string, MapSpec> {
  const named = new Map<string, MapSpec>();
  for (const map of maps) {
    if (named.has(map.name)) {
      // A data map has its section's name.
      const section = map.kind === 'data' ? map.name : (elf.section('.maps') ?? elf.section('maps'))?.name;
      throw new ObjectFormatError(`two maps are named ${quote(map.name)}`, { object: elf.name, section });
    }
    named.set(map.name, map);
  }
  return named;
}

function readVariables(
  btf: Btf,
  dataMaps: readonly MapSpec[],
  dataSections: ReadonlyMap<string, DataSection>,
  { kconfig, arena }: { kconfig: KconfigSection | undefined; arena: Arena | undefined },
): Map<string, VariableSpec> {
  const variables = new Map<string, VariableSpec>();
  if (kconfig !== undefined) {
    const { map } = kconfig;
    for (const variable of kconfig.variables) variables.set(variable.name, new VariableSpec({ ...variable, map, btf }));
  }
  const places = dataMaps.map((map) => ({ map, section: map.name }));
  if (arena !== undefined) places.push({ map: arena.map, section: arena.section.name });
  // Global names are unique; static ones give way to them and to each other.
  for (const statics of [false, true]) {
    for (const { map, section } of places) {
      for (const variable of dataSections.get(section)?.variables ?? []) {
        if (variable.static !== statics) continue;
        const { name, offset, size, typeId } = variable;
        const key = variables.has(name) ? placedName(name, section, offset) : name;
        variables.set(key, new VariableSpec({ name: key, map, section, offset, size, btf, typeId }));
      }
    }
  }
  return variables;
}

function readLicense(elf: ElfFile, warnings: string[]): string {
  const section = elf.section('license');
  if (section === undefined) return '';
  const end = section.bytes.indexOf(0);
  const text = Buffer.from(end < 0 ? section.bytes : section.bytes.subarray(0, end)).toString('utf8');
  if (text.length <= LICENSE_LENGTH) return text;
  warnings.push(`the license was cut to ${LICENSE_LENGTH} characters, as libbpf does`);
  return text.slice(0, LICENSE_LENGTH);
}

function readKernelVersion(elf: ElfFile): number {
  const section = elf.section('version');
  if (section === undefined) return 0;
  const reader = elf.reader(section);
  if (reader.length !== 4) throw reader.error(`a version has 4 bytes, not ${reader.length}`);
  return reader.u32(0);
}
