import { INSTRUCTION_SIZE } from '../asm/index.js';
import type { FunctionSpec } from '../object/index.js';

/** A function's place in a program's code. */
export interface PlacedFunction {
  readonly spec: FunctionSpec;
  /** Index of its first instruction. */
  readonly start: number;
  /** One past the index of its last instruction. */
  readonly end: number;
}

/** The functions of one program in the order they stand in its code. */
export class LinkedFunctions {
  readonly placed: readonly PlacedFunction[];
  /** Instructions in all. */
  readonly count: number;
  readonly #starts = new Map<string, number>();

  constructor(functions: readonly FunctionSpec[]) {
    const placed: PlacedFunction[] = [];
    let start = 0;
    for (const spec of functions) {
      const end = start + spec.code.byteLength / INSTRUCTION_SIZE;
      placed.push({ spec, start, end });
      this.#starts.set(placeOf(spec), start);
      start = end;
    }
    this.placed = placed;
    this.count = start;
  }

  /** Index of a function's first instruction; undefined for one that is not part of the program. */
  startOf(spec: FunctionSpec): number | undefined {
    return this.#starts.get(placeOf(spec));
  }

  /** The function that an instruction belongs to. */
  at(instruction: number): PlacedFunction | undefined {
    return this.placed.find(({ start, end }) => instruction >= start && instruction < end);
  }

  /** The code of all functions in a new buffer. */
  copyCode(): Uint8Array {
    const code = new Uint8Array(this.count * INSTRUCTION_SIZE);
    for (const { spec, start } of this.placed) code.set(spec.code, start * INSTRUCTION_SIZE);
    return code;
  }
}

/** What tells functions apart: one may have two names, and two may share a name. */
export function placeOf(spec: FunctionSpec): string {
  return `${spec.section}\0${spec.sectionOffset}`;
}
