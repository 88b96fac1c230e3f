import { AccessMode, AccessSize, Instruction, InstructionClass, JumpOperation, OperandSource } from '../asm/index.js';
import { LOG_LEVEL, type FunctionSpec, type ObjectSpec } from '../object/index.js';
import { removeUnreachable, type Patch } from './remove-unreachable.js';

/** `r0 = *(u8 *)(r0 + 0)` */
const LOAD_LEVEL = InstructionClass.LDX | AccessSize.B | AccessMode.MEM;
/** `if r0 < <level> goto` */
const JUMP_IF_BELOW = InstructionClass.JMP | JumpOperation.JLT | OperandSource.K;
const JUMP = InstructionClass.JMP | JumpOperation.JA;

/** The constant of an object that says up to which level it logs. */
interface LogLevel {
  readonly map: string;
  readonly offset: number;
  readonly value: number;
}

/** Up to which level an object logs; undefined when it was compiled without `node_ebpf_log.h`. */
export function logLevelOf({ variables, maps }: ObjectSpec): LogLevel | undefined {
  const variable = variables.get(LOG_LEVEL);
  if (variable?.constant !== true || variable.size !== 1) return undefined;
  const { map, offset } = variable;
  return { map, offset, value: maps.get(map)?.initialValue?.[offset] ?? 0 };
}

/**
 * A function without its tests of the level, and without the logs that these keep it from. The verifier would remove those
 * too, but not the three instructions of each test.
 */
export function withoutDisabledLogs(spec: FunctionSpec, level: LogLevel): FunctionSpec {
  const patches = new Map<number, Patch>();
  const instruction = new Instruction(spec.code, spec.littleEndian);
  for (const reference of spec.references) {
    if (reference.kind !== 'data' || reference.map !== level.map || reference.offsetInMap !== level.offset) continue;
    const jump = testAt(instruction, reference.offset);
    if (jump === undefined) continue;
    for (let slot = jump.index - 3; slot < jump.index; slot++) patches.set(slot, { kind: 'remove' });
    patches.set(
      jump.index,
      level.value < jump.level
        ? { kind: 'replace', opcode: JUMP, offset: instruction.at(jump.index).offset }
        : { kind: 'remove' },
    );
  }
  return patches.size === 0 ? spec : removeUnreachable(spec, patches);
}

/** The jump of the test that begins at `offset`, when the instructions there are those of the header. */
function testAt(instruction: Instruction, offset: number): { index: number; level: number } | undefined {
  const first = offset / 8;
  if (first + 3 >= instruction.count || !instruction.at(first).isWide) return undefined;
  const register = instruction.destination;
  const { opcode, destination, source, offset: displacement } = instruction.at(first + 2);
  if (opcode !== LOAD_LEVEL || destination !== register || source !== register || displacement !== 0) return undefined;
  const jump = instruction.at(first + 3);
  if (jump.opcode !== JUMP_IF_BELOW || jump.destination !== register) return undefined;
  return { index: first + 3, level: jump.immediate };
}
