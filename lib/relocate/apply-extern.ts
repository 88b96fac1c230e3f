import { CallSource, type Instruction, INSTRUCTION_SIZE, LoadSource, Opcode } from '../asm/index.js';
import { quote, UnsupportedError } from '../errors/index.js';
import { CoreProblem } from './core/core-problem.js';
import { poisonInstruction } from './core/patch-instruction.js';
import type { ExternResolver, ResolvedExtern } from './extern-resolver.js';
import type { ProgramDraft } from './program-draft.js';

/** With the extern's index added: the invalid call that marks a missing kernel function, as in libbpf: tools know it. */
export const POISONED_FUNCTION_CALL = 2_002_000_000;

/** A call's offset, a signed 16-bit number, says which module's function it is; 0 is the kernel proper. */
const MOST_MODULES = 0x7fff;

/**
 * Writes what a `__ksym` is into the instruction under the cursor: a call of a kernel function, or a load of an address.
 * `end` is one past the function's last instruction.
 */
export function applyExtern(
  draft: ProgramDraft,
  instruction: Instruction,
  name: string,
  externs: ExternResolver,
  end: number,
): void {
  const { index } = instruction;
  const resolved = resolve(draft, index, name, externs);
  if (instruction.opcode === Opcode.CALL) applyCall(draft, instruction, name, resolved, end);
  else if (instruction.opcode === Opcode.LOAD_IMMEDIATE_64 && instruction.slots === 2) {
    applyAddress(draft, instruction, resolved);
  } else {
    const found = `0x${instruction.opcode.toString(16)}`;
    throw draft.error(`an instruction of opcode ${found} takes no address`, index, quote(name));
  }
}

function resolve(draft: ProgramDraft, index: number, name: string, externs: ExternResolver): ResolvedExtern {
  let resolved: ResolvedExtern | undefined;
  try {
    resolved = externs.resolve(name);
  } catch (problem) {
    if (!(problem instanceof CoreProblem)) throw problem;
    throw draft.error(problem.message, index, quote(name), problem.cause);
  }
  if (resolved !== undefined) return resolved;
  throw new UnsupportedError(
    'symbols that the object does not define',
    `program ${quote(draft.spec.name)} refers to ${quote(name)}, and no BTF declares it __ksym or __kconfig${draft.placeOf(index)}`,
  );
}

function applyCall(
  draft: ProgramDraft,
  instruction: Instruction,
  name: string,
  resolved: ResolvedExtern,
  end: number,
): void {
  const { index } = instruction;
  if (resolved.kind === 'missing') {
    const place = [...draft.object.externs.keys()].indexOf(name);
    poisonInstruction(instruction, POISONED_FUNCTION_CALL + place, end);
    draft.poisons.push({ kind: 'function', instruction: index, access: quote(name), reason: resolved.reason });
    return;
  }
  if (resolved.kind === 'address' || !resolved.callable) {
    throw draft.error('it is called, and declared as a variable', index, quote(name));
  }
  instruction.source = CallSource.KERNEL_FUNCTION;
  instruction.immediate = resolved.id;
  instruction.offset = resolved.module === undefined ? 0 : slotOf(draft, index, name, resolved.module);
}

/** The module's place in the program's array of descriptors. */
function slotOf(draft: ProgramDraft, index: number, name: string, module: string): number {
  const { functionModules } = draft;
  const known = functionModules.indexOf(module);
  if (known >= 0) return known + 1;
  if (functionModules.length >= MOST_MODULES) {
    throw draft.error(`it calls functions of more than ${MOST_MODULES} modules`, index, quote(name));
  }
  return functionModules.push(module);
}

function applyAddress(draft: ProgramDraft, instruction: Instruction, resolved: ResolvedExtern): void {
  if (resolved.kind !== 'type') {
    instruction.source = LoadSource.VALUE;
    instruction.wideImmediate = resolved.kind === 'address' ? resolved.address : 0n;
    return;
  }
  instruction.source = LoadSource.BTF_ID;
  instruction.wideImmediate = BigInt(resolved.id);
  if (resolved.module === undefined) return;
  // The upper half says whose BTF the id is of.
  const offset = (instruction.index + 1) * INSTRUCTION_SIZE + 4;
  draft.moduleBindings.push({ offset, module: resolved.module });
}
