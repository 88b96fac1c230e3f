import { Instruction, INSTRUCTION_SIZE, InstructionClass, JumpOperation, OperandSource } from '../asm/index.js';
import type { CoreRelocationTable, FunctionSpec, LineTable, Reference } from '../object/index.js';

/** What is to become of an instruction; of the two halves of a 64-bit load the same. */
export type Patch =
  { readonly kind: 'remove' } | { readonly kind: 'replace'; readonly opcode: number; readonly offset: number };

/** A jump's target is in its immediate: `gotol`, Linux 6.6. */
const LONG_JUMP = InstructionClass.JMP32 | JumpOperation.JA;
/** To where a register says: `gotox`, Linux 6.19. */
const INDIRECT_JUMP = InstructionClass.JMP | JumpOperation.JA | OperandSource.X;

/**
 * The function with some instructions removed or replaced, and without those that nothing reaches then. Jumps and side
 * tables follow. A function with a jump that leads out of it stays as it is, for the verifier to refuse.
 */
export function removeUnreachable(spec: FunctionSpec, patches: ReadonlyMap<number, Patch>): FunctionSpec {
  const old = Uint8Array.from(spec.code);
  const instruction = new Instruction(old, spec.littleEndian);
  for (const [index, patch] of patches) {
    if (patch.kind === 'replace') instruction.at(index).replace({ opcode: patch.opcode, offset: patch.offset });
  }
  const kept = reachable(spec, instruction);
  if (kept === undefined) return spec;
  for (const [index, { kind }] of patches) if (kind === 'remove') kept[index] = 0;

  /** Where each instruction is now; one that is gone: where the next is that is not. */
  const places = new Uint32Array(kept.length + 1);
  for (const [index, isKept] of kept.entries()) places[index + 1] = (places[index] ?? 0) + isKept;
  const code = new Uint8Array((places[kept.length] ?? 0) * INSTRUCTION_SIZE);
  const moved = (offset: number): number => (places[offset / INSTRUCTION_SIZE] ?? 0) * INSTRUCTION_SIZE;
  for (const [index, isKept] of kept.entries()) {
    const offset = index * INSTRUCTION_SIZE;
    if (isKept === 1) code.set(old.subarray(offset, offset + INSTRUCTION_SIZE), moved(offset));
  }
  moveJumps(instruction, new Instruction(code, spec.littleEndian), kept, places);
  return {
    ...spec,
    code,
    references: moveReferences(spec.references, kept, moved),
    lines: moveLines(spec.lines, kept),
    coreRelocations: moveCoreRelocations(spec.coreRelocations, kept, moved),
  };
}

/** 1 for each instruction that control flow can get to; undefined when it leaves the function. */
function reachable(spec: FunctionSpec, instruction: Instruction): Uint8Array | undefined {
  const reached = new Uint8Array(instruction.count);
  const waiting = [0];
  for (const reference of spec.references) {
    if (reference.kind === 'jump-table') waiting.push(...reference.targets.map((target) => target / INSTRUCTION_SIZE));
  }
  for (let index = waiting.pop(); index !== undefined; index = waiting.pop()) {
    while (index < instruction.count && reached[index] !== 1) {
      reached[index] = 1;
      const { slots, opcode } = instruction.at(index);
      if (slots === 2) reached[index + 1] = 1;
      const target = targetOf(instruction);
      if (target !== undefined) {
        if (target < 0 || target >= instruction.count) return undefined;
        waiting.push(target);
      }
      if (isEnd(opcode)) break;
      index += slots;
    }
  }
  return reached;
}

/** Where the jump under the cursor leads; undefined when the instruction is none, or an indirect one. */
function targetOf({ opcode, class: kind, index, offset, immediate }: Instruction): number | undefined {
  if (kind !== InstructionClass.JMP && kind !== InstructionClass.JMP32) return undefined;
  const operation = opcode & 0xf0;
  if (operation === JumpOperation.CALL || operation === JumpOperation.EXIT || opcode === INDIRECT_JUMP) {
    return undefined;
  }
  return index + 1 + (opcode === LONG_JUMP ? immediate : offset);
}

/** Whether the next instruction does not follow. */
function isEnd(opcode: number): boolean {
  const kind = opcode & 0x07;
  if (kind === InstructionClass.JMP) {
    const operation = opcode & 0xf0;
    return operation === JumpOperation.JA || operation === JumpOperation.EXIT;
  }
  return opcode === LONG_JUMP;
}

function moveJumps(old: Instruction, now: Instruction, kept: Uint8Array, places: Uint32Array): void {
  for (let index = 0; index < old.count; index += old.at(index).slots) {
    if (kept[index] !== 1) continue;
    const target = targetOf(old.at(index));
    if (target === undefined) continue;
    const place = places[index] ?? 0;
    const distance = (places[target] ?? 0) - place - 1;
    if (now.at(place).opcode === LONG_JUMP) now.immediate = distance;
    else now.offset = distance;
  }
}

function moveReferences(
  references: readonly Reference[],
  kept: Uint8Array,
  moved: (offset: number) => number,
): Reference[] {
  return references
    .filter(({ offset }) => kept[offset / INSTRUCTION_SIZE] === 1)
    .map((reference) => ({
      ...reference,
      ...(reference.kind === 'jump-table' ? { targets: reference.targets.map(moved) } : {}),
      offset: moved(reference.offset),
    }));
}

/** A line begins where an instruction is of another row than the one before. */
function moveLines(lines: LineTable, kept: Uint8Array): LineTable {
  const rows: number[] = [];
  const offsets: number[] = [];
  let row = -1;
  let place = 0;
  for (const [index, isKept] of kept.entries()) {
    while ((lines.offsets[row + 1] ?? Infinity) <= index * INSTRUCTION_SIZE) row++;
    if (isKept !== 1) continue;
    if (row >= 0 && row !== rows.at(-1)) {
      rows.push(row);
      offsets.push(place * INSTRUCTION_SIZE);
    }
    place++;
  }
  const column = (values: Uint32Array): Uint32Array => Uint32Array.from(rows, (each) => values[each] ?? 0);
  const { fileNames, texts, lineColumns } = lines;
  return {
    offsets: Uint32Array.from(offsets),
    fileNames: column(fileNames),
    texts: column(texts),
    lineColumns: column(lineColumns),
  };
}

function moveCoreRelocations(
  { offsets, typeIds, accessStrings, kinds }: CoreRelocationTable,
  kept: Uint8Array,
  moved: (offset: number) => number,
): CoreRelocationTable {
  const stays = (_: number, row: number): boolean => kept[Math.floor((offsets[row] ?? 0) / INSTRUCTION_SIZE)] === 1;
  return {
    offsets: offsets.filter(stays).map(moved),
    typeIds: typeIds.filter(stays),
    accessStrings: accessStrings.filter(stays),
    kinds: kinds.filter(stays),
  };
}
