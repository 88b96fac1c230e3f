import { typeName } from '../btf/index.js';
import { escapeControl } from '../errors/index.js';
import type { CoreRelocationTable, ObjectSpec } from '../object/index.js';
import { describeAccess, parseAccess } from './core/access.js';
import { CoreProblem } from './core/core-problem.js';
import { isCoreRelocationKind } from './core/core-relocation-kind.js';
import type { CoreResolver } from './core/core-resolver.js';
import { patchInstruction } from './core/patch-instruction.js';
import type { PlacedFunction } from './linked-functions.js';
import type { ProgramDraft } from './program-draft.js';

/** Adapts one function's code to the kernel's types. */
export function applyCoreRelocations(draft: ProgramDraft, placed: PlacedFunction, resolver: CoreResolver): void {
  const table = placed.spec.coreRelocations;
  const { offsets, kinds, typeIds, accessStrings } = table;
  for (let row = 0; row < offsets.length; row++) {
    const instruction = draft.instructionAt(placed, offsets[row] ?? 0);
    const { index } = instruction;
    try {
      const answer = resolver.resolve(kinds[row] ?? 0, typeIds[row] ?? 0, accessStrings[row] ?? 0);
      const reason = patchInstruction(instruction, answer, placed.end);
      if (reason === undefined) continue;
      draft.poisons.push({ kind: 'core', instruction: index, access: describeAccess(answer.local), reason });
    } catch (problem) {
      if (!(problem instanceof CoreProblem)) throw problem;
      throw draft.error(problem.message, index, accessOf(draft.object, table, row), problem.cause);
    }
  }
}

/** What a relocation refers to as C spells it, for messages: never fails. */
export function accessOf(object: ObjectSpec, table: CoreRelocationTable, row: number): string {
  const { btf } = object;
  const typeId = table.typeIds[row] ?? 0;
  const kind = table.kinds[row] ?? 0;
  if (btf === undefined || typeId >= btf.endId) return `type ${typeId}`;
  try {
    if (!isCoreRelocationKind(kind)) return escapeControl(typeName(btf, typeId));
    return describeAccess(parseAccess(btf, typeId, btf.string(table.accessStrings[row] ?? 0), kind));
  } catch {
    return escapeControl(typeName(btf, typeId));
  }
}
