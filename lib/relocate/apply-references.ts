import { MapType } from '../abi/index.js';
import { CallSource, type Instruction, INSTRUCTION_SIZE, LoadSource, Opcode } from '../asm/index.js';
import { quote, UnsupportedError } from '../errors/index.js';
import { LOG_SECTION, type FunctionSpec, type Target } from '../object/index.js';
import { applyExtern } from './apply-extern.js';
import { poisonInstruction } from './core/patch-instruction.js';
import type { ExternResolver } from './extern-resolver.js';
import { KCONFIG_MAP } from './kconfig.js';
import type { LogNumbers } from './log-numbers.js';
import type { ProgramDraft } from './program-draft.js';
import type { PlacedFunction } from './linked-functions.js';

/** With the map's index added: the invalid call that marks a map that is not created, as in libbpf: tools know it. */
export const POISONED_MAP_CALL = 2_001_000_000;

/** What all programs of an object share. */
export interface ReferenceTools {
  readonly externs: () => ExternResolver;
  /** Where the global variables of the arena begin. */
  readonly arenaOffset: number;
  readonly logs: LogNumbers;
}

/** Writes what one function refers to into a program's code: functions, maps, global variables, what the kernel provides. */
export function applyReferences(
  draft: ProgramDraft,
  placed: PlacedFunction,
  { externs, arenaOffset, logs }: ReferenceTools,
): void {
  for (const reference of placed.spec.references) {
    const instruction = draft.instructionAt(placed, reference.offset);
    switch (reference.kind) {
      case 'call':
        expectOpcode(draft, instruction, Opcode.CALL);
        instruction.source = CallSource.FUNCTION;
        instruction.immediate = distance(draft, placed.spec, reference, instruction.index);
        break;
      case 'function-address':
        expectOpcode(draft, instruction, Opcode.LOAD_IMMEDIATE_64);
        instruction.source = LoadSource.FUNCTION;
        instruction.wideImmediate = BigInt.asUintN(
          32,
          BigInt(distance(draft, placed.spec, reference, instruction.index)),
        );
        break;
      case 'map':
        bindMap(draft, instruction, reference.map, LoadSource.MAP_FD, 0, placed.end);
        break;
      case 'data':
        if (reference.map === LOG_SECTION) {
          expectOpcode(draft, instruction, Opcode.LOAD_IMMEDIATE_64);
          instruction.source = LoadSource.VALUE;
          instruction.wideImmediate = BigInt(logs.of({ program: draft.spec.name, offset: reference.offsetInMap }));
          break;
        }
        bindMap(
          draft,
          instruction,
          reference.map,
          LoadSource.MAP_VALUE,
          reference.offsetInMap + (isArena(draft, reference.map) ? arenaOffset : 0),
          placed.end,
        );
        break;
      case 'extern':
        if (draft.object.externs.get(reference.name)?.section === KCONFIG_MAP) {
          const offset = draft.object.variables.get(reference.name)?.offset ?? 0;
          bindMap(draft, instruction, KCONFIG_MAP, LoadSource.MAP_VALUE, offset, placed.end);
        } else applyExtern(draft, instruction, reference.name, externs(), placed.end);
        break;
      case 'jump-table':
        bindJumpTable(draft, placed, instruction, reference);
        break;
      case 'section':
        throw unsupportedSection(draft, instruction.index, reference.section, reference.symbol);
    }
  }
}

/** To a function's start, from the instruction after this one (the first half of a load counts as one). */
function distance(
  draft: ProgramDraft,
  caller: FunctionSpec,
  reference: { function: string; offset: number },
  index: number,
): number {
  const callee = draft.linker.callee(draft.spec, caller, reference);
  const start = draft.functions.startOf(callee);
  if (start === undefined) throw draft.error('it is not part of the program', index, quote(callee.name));
  return start - index - 1;
}

function bindMap(
  draft: ProgramDraft,
  instruction: Instruction,
  name: string,
  source: number,
  offset: number,
  end: number,
): void {
  const { index } = instruction;
  expectOpcode(draft, instruction, Opcode.LOAD_IMMEDIATE_64);
  const map = draft.object.maps.get(name);
  if (map === undefined) throw draft.error('the object has no map of this name', index, quote(name));
  if (!map.autoCreate) {
    const place = [...draft.object.maps.keys()].indexOf(name);
    poisonInstruction(instruction, POISONED_MAP_CALL + place, end);
    draft.poisons.push({
      kind: 'map',
      instruction: index,
      access: `map ${quote(name)}`,
      reason: 'its autoCreate is false',
    });
    return;
  }
  instruction.source = source;
  instruction.wideImmediate = BigInt.asUintN(32, BigInt(offset)) << 32n;
  draft.bindings.push({ offset: index * INSTRUCTION_SIZE + 4, map: name });
}

function bindJumpTable(
  draft: ProgramDraft,
  placed: PlacedFunction,
  instruction: Instruction,
  { table, targets, offsetInTable }: Target & { kind: 'jump-table' },
): void {
  expectOpcode(draft, instruction, Opcode.LOAD_IMMEDIATE_64);
  instruction.source = LoadSource.MAP_VALUE;
  instruction.wideImmediate = BigInt.asUintN(32, BigInt(offsetInTable)) << 32n;
  let plan = draft.jumpTables.get(targets);
  if (plan === undefined) {
    const moved = Uint32Array.from(targets, (target) => placed.start + target / INSTRUCTION_SIZE);
    plan = { name: table, targets: moved, offsets: [] };
    draft.jumpTables.set(targets, plan);
  }
  plan.offsets.push(instruction.index * INSTRUCTION_SIZE + 4);
}

function isArena(draft: ProgramDraft, map: string): boolean {
  return draft.object.maps.get(map)?.type === MapType.ARENA;
}

function expectOpcode(draft: ProgramDraft, instruction: Instruction, opcode: number): void {
  if (instruction.opcode === opcode && (opcode === Opcode.CALL || instruction.slots === 2)) return;
  const found = `0x${instruction.opcode.toString(16)}`;
  throw draft.error(`an instruction of opcode ${found} takes no address`, instruction.index);
}

function unsupportedSection(draft: ProgramDraft, index: number, section: string, symbol: string): UnsupportedError {
  const target = symbol === '' ? '' : ` (symbol ${quote(symbol)})`;
  return new UnsupportedError(
    'custom sections',
    `program ${quote(draft.spec.name)} takes an address in section ${quote(section)}${target}, which is not supported yet${draft.placeOf(index)}`,
  );
}
