import { essentialName, newerKindsIn } from '../btf/index.js';
import { quote } from '../errors/index.js';
import type { ObjectSpec, ProgramSpec } from '../object/index.js';
import { accessOf } from './apply-core-relocations.js';
import { attachTarget } from './attach-target.js';
import { CoreRelocationKind } from './core/core-relocation-kind.js';
import { FunctionLinker } from './function-linker.js';
import type { Needs } from './load-plan.js';

/**
 * What the programs of an object that are to be loaded need of a kernel, without looking at one.
 *
 * @throws {RelocationError} for functions that cannot be linked.
 * @throws {UsageError} for programs that do not say what they attach to.
 */
export function needs(object: ObjectSpec): Needs {
  const typeNames = new Set<string>();
  const reasons = new Set<string>();
  const linker = new FunctionLinker(object);
  let attachesByBtf = false;
  for (const program of object.programs.values()) {
    if (!program.autoload) continue;
    const target = attachTarget(program);
    if (target !== undefined) {
      attachesByBtf = true;
      typeNames.add(target.name);
      reasons.add(`program ${quote(program.name)}: ${target.rule.noun} ${quote(program.attachTo ?? '')}`);
    }
    addCoreRelocations(object, program, linker, typeNames, reasons);
  }
  return {
    kernelBtf: reasons.size > 0,
    attachesByBtf,
    typeNames,
    reasons: [...reasons],
    btfKinds: object.btf === undefined ? new Set() : newerKindsIn(object.btf),
  };
}

function addCoreRelocations(
  object: ObjectSpec,
  program: ProgramSpec,
  linker: FunctionLinker,
  typeNames: Set<string>,
  reasons: Set<string>,
): void {
  for (const { spec } of linker.link(program).placed) {
    const table = spec.coreRelocations;
    for (const [row, kind] of table.kinds.entries()) {
      // The id of a type in the object's own BTF is known without a kernel.
      if (kind === CoreRelocationKind.TYPE_ID_LOCAL) continue;
      const typeId = table.typeIds[row] ?? 0;
      if (object.btf !== undefined && typeId < object.btf.endId)
        typeNames.add(essentialName(object.btf.nameOf(typeId)));
      reasons.add(`program ${quote(program.name)}: CO-RE relocation ${accessOf(object, table, row)}`);
    }
  }
}
