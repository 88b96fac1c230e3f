import { UsageError, quote } from '../errors/index.js';

import type { Program } from './program.js';

/** A class of programs: `Tracepoint`, `BtfTracepoint`. Given to `ebpf.program(name, kind)`. */
export interface ProgramKind<P extends Program> {
  /** The class's name, for errors. */
  readonly name: string;
  /** What its programs inherit. */
  readonly prototype: P;
}

/** `program` as that kind. Throws {@link UsageError} when it is of another one. */
export function programAs<P extends Program>(program: Program, kind: ProgramKind<P>): P {
  if (isKind(program, kind)) return program;
  throw UsageError.invalidValue(
    `program ${quote(program.name)}`,
    `it is a ${program.constructor.name}, by its section ${quote(program.section)}, not a ${kind.name}`,
  );
}

function isKind<P extends Program>(program: Program, kind: ProgramKind<P>): program is P {
  return Object.prototype.isPrototypeOf.call(kind.prototype, program);
}
