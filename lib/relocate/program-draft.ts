import { Instruction, INSTRUCTION_SIZE } from '../asm/index.js';
import { RelocationError } from '../errors/index.js';
import type { ObjectSpec, ProgramSpec } from '../object/index.js';
import type { FunctionLinker } from './function-linker.js';
import type { LinkedFunctions, PlacedFunction } from './linked-functions.js';
import type { Binding, JumpTablePlan, ModuleBinding, Poison } from './load-plan.js';
import { lineAt } from './source-line.js';

/** A program while it is being relocated: its own copy of the code, and what is found out about it. */
export class ProgramDraft {
  readonly object: ObjectSpec;
  readonly spec: ProgramSpec;
  readonly linker: FunctionLinker;
  readonly functions: LinkedFunctions;
  readonly code: Uint8Array;
  readonly bindings: Binding[] = [];
  readonly moduleBindings: ModuleBinding[] = [];
  readonly functionModules: string[] = [];
  /** By the targets in the object: several instructions may take one table. */
  readonly jumpTables: Map<readonly number[], JumpTablePlan & { readonly offsets: number[] }> = new Map();
  readonly poisons: Poison[] = [];
  readonly #instruction: Instruction;

  constructor(object: ObjectSpec, spec: ProgramSpec, linker: FunctionLinker) {
    this.object = object;
    this.spec = spec;
    this.linker = linker;
    this.functions = linker.link(spec);
    this.code = this.functions.copyCode();
    this.#instruction = new Instruction(this.code, object.littleEndian);
  }

  /**
   * The cursor, moved to the instruction `offset` bytes into a function.
   *
   * @throws {RelocationError} when that is no instruction of the function.
   */
  instructionAt(placed: PlacedFunction, offset: number): Instruction {
    const index = placed.start + offset / INSTRUCTION_SIZE;
    if (!Number.isInteger(index) || index >= placed.end) {
      throw this.error(`a relocation ${offset} bytes into function ${placed.spec.name} is at no instruction of it`);
    }
    return this.#instruction.at(index);
  }

  sourceLine(instruction: number): string | undefined {
    const placed = this.functions.at(instruction);
    if (placed === undefined) return undefined;
    return lineAt(this.object.btf, placed.spec, (instruction - placed.start) * INSTRUCTION_SIZE);
  }

  /** For messages that have no place for a line: empty when there is none. */
  placeOf(instruction: number): string {
    const line = this.sourceLine(instruction);
    return line === undefined ? '' : `\n    at ${line}`;
  }

  error(problem: string, instruction?: number, access?: string, cause?: unknown): RelocationError {
    const line = instruction === undefined ? undefined : this.sourceLine(instruction);
    const site = { program: this.spec.name, instruction, line, access };
    return new RelocationError(problem, site, cause === undefined ? {} : { cause });
  }
}
