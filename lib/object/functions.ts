import { AttachType, ProgramType } from '../abi/index.js';
import { SymbolBinding, SymbolVisibility, type ElfFile } from '../elf/index.js';
import { ObjectFormatError, quote } from '../errors/index.js';
import type { FunctionRanges } from './function-ranges.js';
import { readReferences, type ReferenceTargets } from './function-references.js';
import type { FunctionSpec } from './function-spec.js';
import { ProgramSpec } from './program-spec.js';
import { matchSection } from './section-table.js';
import type { SideTables } from './side-tables.js';

/**
 * Every function, as a program or as what programs call, or as both.
 *
 * @throws ObjectFormatError when two programs have one name, and for malformed code.
 */
export function readFunctions(
  elf: ElfFile,
  ranges: FunctionRanges,
  tables: SideTables,
  targets: ReferenceTargets,
): { programs: Map<string, ProgramSpec>; functions: Map<string, FunctionSpec> } {
  const all = new Map<string, FunctionSpec>();
  const called = new Set<string>();
  const programs = new Map<string, ProgramSpec>();
  // The only function of an object is its program wherever it stands, as libbpf has it.
  const isAlone = ranges.sections.reduce((sum, code) => sum + code.ranges.length, 0) === 1;
  for (const code of ranges.sections) {
    const sectionName = code.section.name;
    const references = readReferences(elf, code, targets);
    let previous: FunctionSpec | undefined;
    for (const range of code.ranges) {
      const { key, symbol, offset, size } = range;
      // Two names of one function share its tables.
      const twin = previous?.sectionOffset === offset ? previous : undefined;
      const { btfTypeId, lines, coreRelocations } = twin ?? tables.of(sectionName, offset, size);
      const spec: FunctionSpec = {
        key,
        name: symbol.name,
        section: sectionName,
        sectionOffset: offset,
        linkage: linkageOf(symbol.binding),
        hidden: symbol.visibility === SymbolVisibility.HIDDEN || symbol.visibility === SymbolVisibility.INTERNAL,
        code: code.section.bytes.subarray(offset, offset + size),
        littleEndian: elf.littleEndian,
        references: references.get(range) ?? [],
        btfTypeId,
        lines,
        coreRelocations,
      };
      if (all.has(key)) throw duplicate(elf, 'functions', spec);
      all.set(key, spec);
      previous = spec;
      if (code.isText && !isAlone) called.add(key);
      else if (programs.has(spec.name)) throw duplicate(elf, 'programs', spec);
      else programs.set(spec.name, programOf(spec));
      for (const reference of twin === undefined ? spec.references : []) {
        if (reference.kind === 'call' || reference.kind === 'function-address') called.add(reference.function);
      }
    }
  }
  // A static function in a program's section is a program unless others call it.
  for (const { name, function: spec } of [...programs.values()]) {
    if (spec.linkage === 'static' && called.has(spec.key)) programs.delete(name);
  }
  return { programs, functions: new Map([...all].filter(([key]) => called.has(key))) };
}

function programOf(spec: FunctionSpec): ProgramSpec {
  const { rule, target, autoload } = matchSection(spec.section);
  return new ProgramSpec({
    name: spec.name,
    section: spec.section,
    kind: rule?.kind ?? '',
    type: rule?.type ?? ProgramType.UNSPEC,
    attachType: rule?.attachType ?? AttachType.CGROUP_INET_INGRESS,
    attachTo: target,
    autoload,
    flags: rule?.flags ?? 0,
    function: spec,
  });
}

function duplicate(elf: ElfFile, what: string, spec: FunctionSpec): ObjectFormatError {
  return new ObjectFormatError(`two ${what} are named ${quote(spec.name)}`, {
    object: elf.name,
    section: spec.section,
    offset: spec.sectionOffset,
  });
}

function linkageOf(binding: number): FunctionSpec['linkage'] {
  if (binding === SymbolBinding.LOCAL) return 'static';
  return binding === SymbolBinding.WEAK ? 'weak' : 'global';
}
